import asyncio
import gc
import threading
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.journals import Frames, JournalError, read
from bwsresearch.protocol.amounts import digits

from .lab import NOON, on_bridge

FRAMES = ("requests", "orders", "order_events", "fills", "balances")


def last_price(paper, symbol="BTCUSDT"):
    return float(paper.ticker_price(symbol).price)


def everything(paper):
    return {name: getattr(paper.frames, name)() for name in FRAMES}


def same(one, other):
    for name in FRAMES:
        pd.testing.assert_frame_equal(one[name], other[name])


# ---- orders that read well


def test_a_buy_for_money_spends_no_more_than_it_says(opened):
    paper = opened({"USDT": 10_000})
    report = paper.buy("btcusdt", quote=500 / 3)
    assert (report.status, report.type, report.side) == ("FILLED", "MARKET", "BUY")
    assert report.orig_quote_order_qty == Decimal("166.66666666")
    assert 160 < report.cummulative_quote_qty <= Decimal("166.66666666")
    balances = paper.balances()
    assert balances.loc["USDT", "free"] == 10_000 - float(report.cummulative_quote_qty)
    assert balances.loc["BTC", "free"] == pytest.approx(
        float(report.executed_qty) * 0.999, abs=1e-8
    )


def test_floats_are_rounded_to_the_symbols_steps(opened):
    paper = opened({"USDT": 10_000, "BTC": 1})
    last = last_price(paper)
    low, high = last * 0.99 + 0.001234, last * 1.01 + 0.001234
    bought = paper.buy("BTCUSDT", 0.0123456789, limit=low)
    sold = paper.sell("BTCUSDT", 0.0123456789, limit=high)
    assert bought.orig_qty == sold.orig_qty == Decimal("0.01234")
    assert Decimal(low) - Decimal("0.01") < bought.price <= Decimal(low)
    assert Decimal(high) <= sold.price < Decimal(high) + Decimal("0.01")
    assert not set("eE") & set(
        "".join(paper.requests()["params"].str.extract(r'"price":"(.*?)"')[0])
    )


def test_money_and_a_limit_make_a_quantity(opened):
    paper = opened()
    limit = round(last_price(paper) * 0.99, 2)
    report = paper.buy("BTCUSDT", quote=500, limit=limit)
    assert (report.type, report.time_in_force) == ("LIMIT", "GTC")
    assert 0 <= 500 - float(report.orig_qty) * limit < 1e-5 * limit


@pytest.mark.parametrize(
    ("side", "factor", "has_limit", "kind"),
    [
        ("buy", 1.01, False, "STOP_LOSS"), ("buy", 0.99, False, "TAKE_PROFIT"),
        ("sell", 0.99, False, "STOP_LOSS"), ("sell", 1.01, False, "TAKE_PROFIT"),
        ("sell", 0.99, True, "STOP_LOSS_LIMIT"), ("buy", 0.99, True, "TAKE_PROFIT_LIMIT"),
    ],
)  # fmt: skip
def test_a_stop_is_a_loss_or_a_profit_as_it_lies(opened, side, factor, has_limit, kind):
    paper = opened({"USDT": 10_000, "BTC": 1})
    stop = last_price(paper) * factor
    report = getattr(paper, side)("BTCUSDT", 0.01, stop=stop, limit=stop if has_limit else None)
    assert (report.type, report.status, report.executed_qty) == (kind, "NEW", 0)
    away = report.stop_price - Decimal(stop)
    assert 0 <= away < Decimal("0.01") if side == "buy" else -Decimal("0.01") < away <= 0
    assert paper.orders()["stop_price"].iloc[-1] == float(report.stop_price)


def test_a_stop_sells_when_its_price_is_met(opened, clock):
    paper = opened({"BTC": 1, "USDT": 1})
    order = paper.sell("BTCUSDT", 0.01, stop=last_price(paper) * 0.9995)
    while not len(fills := paper.fills()):
        clock.pass_by(600)
    (fill,) = fills.itertuples()
    assert (fill.order_id, fill.side, fill.role, fill.rule) == (
        order.order_id,
        "SELL",
        "TAKER",
        "walk",
    )
    # It got the book of the moment after the trade that met it, not that of whenever one looked.
    assert fill.Index == fill.evidence_time < pd.Timestamp(clock.now_ms, unit="ms", tz="UTC")
    events = paper.order_events()
    assert events["cause"].tolist() == ["place", "trigger", "fill"]
    assert (events.index[2] - events.index[1]) <= pd.Timedelta("100ms")


