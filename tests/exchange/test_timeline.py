"""Recorded bars without their pages: the same as those show, but of what nobody waits for only the end."""

import numpy as np
import pytest

from bwsresearch.exchange.feed import Feed
from bwsresearch.exchange.fills import KlinesOnly
from bwsresearch.exchange.recorded import RecordedMarket, Recording
from bwsresearch.exchange.trading.book import Book, Stops
from bwsresearch.exchange.trading.liquidity import BarOpened, BarSeen

MINUTE = 60_000


def columns(opens, volume):
    opens = np.asarray(opens, np.int64) * MINUTE
    price = 100 + np.arange(len(opens)) / 100
    return {
        "open_time": opens * 1000, "close_time": (opens + MINUTE) * 1000 - 1,
        "open": price, "high": price + 1, "low": price - 1, "close": price + 0.5,
        "volume": np.asarray(volume, float), "quote_volume": np.asarray(volume, float) * 100,
        "trades": np.ones(len(opens)), "taker_buy_volume": np.zeros(len(opens)),
        "taker_buy_quote_volume": np.zeros(len(opens)),
    }  # fmt: skip


@pytest.fixture
def market():
    bars = columns([1, 2, 3, 4, 90, 91, 92], [1, 0, 3, 4, 5, 12_345_678.12345678, 0])
    return RecordedMarket({"BTCUSDT": Recording({"1m": bars})})


@pytest.fixture
def line(market):
    return market.timeline("BTCUSDT")


def shown(line, after, upto):
    return [(at // MINUTE, type(event)) for at, event in line.known(after, upto)]


def test_who_waits_sees_every_bar_as_its_pages_tell_it(market, line):
    engine = None  # pages are made without one
    pages = Feed(market, engine)._bars("BTCUSDT", 0, 5 * MINUTE, is_watched=True)
    direct = line.known(0, 5 * MINUTE)
    assert list(direct) == list(pages)
    later = Feed(market, engine)._bars("BTCUSDT", 5 * MINUTE, 95 * MINUTE, is_watched=True)
    direct = line.known(5 * MINUTE, 95 * MINUTE)
    assert list(direct) == list(later)


def test_nothing_of_a_bar_without_trades_is_had_at_its_open(line):
    seen = shown(line, 0, 3 * MINUTE)
    assert seen == [(1, BarOpened), (1, BarSeen), (2, BarSeen), (3, BarOpened)]


@pytest.mark.parametrize(
    "upto", [0, 59, 60, 61, 180, 200, 240, 299, 300, 4_000, 5_399, 5_400, 5_580]
)
@pytest.mark.parametrize("after", [-1, 0, 60, 150, 299, 5_400])
def test_a_model_that_skips_bars_stands_where_one_stands_that_has_seen_them(line, after, upto):
    skipped, observed = models = KlinesOnly(), KlinesOnly()
    for model in models:
        for at in (after, max(after, upto)):
            begun = -1 if at == after else after
            if model is skipped:
                line.skip(model, begun * 1000, at * 1000)
            else:
                for _, event in line.known(begun * 1000, at * 1000):
                    list(model.observe(event, Book(), Stops()))
    skipped.bars = observed.bars = None
    assert skipped == observed


def test_averages_are_those_of_bars_that_have_been_seen(line):
    model = KlinesOnly()
    for at, event in line.known(0, 95 * MINUTE):
        list(model.observe(event, Book(), Stops()))
        assert line.average(5, at) == model.bars.average(5, at)


def test_a_market_of_trades_alone_has_no_bars_to_remember():
    trades = {
        "id": np.array([1]), "price": np.array([1.0]), "qty": np.array([1.0]),
        "quote_qty": np.array([1.0]), "time": np.array([1_000_000]), "is_buyer_maker": np.array([True]),
    }  # fmt: skip
    assert RecordedMarket({"BTCUSDT": Recording({}, trades)}).timeline("BTCUSDT") is None
