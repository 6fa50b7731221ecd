"""The WebSocket API without I/O: no socket, no clock, no random numbers, no frames."""