def test_what_is_not_clear_is_asked_back(opened):
    paper = opened()
    with pytest.raises(ValueError, match=r"^quantity is None and quote None; give one of the two"):
        paper.buy("BTCUSDT")
    with pytest.raises(ValueError, match=r"^quantity is 1 and quote 5; give one of the two"):
        paper.sell("BTCUSDT", 1, quote=5)
    with pytest.raises(ValueError, match=r"^quote is 5 beside stop 7; give a quantity"):
        paper.buy("BTCUSDT", quote=5, stop=7)
    with pytest.raises(ValueError, match=r"^limit is 'x', must be a number"):
        paper.buy("BTCUSDT", 1, limit="x")
    assert len(paper.requests()) == 0


def test_the_exchange_refuses_in_its_own_words(opened):
    paper = opened()
    with pytest.raises(bws.InsufficientBalance, match="insufficient balance for requested action"):
        paper.buy("BTCUSDT", 1000)
    with pytest.raises(bws.BadSymbol, match="Invalid symbol"):
        paper.buy("NOPE", 1)
    with pytest.raises(bws.OrderRejected, match="Filter failure: LOT_SIZE"):
        paper.buy("BTCUSDT", "0.000001", limit="30000")


def test_a_resting_order_is_filled_while_nobody_asks(opened, clock):
    paper = opened()
    order = paper.buy("BTCUSDT", 0.1, limit=last_price(paper) * 0.9995)
    assert order.status == "NEW"
    for _ in range(60):
        clock.pass_by(60)
        if paper.orders()["status"].iloc[-1] == "FILLED":
            break
    assert paper.orders()["executed_qty"].iloc[-1] == 0.1
    fills = paper.fills()
    assert (fills["price"] == float(order.price)).all()
    assert (fills["evidence_time"] > pd.Timestamp(NOON, unit="ms", tz="UTC")).all()
    assert (fills["qty"] <= fills["available"]).all()
    assert paper.order_status("BTCUSDT", order_id=order.order_id).status == "FILLED"


def test_an_order_is_cancelled_once(opened):
    paper = opened()
    order = paper.buy("BTCUSDT", 0.01, limit=last_price(paper) * 0.9)
    (listed,) = paper.open_orders_status()
    assert paper.cancel(listed).status == "CANCELED"
    with pytest.raises(bws.UnknownOrder):
        paper.cancel(order)
    assert paper.balances().loc["USDT"].tolist() == [10_000, 0, 10_000, 10_000]


