"""A connection to a gateway without a socket: frames as text, replies as Python."""

import json
from dataclasses import dataclass, field

from bwsresearch.exchange.gateway import Gateway
from bwsresearch.protocol.session import Options, ServerSession


@dataclass
class Asker:
    """Asks a gateway from one address, at a time that is set."""

    gateway: Gateway
    now: int
    options: Options = field(default_factory=Options)
    address: str = "192.0.2.1"

    def __post_init__(self):
        self.session = ServerSession(self.options)

    def frame(self, text):
        """Return the reply to a frame, decoded, and whether the connection ends."""
        call = self.session.receive(text)
        if isinstance(call, bytes):
            return json.loads(call), self.session.is_struck_out
        answer = self.gateway.handle(call, self.session, self.address, self.now)
        return json.loads(answer.text), answer.ends

    def reply(self, method, **params):
        """Return the reply to a request."""
        return self.frame(json.dumps({"id": 7, "method": method, "params": params}))[0]

    def ask(self, method, **params):
        """Return the result of a request."""
        reply = self.reply(method, **params)
        assert reply["status"] == 200, reply
        return reply["result"]

    def refused(self, method, **params):
        """Return code and message of a refused request."""
        reply = self.reply(method, **params)
        assert list(reply) == ["id", "status", "error", "rateLimits"]
        assert (reply["id"], reply["status"]) == (7, 400)
        return reply["error"]["code"], reply["error"]["msg"]


def shape(value):
    """Return the form of a value: keys in order, types, and of texts whether they are amounts."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        shapes = [shape(one) for one in value]
        return shapes[:1] if all(one == shapes[0] for one in shapes) else shapes
    if isinstance(value, str):
        whole, dot, parts = value.lstrip("-").partition(".")
        return f"{len(parts)} decimals" if whole.isdigit() and dot and parts.isdigit() else "text"
    return type(value).__name__


def keys_in_order(value):
    """Return a value's keys as text, which tells their order too."""
    return json.dumps(shape(value))
