"""A WebSocket server around an exchange: handshakes, frames, pings and the end of connections.

Requests of a connection are answered in their order. An added latency overlaps: each reply leaves
that long after its request came. Source: web-socket-api.md, "General API information".
"""

from bwsresearch.server.control import controlled
from bwsresearch.server.doors import PATH
from bwsresearch.server.serving import Server, hosted, run, serve

__all__ = ["PATH", "Server", "controlled", "hosted", "run", "serve"]