def test_the_methods_of_a_client_are_all_there(opened):
    paper = opened({"USDT": 10_000, "BNB": 3})
    price = digits(Decimal(str(round(last_price(paper) * 0.9))))
    terms = {"side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "price": price}
    assert paper.order_test("BTCUSDT", **terms, quantity=0.01) == bws.run(
        paper.aio.order_test("BTCUSDT", **terms, quantity="0.01")
    )
    first = paper.order_place("BTCUSDT", **terms, quantity="0.02", new_client_order_id="mine")
    amended = paper.order_amend_keep_priority(
        "BTCUSDT", orig_client_order_id="mine", new_qty="0.015"
    )
    assert amended.amended_order.qty == Decimal("0.015")
    second = paper.order_cancel_replace(
        "BTCUSDT", cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=first.order_id,
        **terms, quantity="0.01",
    ).new_order_response  # fmt: skip
    assert [one.order_id for one in paper.open_orders_status("BTCUSDT")] == [second.order_id]
    assert len(paper.open_orders_cancel_all("BTCUSDT")) == 1
    assert paper.account_status(omit_zero_balances=True).balance("BNB").free == 3
    assert [one.status for one in paper.all_orders("BTCUSDT")] == ["CANCELED", "CANCELED"]
    assert paper.my_trades("BTCUSDT") == []
    assert paper.account_commission("BTCUSDT").standard_commission.maker == Decimal("0.001")
    requests = paper.requests()
    assert requests["method"].tolist() == [
        "order.test", "order.test", "order.place", "order.amend.keepPriority",
        "order.cancelReplace", "openOrders.cancelAll",
    ]  # fmt: skip
    assert requests["order_id"].tolist() == [0, 0, 1, 1, 2, 0]
    assert requests["client_order_id"].iloc[2] == "mine"
    assert requests["weight"].tolist() == [1, 1, 0, 4, 0, 0]


def test_its_history_comes_as_frames_too(opened):
    paper = opened()
    paper.buy("BTCUSDT", quote=100)
    trades = bws.my_trades("BTCUSDT", client=paper)
    assert trades["qty"].sum() == paper.fills()["qty"].sum()
    assert bws.all_orders("BTCUSDT", client=paper)["status"].tolist() == ["FILLED"]


# ---- what is recorded


def test_every_order_request_is_recorded_refused_or_not(opened):
    paper = opened()
    paper.buy("BTCUSDT", quote=100)
    for error, params in (
        (bws.BadParameter, {"type": "LIMIT", "quantity": 1, "price": 1}),
        (bws.BadParameter, {"type": "MARKET", "quantity": "0.123456789"}),
        (bws.InsufficientBalance, {"type": "MARKET", "quantity": 100}),
    ):
        with pytest.raises(error):
            paper.order_place("BTCUSDT", side="BUY", **params)
    with pytest.raises(bws.BadSymbol):
        paper.order_place("NOPE", side="BUY", type="MARKET", quantity=1)
    paper.order_test("BTCUSDT", side="BUY", type="MARKET", quantity=1)
    table = paper.requests()
    assert table["method"].tolist() == ["order.place"] * 5 + ["order.test"]
    assert table["status"].tolist() == [200, 400, 400, 400, 400, 200]
    assert table["code"].tolist() == [0, -1102, -1111, -2010, -1121, 0]
    assert table["weight"].tolist() == [0, 1, 1, 1, 1, 1]
    assert table["msg"].iloc[3] == "Account has insufficient balance for requested action."
    assert table["quantity"].iloc[3] == 100.0


def test_two_runs_with_the_same_clock_write_the_same_bytes(opened, tmp_path):
    texts = []
    for name in ("a", "b"):
        now = [NOON]
        paper = opened({"USDT": 5_000}, journal=tmp_path / name, clock=lambda at=now: at[0], seed=3)
        paper.buy("BTCUSDT", quote=100)
        order = paper.buy("BTCUSDT", 0.01, limit=last_price(paper) * 0.9999)
        for _ in range(5):
            now[0] += 30_000
            paper.balances()
        paper.sell("BTCUSDT", 0.001)
        if order.order_id in {one.order_id for one in paper.open_orders_status()}:
            paper.cancel(order)
        paper.deposit("USDT", "1.5")
        paper.close()
        texts.append(
            b"".join(file.read_bytes() for file in sorted((tmp_path / name).glob("*.jsonl")))
        )
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) > 30


def test_an_account_goes_on_where_it_was_closed(opened, clock):
    paper = opened({"USDT": 10_000, "ETH": 2})
    paper.buy("BTCUSDT", quote=1000)
    paper.buy("BTCUSDT", 0.1, limit=last_price(paper) * 0.9995)
    for _ in range(3):
        clock.pass_by(20)
        paper.balances()
    hash_, before, equity = (
        on_bridge(paper, paper._office.state_hash),
        everything(paper),
        paper.equity(),
    )
    paper.close()
    again = opened(journal=paper.journal)
    assert on_bridge(again, again._office.state_hash) == hash_
    same(everything(again), before)
    assert again.equity().equals(equity)
    assert repr(again) == repr(paper)
    clock.pass_by(60)
    assert again.buy("BTCUSDT", quote=50).order_id == 3
    again.close()
    third = opened(journal=paper.journal)
    assert len(third.requests()) == 3
    assert len(read(paper.journal).files) == 3


def test_a_closed_account_can_be_read_but_not_used(opened):
    paper = opened()
    paper.buy("BTCUSDT", quote=100)
    paper.close()
    paper.close()
    assert len(paper.fills()) >= 1
    assert paper.equity().iloc[-1] == pytest.approx(paper.balances()["worth"].sum())
    assert "USDT" in repr(paper)
    with pytest.raises(
        bws.Disconnected, match=r"order.place: the paper account is closed; bws.paper"
    ):
        paper.buy("BTCUSDT", quote=1)
    with pytest.raises(ValueError, match="the paper account is closed"):
        paper.deposit("USDT", 1)


def test_an_account_ends_with_its_block(opened):
    with opened() as paper:
        paper.buy("BTCUSDT", quote=100)
    with pytest.raises(bws.Disconnected):
        paper.order_test("BTCUSDT", side="BUY", type="MARKET", quantity=1)


