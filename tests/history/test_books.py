import json

import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.errors import BadSymbol, ServerError
from bwsresearch.protocol.methods import Depth

from .lab import HOUR, bars, recorded, result

START = 1_704_067_200_000  # 2024-01-01


def test_a_book_is_the_one_that_a_plain_request_gives(exchange):
    book = bws.depth("btcusdt", limit=7, client=exchange.client)
    plain = json.loads(exchange.client.raw(Depth("BTCUSDT", limit=7)))
    expected = pd.DataFrame(
        {
            "side": pd.Categorical(["bid"] * 7 + ["ask"] * 7, categories=["bid", "ask"]),
            "price": [float(price) for price, _ in plain["bids"] + plain["asks"]],
            "qty": [float(qty) for _, qty in plain["bids"] + plain["asks"]],
        }
    )
    expected["cum_qty"] = expected.groupby("side", observed=True)["qty"].cumsum()
    pd.testing.assert_frame_equal(book, expected)
    assert book.attrs == {
        "symbol": "BTCUSDT",
        "server": exchange.gateway.market.identity,
        "last_update_id": plain["lastUpdateId"],
    }


def test_a_hundred_levels_are_the_default(exchange):
    book = bws.depth("BTCUSDT", client=exchange.client)
    assert book["side"].value_counts().to_dict() == {"bid": 100, "ask": 100}
    prices = book["price"]
    assert prices[:100].is_monotonic_decreasing
    assert prices[100:].is_monotonic_increasing
    assert prices[0] < prices[100]


def test_a_book_that_is_implied_says_so():
    exchange = recorded(BTCUSDT={"1h": bars(48, START, HOUR)})
    assert bws.depth("BTCUSDT", client=exchange.client).attrs["implied"] is True


@pytest.mark.parametrize("limit", [0, 5001, "100", 1.5, True, None])
def test_a_limit_that_cannot_be_is_named(exchange, limit):
    with pytest.raises(ValueError, match=rf"limit is {limit!r}, must be 1 to 5000 levels a side"):
        bws.depth("BTCUSDT", limit=limit, client=exchange.client)


def test_what_is_no_symbol_is_named(exchange):
    with pytest.raises(ValueError, match="did you mean 'BTCUSDT'"):
        bws.depth("BTC/USDT", client=exchange.client)
    with pytest.raises(TypeError, match="must be one text"):
        bws.depth(["BTCUSDT", "ETHUSDT"], client=exchange.client)
    with pytest.raises(ValueError, match="timeout is -1"):
        bws.depth("BTCUSDT", timeout=-1, client=exchange.client)
    assert exchange.gateway.calls == []
    with pytest.raises(BadSymbol, match="NOSUCH was asked for"):
        bws.depth("nosuch", client=exchange.client)


@pytest.mark.parametrize("value", [{}, [], {"lastUpdateId": 1, "bids": [["x"]], "asks": []}])
def test_a_broken_book_is_refused(exchange, value):
    exchange.nth(1, result(value), method="depth")
    with pytest.raises(ServerError, match="depth: the server sent a broken book"):
        bws.depth("BTCUSDT", client=exchange.client)
