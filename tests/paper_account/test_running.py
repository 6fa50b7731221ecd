"""The paper account of a run: what it shows before and after, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

from bwsresearch.backtesting import Rules

SYMBOL = "BTCUSDT"


@pytest.fixture
def bars():
    index = pd.date_range("2024-01-01", periods=60, freq="1min", tz="UTC", name="open_time")
    close = 100 + np.sin(np.arange(60) / 5)
    names = ("open", "high", "low", "close")
    frame = pd.DataFrame(dict.fromkeys(names, close) | {"volume": 2.0}, index=index)
    frame.attrs["symbol"] = SYMBOL
    return frame


@pytest.fixture
def account(opened):
    return opened({"USDT": 1000}, market=None, rules=Rules(step="0.001"))


def swings(k):
    return (k["close"].diff() > 0).astype(float)


def test_a_run_is_a_result_and_leaves_frames_of_every_order(account, bars):
    result = account.run(bars, swings)
    assert (result.origin, result.title) == ("paper", "swings on BTCUSDT")
    count = len(result.record.orders)
    assert count == 5
    assert [len(account.requests()), len(account.orders())] == [count, count]
    fills = account.fills()
    assert fills["price"].tolist() == pytest.approx(result.fills["price"].tolist())
    assert set(fills["model"]) == {"klines@1"}
    assert account.plot().get_figure() is not None
    assert account.equity().iloc[-1] == pytest.approx(result.equity.iloc[-1], rel=1e-3)


def test_it_says_what_it_waits_for_and_then_how_it_stands(account, bars):
    assert "paper.run(klines, strategy)" in repr(account)
    assert "<table" in account._repr_html_()
    with pytest.raises(AttributeError, match=r"no market yet; paper\.run\(klines, strategy\)"):
        account.balances()
    account.run(bars, swings)
    assert repr(account).startswith("Paper account, run over BTCUSDT")
    assert account.balances().loc["USDT", "total"] > 0


def test_an_account_runs_once(account, bars):
    account.run(bars, swings)
    with pytest.raises(ValueError, match="has run already"):
        account.run(bars, swings)


def test_its_market_can_be_asked_afterwards(account, bars):
    account.run(bars, swings)
    (bar,) = account.klines(SYMBOL, "1m", limit=1)
    assert float(bar.close) == pytest.approx(bars["close"].iloc[-1], abs=1e-8)
    assert account.ticker_price(SYMBOL).price > 90
    assert account.ticker_24hr(SYMBOL).volume > 0


def test_rules_say_all_of_market_fees_and_model(opened):
    with pytest.raises(ValueError, match="fee, model beside rules"):
        opened(market=None, rules=Rules(), fee=0.001, model={"id": "klines@1"})


def test_only_accounts_with_rules_run(opened, bars):
    with pytest.raises(ValueError, match=r"bws\.paper\(balances, rules=rules\) opens one"):
        opened().run(bars, swings)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"unit": "1e-18"}, "counts in 0.00000001"),
        ({"fill": "close"}, "fills at the next open"),
        ({"fill": "book"}, "has bars alone"),
    ],
)
def test_rules_that_no_account_can_have_are_refused(opened, bars, change, why):
    with pytest.raises(ValueError, match=why):
        opened(market=None, rules=Rules(**change)).run(bars, swings)


def test_bars_of_a_length_that_the_exchange_does_not_have_are_refused(account, bars):
    odd = bars.set_axis(pd.date_range("2024-01-01", periods=60, freq="7min", tz="UTC"))
    odd.attrs["symbol"] = SYMBOL
    with pytest.raises(ValueError, match="no bars of the exchange"):
        account.run(odd, swings)


def test_a_journal_of_a_run_is_of_that_run_alone(opened, bars, tmp_path):
    opened(market=None, rules=Rules(), journal=tmp_path / "j").run(bars, swings)
    again = opened(market=None, rules=Rules(), journal=tmp_path / "j")
    with pytest.raises(ValueError, match="holds a journal"):
        again.run(bars, swings)


def test_a_closed_account_still_shows_its_run(account, bars):
    account.run(bars, swings)
    orders = account.orders()
    account.close()
    pd.testing.assert_frame_equal(account.orders(), orders)