def test_one_journal_has_one_account_at_a_time(opened):
    paper = opened()
    with pytest.raises(
        JournalError, match=r"is written already, here or by another process; close"
    ):
        opened(journal=paper.journal)
    paper.close()
    assert opened(journal=paper.journal).requests().empty


def test_an_account_that_is_dropped_lets_go_of_its_journal(clock, tmp_path):
    paper = bws.paper(market="synthetic", clock=clock, journal=tmp_path)
    paper.buy("BTCUSDT", quote=100)
    del paper
    gc.collect()
    with bws.paper(market="synthetic", clock=clock, journal=tmp_path) as again:
        assert len(again.requests()) == 1


def test_a_journal_can_be_read_while_it_is_written(opened):
    paper = opened()
    for count in range(1, 4):
        paper.buy("BTCUSDT", quote=50)
        assert len(Frames.of(paper.journal).requests()) == count


def test_nothing_is_traded_that_cannot_be_recorded(opened):
    paper = opened()
    paper.buy("BTCUSDT", quote=100)
    held = paper.balances()

    def broken(_):
        raise JournalError("the journal cannot be written (No space left on device)")

    paper._office.journal.write = broken
    for _ in range(2):
        with pytest.raises(JournalError, match="No space left"):
            paper.buy("BTCUSDT", quote=100)
    paper.close()
    again = opened(journal=paper.journal)
    assert again.balances().equals(held)


# ---- money


def test_play_money_comes_and_goes(opened):
    paper = opened({"USDT": 100})
    paper.deposit("btc", "0.5")
    paper.deposit("USDT", -40)
    assert paper.balances()["free"].to_dict() == {"BTC": 0.5, "USDT": 60.0}
    with pytest.raises(ValueError, match=r"^61 USDT are more than the 60 that are free; cancel"):
        paper.deposit("USDT", -61)
    with pytest.raises(ValueError, match="at most eight decimals"):
        paper.deposit("USDT", "1.123456789")
    assert paper.balances().loc["USDT", "free"] == 60.0


def test_a_reset_cancels_and_begins_anew(opened, clock):
    paper = opened({"USDT": 10_000, "ETH": 1})
    paper.buy("BTCUSDT", quote=1000)
    paper.buy("BTCUSDT", 0.01, limit=last_price(paper) * 0.9)
    paper.sell("ETHUSDT", 0.5, limit=last_price(paper, "ETHUSDT") * 1.1)
    clock.pass_by(3600)
    paper.reset({"BTC": 2})
    assert paper.balances()["total"].to_dict() == {"BTC": 2.0}
    assert paper.quote_asset == "BTC"
    assert paper.open_orders_status() == []
    assert "+0 BTC" in repr(paper)
    paper.close()
    again = opened(journal=paper.journal)
    assert repr(again) == repr(paper)
    assert len(again.requests()) == 5


def test_a_reset_that_cannot_be_changes_nothing(opened):
    paper = opened()
    order = paper.buy("BTCUSDT", 0.01, limit=last_price(paper) * 0.9)
    for wrong in ({}, {"USDT": -1}, {"USDT": 1, "usdt": 2}, {"USDT": "x"}):
        with pytest.raises(ValueError, match=r"balance"):
            paper.reset(wrong)
    assert [one.order_id for one in paper.open_orders_status()] == [order.order_id]


# ---- what it is worth


@pytest.mark.parametrize("balances", [{"USDT": 20_000}, {"BTC": "0.5"}, {"BNB": 40, "USDT": 5_000}])
def test_equity_ends_at_balances_times_prices(opened, clock, balances):
    paper, dice = opened(balances), np.random.default_rng(5)
    for _ in range(12):
        clock.pass_by(dice.integers(1, 900))
        symbol = str(dice.choice(["BTCUSDT", "ETHUSDT", "BNBUSDT"]))
        base = paper.account_status(omit_zero_balances=True).balance(symbol[:-4]).free
        try:
            if dice.random() < 0.5:
                paper.buy(symbol, quote=float(dice.uniform(20, 900)))
            else:
                paper.sell(symbol, float(base) * float(dice.uniform(0.1, 0.9)))
        except (bws.BinanceError, ValueError):
            continue
    table = paper.balances()
    assert list(table.columns) == ["free", "locked", "total", "worth"]
    assert set(table.dtypes.astype(str)) == {"float64"}
    assert paper.quote_asset == next(iter(balances))
    equity = paper.equity()
    assert equity.iloc[-1] == pytest.approx(table["worth"].sum(), rel=1e-12)
    assert equity.index.is_monotonic_increasing
    assert equity.index.is_unique
    assert str(equity.index.dtype) == "datetime64[us, UTC]"
    assert equity.notna().all()


