"""Both clients: an async core, and the blocking one that a notebook uses over a bridge."""
