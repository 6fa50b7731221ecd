"""Names to things: a server's name to a client, a market's name to an exchange in this process.

The first call of a notebook finds its client here: the one that `connect` made last, or else the
one that the environment variable BWS_SERVER names, or else production.
"""

from bwsresearch.local.accounts import accounts_of
from bwsresearch.local.default import connect, default_client
from bwsresearch.local.desks import office_of
from bwsresearch.local.markets import recorded_market
from bwsresearch.local.process import LocalEndpoint, Onward, Standing, live_clock, running_from
from bwsresearch.local.servers import SERVERS, implied, server_of

__all__ = [
    "SERVERS",
    "LocalEndpoint",
    "Onward",
    "Standing",
    "accounts_of",
    "connect",
    "default_client",
    "implied",
    "live_clock",
    "office_of",
    "recorded_market",
    "running_from",
    "server_of",
]
