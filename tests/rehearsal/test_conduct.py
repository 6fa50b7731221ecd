"""The same strategy as a backtest and on a paper account over the same bars: nothing may differ."""

import pandas as pd
import pytest

import bwsresearch as bws

from .lab import Fickle, exposures, klines, rules

USDT = {"USDT": 10_000}
SEEDS = range(12)


def paper_of(frame, strategy, *, balances=USDT, rules, **options):
    account = bws.paper(balances, rules=rules)
    try:
        return account.run(frame, strategy, **options)
    finally:
        account.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_exposures_on_paper_do_what_their_backtest_does(seed):
    frame, terms = klines(seed), rules(seed)
    wanted = exposures(frame, seed)
    expected = bws.backtest(frame, wanted, balances=USDT, rules=terms)
    result = paper_of(frame, wanted, rules=terms)
    assert len(result.record.fills) > 10
    assert result.record == expected.record
    pd.testing.assert_series_equal(result.equity, expected.equity)


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_of_a_strategy_on_paper_do_what_their_backtest_does(seed):
    frame, terms = klines(seed), rules(seed)
    options = {"params": {"seed": seed}}
    start = {"USDT": 10_000, "BTC": 20}
    expected = bws.backtest(frame, Fickle, balances=start, rules=terms, **options)
    result = paper_of(frame, Fickle, balances=start, rules=terms, **options)
    assert len(result.record.fills) > 10
    assert_same(result.record, expected.record)


def test_a_pool_of_symbols_on_paper_does_what_its_backtest_does():
    frames = {f"{base}USDT": klines(n, symbol=f"{base}USDT") for n, base in enumerate("ABC")}
    frame = pd.concat(frames, axis=1, sort=True).swaplevel(axis=1).sort_index(axis=1)
    terms = rules(3, latency="0")
    wanted = pd.DataFrame({name: exposures(frame, n) / 3 for n, name in enumerate(frames)})
    wanted = wanted.where(frame["close"].notna())
    expected = bws.backtest(frame, wanted.ffill().fillna(0), balances=USDT, rules=terms)
    result = paper_of(frame, wanted.ffill().fillna(0), rules=terms)
    assert_same(result.record, expected.record)
    start = USDT | {"A": 10, "B": 20, "C": 5}
    expected = bws.backtest(frame, Fickle, balances=start, rules=terms)
    result = paper_of(frame, Fickle, balances=start, rules=terms)
    assert_same(result.record, expected.record)


def assert_same(record, expected):
    """Compare order by order first: the first difference tells more than all of them."""
    for one, other in zip(record.orders, expected.orders, strict=True):
        assert one[:9] + one[10:] == other[:9] + other[10:]
    for one, other in zip(record.fills, expected.fills, strict=True):
        assert one == other
    assert (record.start, record.scale, record.assets) == (
        expected.start, expected.scale, expected.assets,
    )  # fmt: skip
