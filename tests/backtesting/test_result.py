import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from bwsresearch.backtesting import Rules, backtest
from bwsresearch.backtesting.statistics import CONVENTIONS

from .lab import balances, market, played, rules, runs, sma_cross, steady, walk

UTC = "datetime64[us, UTC]"
FREE = Rules(fee=0)


@pytest.fixture(scope="module")
def result():
    return backtest(walk(1_000, seed=1), sma_cross, balances={"USDT": 10_000})


@pytest.fixture(scope="module")
def idle():
    klines = walk(50, seed=1)
    return backtest(klines, klines["close"] * 0, balances={"USDT": 10_000})


@pytest.mark.parametrize("name", ["result", "idle"])
def test_frames_have_the_same_kinds_of_columns_full_or_empty(name, request):
    one = request.getfixturevalue(name)
    assert one.orders.dtypes.astype(str).to_dict() == {
        "symbol": "category", "side": "category", "type": "category", "qty": "float64",
        "quote_qty": "float64", "price": "float64", "stop_price": "float64", "target": "float64",
        "status": "category", "executed_qty": "float64", "reason": "category",
    }  # fmt: skip
    assert one.fills.dtypes.astype(str).to_dict() == {
        "order": "int64", "symbol": "category", "side": "category", "price": "float64",
        "qty": "float64", "quote_qty": "float64", "fee": "float64", "fee_asset": "category",
        "is_maker": "bool", "base": "float64", "quote": "float64",
    }  # fmt: skip
    assert one.trades.dtypes.astype(str).to_dict() == {
        "symbol": "category", "entry_time": UTC, "exit_time": UTC, "qty": "float64", "entry_price": "float64",
        "exit_price": "float64", "fees": "float64", "pnl": "float64", "return": "float64",
        "bars": "int64", "is_open": "bool",
    }  # fmt: skip
    for frame, index in ((one.orders, "open_time"), (one.fills, "time"), (one.equity, "open_time")):
        assert (str(frame.index.dtype), frame.index.name) == (UTC, index)
    assert set(one.fills["fee_asset"].cat.categories) == {"BTC", "USDT"}
    for series in (one.equity, one.position, one.returns, one.buy_and_hold, one.stats()):
        assert series.dtype == np.float64
    assert one.fills.empty == (name == "idle")


def test_fills_name_their_orders(result):
    sent = result.orders.iloc[result.fills["order"]]
    assert (sent["status"] == "FILLED").all()
    assert (sent["side"].to_numpy() == result.fills["side"].to_numpy()).all()
    assert (sent.index < result.fills.index).all()
    assert set(result.fills.query("side == 'BUY'")["fee_asset"]) == {"BTC"}
    assert set(result.fills.query("side == 'SELL'")["fee_asset"]) == {"USDT"}


@steady
@given(runs, rules, balances)
def test_equity_is_quote_and_base_at_the_close(run, rules, start):
    klines, wanted = played(run)
    base, quote = (float(text) for text in start)
    result = backtest(klines, wanted, balances={"BTC": base, "USDT": quote}, rules=rules)
    closes = klines["close"].to_numpy()
    for bar, close in enumerate(closes):
        fills = result.fills[result.fills.index <= klines.index[bar]]
        held = (fills["base"].iloc[-1], fills["quote"].iloc[-1]) if len(fills) else (base, quote)
        assert result.equity.iloc[bar] == pytest.approx(held[1] + held[0] * close, rel=1e-14)
        assert result.position.iloc[bar] == held[0]


def test_equity_before_the_first_bar_is_valued_at_its_open():
    klines = market([110.0, 120.0], opens=[100.0, 110.0])
    result = backtest(klines, klines["close"] * np.nan, balances={"BTC": 1, "USDT": 50})
    assert result.initial_equity == 150.0
    assert result.equity.tolist() == [160.0, 170.0]
    assert result.buy_and_hold.tolist() == pytest.approx([165.0, 180.0])
    assert result.stats()["return"] == pytest.approx(20 / 150)
    assert result.stats()["buy_and_hold_return"] == pytest.approx(0.2)


def test_figures_agree_with_the_frames(result):
    stats, trades = result.stats(), result.trades[~result.trades["is_open"]]
    assert stats["trades"] == len(trades) > 20
    assert stats["win_rate"] == (trades["pnl"] > 0).mean()
    assert stats["average_trade"] == pytest.approx(trades["return"].mean())
    assert stats["best_trade"] == trades["return"].max()
    wins, losses = trades["pnl"].clip(lower=0).sum(), -trades["pnl"].clip(upper=0).sum()
    assert stats["profit_factor"] == pytest.approx(wins / losses)
    assert stats["exposure"] == (result.position > 0).mean()
    assert stats["final_equity"] == result.equity.iloc[-1]
    in_quote = result.fills["fee"] * np.where(
        result.fills["fee_asset"] == "BTC", result.fills["price"], 1.0
    )
    assert stats["fees"] == pytest.approx(in_quote.sum(), abs=1e-5)
    assert stats["sharpe"] == pytest.approx(
        result.returns.mean() / result.returns.std() * 365**0.5, rel=1e-12
    )


def test_dust_is_no_exposure():
    klines = market([100.0] * 6)
    wanted = klines["close"] * 0 + [1, 0, 0, 0, 0, 0]
    result = backtest(klines, wanted, balances={"USDT": 1000}, rules=Rules(step="0.1"))
    assert 0 < result.position.iloc[-1] < 0.1
    assert result.stats()["exposure"] == 1 / 6


def test_an_open_position_is_worth_its_last_close_and_no_trade_yet():
    klines = market([100.0, 100.0, 150.0])
    result = backtest(klines, klines["close"] > 0, balances={"USDT": 100}, rules=FREE)
    assert result.equity.iloc[-1] == 150.0
    assert result.trades["is_open"].tolist() == [True]
    assert result.stats()[["trades", "return"]].tolist() == [0.0, 0.5]
    assert np.isnan(result.stats()["win_rate"])


def test_best_and_worst_trades_count_base_that_was_there_at_the_start():
    klines = market([100.0] * 3 + [110.0] * 3)
    wanted = klines["close"] * 0 + [0, 1, 1, 1, 0, 0]
    stats = backtest(klines, wanted, balances={"BTC": 1}, rules=FREE).stats()
    assert stats["trades"] == 2
    assert stats[["best_trade", "worst_trade"]].tolist() == pytest.approx([0.1, 0.0])


def test_a_result_shows_its_figures_as_text_and_html(result):
    text = repr(result)
    assert text.startswith("sma_cross(fast=5, slow=12) on BTCUSDT\n  final equity, USDT")
    assert text.endswith(f"({CONVENTIONS})")
    html = result._repr_html_()
    assert f"{result.stats()['return']:.2%}" in text
    assert f"{result.stats()['return']:.2%}" in html


def test_a_report_goes_where_it_is_told(idle, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert idle.save("~/report.html") == tmp_path / "report.html"
    text = (tmp_path / "report.html").read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "No order was filled." in text
    assert "There was no trade." in text


def test_a_report_that_cannot_be_written_says_where(idle, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is no folder, make it before saving"):
        idle.save(tmp_path / "nowhere" / "report.html")


def test_a_result_of_another_index_unit_is_the_same():
    klines = walk(200, seed=6)
    fine = klines.set_axis(klines.index.as_unit("ns"))
    one, two = (backtest(k, sma_cross, balances={"USDT": 100}) for k in (klines, fine))
    pd.testing.assert_series_equal(one.stats(), two.stats())
    assert one.record.fills == two.record.fills
