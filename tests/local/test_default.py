"""Real money is safe: nothing leaves for production that could move it, unless it is allowed."""

import pytest

import bwsresearch as bws
from bwsresearch.client.transport import WebSocketEndpoint
from bwsresearch.errors import Disconnected
from bwsresearch.journals import JournalError, read
from bwsresearch.local import SERVERS, default
from bwsresearch.protocol import methods

KEY = {"api_key": "n" * 64, "api_secret": "s" * 64}
TERMS = {"side": "BUY", "type": "MARKET", "quantity": 1}
ORDERS = {
    "order_place": {**TERMS},
    "order_cancel": {"order_id": 1},
    "order_cancel_replace": {
        "cancel_replace_mode": "STOP_ON_FAILURE",
        "cancel_order_id": 1,
        **TERMS,
    },
    "order_amend_keep_priority": {"order_id": 1, "new_qty": 1},
    "open_orders_cancel_all": {},
}
REAL = [
    "production",
    SERVERS["production"],
    "wss://ws-api.binance.com/ws-api/v3",
    "wss://ws-api.binance.com:9443/ws-api/v3",
    "wss://WS-API.Binance.COM:443/ws-api/v3?returnRateLimits=false",
    "wss://ws-api.binance.us:443/ws-api/v3",
]
PLAY = ["testnet", "demo", SERVERS["testnet"], SERVERS["demo"], "ws://127.0.0.1:9/ws-api/v3"]


@pytest.fixture(autouse=True)
def _no_default(monkeypatch):
    monkeypatch.setattr(default, "_default", [])


@pytest.fixture
def tried(monkeypatch):
    """The servers that somebody tries to reach; nobody gets there."""
    names = []

    async def connect(self):
        names.append(self.name)
        raise Disconnected("nobody leaves this room")

    monkeypatch.setattr(WebSocketEndpoint, "connect", connect)
    return names


def test_every_method_that_changes_something_is_tried_here():
    changing = {kind for kind in methods.CATALOGUE.values() if not kind.is_read}
    assert {kind.method.split(".")[0] for kind in changing} == {"order", "openOrders"}
    assert len(changing) == len(ORDERS)


@pytest.mark.parametrize("server", REAL)
@pytest.mark.parametrize("method", ORDERS)
def test_production_refuses_orders_before_anything_is_sent(server, method, tried, tmp_path):
    client = bws.connect(server, **KEY, journal=tmp_path)
    with pytest.raises(ValueError, match=r"moves real money; pass allow_orders=True to connect"):
        getattr(client, method)("BTCUSDT", **ORDERS[method])
    assert tried == []
    assert not client.is_open
    with pytest.raises(JournalError, match="holds no journal"):
        read(tmp_path)


@pytest.mark.parametrize("server", REAL)
def test_tests_of_orders_and_reads_are_allowed_there(server, tried):
    client = bws.connect(server, **KEY)
    for ask in (
        lambda: client.order_test("BTCUSDT", **TERMS),
        lambda: client.order_status("BTCUSDT", order_id=1),
        client.account_status,
    ):
        with pytest.raises(Disconnected):
            ask()
    assert len(tried) >= 3


@pytest.mark.parametrize("server", REAL)
def test_orders_leave_when_they_are_allowed(server, tried):
    client = bws.connect(server, **KEY, allow_orders=True)
    with pytest.raises(Disconnected):
        client.order_place("BTCUSDT", **TERMS)
    assert tried


@pytest.mark.parametrize("server", PLAY)
def test_play_money_needs_no_leave(server, tried):
    client = bws.connect(server, **KEY)
    with pytest.raises(Disconnected):
        client.order_place("BTCUSDT", **TERMS)
    assert tried


def test_the_environments_server_is_production_too(monkeypatch, tried):
    monkeypatch.setenv("BWS_SERVER", SERVERS["production"])
    monkeypatch.setenv("BWS_API_KEY", "n" * 64)
    monkeypatch.setenv("BWS_API_SECRET", "s" * 64)
    for client in (bws.connect(), default.default_client()):
        with pytest.raises(ValueError, match="moves real money"):
            client.order_place("BTCUSDT", **TERMS)
    assert tried == []