def test_without_trading_an_account_is_worth_what_it_was(opened, clock):
    paper = opened({"USDT": 1000})
    for _ in range(3):
        clock.pass_by(600)
        paper.balances()
    assert (paper.equity() == 1000.0).all()


def test_an_asset_that_nothing_prices_has_no_worth(opened):
    paper = opened({"USDT": 10, "XYZ": 5})
    table = paper.balances()
    assert table.loc["XYZ", "total"] == 5
    assert np.isnan(table.loc["XYZ", "worth"])
    assert paper.equity().iloc[-1] == 10


# ---- from everywhere


def test_threads_may_share_an_account(opened):
    paper, errors = opened({"USDT": 100_000}), []

    def trade():
        try:
            for _ in range(5):
                paper.buy("BTCUSDT", quote=20)
                paper.balances()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=trade) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    orders = paper.orders()
    assert sorted(orders["order_id"]) == list(range(1, 31))
    spent = 100_000 - paper.balances().loc["USDT", "free"]
    assert spent == pytest.approx(orders["cummulative_quote_qty"].sum(), abs=1e-6)


async def test_an_account_can_be_awaited_from_any_loop(opened):
    paper = await asyncio.to_thread(opened, {"USDT": 100_000})
    reports = await asyncio.gather(
        *(
            paper.aio.order_place("BTCUSDT", side="BUY", type="MARKET", quote_order_qty=20)
            for _ in range(20)
        )
    )
    assert sorted(one.order_id for one in reports) == list(range(1, 21))
    assert {one.status for one in reports} == {"FILLED"}
    assert (await paper.aio.account_status()).balance("USDT").free > 99_000
    assert len(await asyncio.to_thread(paper.requests)) == 20
    await asyncio.to_thread(paper.close)


def test_a_coroutine_of_a_cell_may_call_it(opened):
    paper = opened()

    async def cell():
        report = paper.buy("BTCUSDT", quote=50)  # a blocking call, nested
        return (
            report,
            await paper.aio.order_status("BTCUSDT", order_id=report.order_id),
            repr(paper),
        )

    report, order, text = bws.run(cell())
    assert (report.status, order.status) == ("FILLED", "FILLED")
    assert "BTC " in text


# ---- what it shows


def test_the_card_shows_how_the_account_stands(opened, clock):
    paper = opened({"USDT": 10_000})
    paper.buy("BTCUSDT", "0.1", limit="20000")
    clock.pass_by(3600)
    text = repr(paper)
    assert text.splitlines()[0] == "Paper account on the synthetic market 1"
    rows = {line.split("  ")[1]: line.split("  ")[-1].strip() for line in text.splitlines()[1:-1]}
    assert rows == {
        "USDT": "10,000 (2,000 locked)",
        "order 1": "BUY 0.1 BTCUSDT at 20,000",
        "worth": "10,000.00 USDT",
        "profit": "+0.00 USDT",
        "model": "depth+trades@1",
        "time": "2024-01-31 13:00:00 UTC",
    }
    assert text.splitlines()[-1] == f"  ($BWS_DATA_DIR/paper/{paper.journal.name})"
    html = paper._repr_html_()
    for word in (*rows, *rows.values(), paper.journal.name):
        assert word in html


def test_the_card_counts_what_it_has_no_room_for(opened):
    paper = opened({"USDT": 100_000})
    for _ in range(8):
        paper.buy("BTCUSDT", "0.01", limit="20000")
    rows = repr(paper).splitlines()
    assert sum(line.startswith("  order ") for line in rows) == 5
    assert any(line.split() == ["more", "orders", "3"] for line in rows)


def test_a_plot_shows_equity_and_fills(opened, clock):
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    paper = opened({"USDT": 1000})
    ax = Figure().subplots()
    assert paper.plot(ax) is ax
    paper.buy("BTCUSDT", quote=100)
    clock.pass_by(600)
    paper.sell("BTCUSDT", 0.001)
    drawn = paper.plot(Figure().subplots())
    labels = [text.get_text() for text in drawn.get_legend().get_texts()]
    assert [label.split()[0] for label in labels] == ["buy", "sell"]
    assert drawn.get_ylabel() == "USDT"
    shown = paper.plot()
    assert shown.figure.number in plt.get_fignums()
    plt.close(shown.figure)
