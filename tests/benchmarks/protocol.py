"""How long the protocol needs for one order: to write and sign it, to read and verify it.

    python tests/benchmarks/protocol.py [--repeat 400]

One LIMIT order with a client order id. Prints the least of many rounds of 50, in microseconds, for
each kind of key; no socket, no exchange.
"""

import argparse
import timeit
from collections.abc import Callable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from bwsresearch.protocol.methods import OrderPlace
from bwsresearch.protocol.params import reading
from bwsresearch.protocol.placement import checked
from bwsresearch.protocol.session import ClientSession, ServerSession
from bwsresearch.protocol.signing import Key, verify

NOW = 1_700_000_000_000
ROUND = 50


def keys() -> dict[str, Key]:
    """One key of each kind."""
    private = {
        "RSA 2048": rsa.generate_private_key(65537, 2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    plain = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    made = {name: Key("k" * 64, key.private_bytes(*plain)) for name, key in private.items()}
    return {"HMAC": Key("k" * 64, "secret"), **made}


def order() -> OrderPlace:
    """The order that is timed."""
    return OrderPlace(
        "BTCUSDT",
        side="BUY",
        type="LIMIT",
        time_in_force="GTC",
        quantity="0.01",
        price="60000.00",
        new_client_order_id="abc",
    )


def main() -> None:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=400)
    repeat = parser.parse_args().repeat

    def show(name: str, step: Callable[[], object]) -> None:
        least = min(timeit.repeat(step, number=ROUND, repeat=repeat)) / ROUND
        print(f"{name:28}{least * 1e6:9.1f} us")

    request = order()
    show("make the request", order)
    for name, key in keys().items():
        client, server, public = ClientSession(key), ServerSession(), key.public()

        def send(client: ClientSession = client) -> bytes:
            request_id, frame = client.send(request, now_ms=NOW)
            client.forget(request_id)
            return frame

        frame = send()
        call = server.receive(frame)
        found = reading(OrderPlace, call.params)
        credentials = found.credentials
        if name == "HMAC":
            show("read the envelope", lambda server=server, frame=frame: server.receive(frame))
            show("read the parameters", lambda call=call: reading(OrderPlace, call.params))
            show("check the order", lambda found=found: checked(found.request))
        show(f"write and sign, {name}", send)
        show(
            f"verify, {name}",
            lambda public=public, one=credentials: verify(public, one.payloads(), one.signature),
        )


if __name__ == "__main__":
    main()
