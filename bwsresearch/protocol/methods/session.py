"""Session requests: a connection that is logged on needs no signatures.

Source: web-socket-api.md "Authentication requests".
"""

from bwsresearch.protocol import results
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.weights import Fixed

__all__ = ["SessionLogon", "SessionLogout", "SessionStatus"]


class SessionLogon(Request[results.SessionInfo], frozen=True):
    """Authenticate the connection with an Ed25519 key; later requests need no signature."""

    method = "session.logon"
    heading = "Log in with API key (SIGNED)"
    weight_rule = Fixed(2)
    security = "SIGNED"


class SessionStatus(Request[results.SessionInfo], frozen=True):
    """Return which key the connection is logged on with, if any."""

    method = "session.status"
    heading = "Query session status"
    weight_rule = Fixed(2)


class SessionLogout(Request[results.SessionInfo], frozen=True):
    """Forget the key that the connection was logged on with; the connection stays open."""

    method = "session.logout"
    heading = "Log out of the session"
    weight_rule = Fixed(2)
