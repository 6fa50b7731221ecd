import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch import plot
from bwsresearch.backtesting import statistics
from bwsresearch.backtesting.sweeping import sweep

from .lab import walk
from .sweeps import GRID, KLINES, crossing, idle

FOUND = sweep(KLINES, crossing, GRID, where="fast < slow")


def test_the_best_point_has_the_greatest_value():
    best = FOUND.best()
    assert best["sharpe"] == FOUND.table["sharpe"].max()
    assert FOUND.best("max_drawdown")["max_drawdown"] == FOUND.table["max_drawdown"].max()
    assert FOUND.best("fees")["fees"] == FOUND.table["fees"].min()


def test_the_best_parameters_run_in_a_backtest():
    params = FOUND.best_params()
    assert {type(value) for value in params.values()} == {int}
    exact = bws.backtest(KLINES, crossing, balances={"USDT": 1_000_000}, params=params)
    assert exact.stats()["sharpe"] == pytest.approx(FOUND.best()["sharpe"], rel=1e-6)


def test_a_heatmap_has_a_row_per_y_and_a_column_per_x():
    table = FOUND.heatmap()
    assert (table.index.name, table.columns.name) == ("slow", "fast")
    assert (table.index.tolist(), table.columns.tolist()) == (
        list(GRID["slow"]),
        list(GRID["fast"]),
    )
    for row in FOUND.table.itertuples():
        assert table.loc[row.slow, row.fast] == row.sharpe
    assert np.isnan(table.loc[8, 9])
    assert FOUND.heatmap("slow", metric="return").equals(FOUND.heatmap("slow", "fast", "return"))


def test_a_heatmap_of_more_parameters_shows_the_best_of_the_others():
    def strategy(k, fast, slow, part):
        return crossing(k, fast, slow) * part

    found = sweep(KLINES, strategy, {"fast": [3, 5], "slow": [9, 12], "part": [0.5, 1.0]})
    for metric, choice in (("return", "max"), ("fees", "min")):
        expected = found.table.groupby(["slow", "fast"])[metric].agg(choice)
        drawn = found.heatmap("fast", "slow", metric)
        assert {at: drawn.loc[at] for at in expected.index} == expected.to_dict()


def test_a_heatmap_of_words_keeps_their_order():
    def sized(k, kind, fast):
        return crossing(k, fast) * {"z": 1.0, "a": 0.5}[kind]

    found = sweep(KLINES, sized, {"kind": ["z", "a"], "fast": [3]})
    assert found.heatmap().columns.tolist() == ["z", "a"]


def test_a_heatmap_of_several_symbols_is_of_one():
    frames = {"A": walk(300, 1), "B": walk(300, 2)}
    found = sweep(frames, crossing, {"fast": [3, 4], "slow": [9, 12]})
    part = found.table[found.table["symbol"] == "B"]
    assert found.heatmap(symbol="B").loc[9, 3] == part["sharpe"].iloc[0]
    with pytest.raises(ValueError, match="symbol is '', name one of A, B"):
        found.heatmap()
    assert found.best()["symbol"] in frames


def test_a_sweep_is_drawn_as_colours_with_its_best_point():
    ax = plot.figure(6, 4).subplots()
    assert FOUND.plot(metric="return", ax=ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("fast", "slow")
    assert ax.get_title("left") == "return of crossing on BTCUSDT"
    best = FOUND.best_params("return")
    assert ax.get_title("right").endswith(f"slow {best['slow']}, fast {best['fast']}")
    assert "%" in ax.get_title("right")
    drawn = np.asarray(ax.images[0].get_array(), float)
    np.testing.assert_array_equal(drawn, FOUND.heatmap(metric="return").fillna(drawn[0, -1]))


def test_the_luck_in_the_best_point_is_told_by_all_points():
    found = sweep(walk(24 * 60, 4), crossing, GRID)
    per_day = [part.mean() / part.std(ddof=1) for part in found.returns]
    best = pd.Series(found.returns[int(np.argmax(per_day))])
    assert found.deflated_sharpe() == pytest.approx(
        statistics.deflated_sharpe(
            max(per_day), trials_sharpe=np.array(per_day), returns_count=60, skew=best.skew(),
            kurtosis=best.kurt() + 3,
        )
    )  # fmt: skip
    assert found.deflated_sharpe() < found.deflated_sharpe(trials=2) < 1
    expected = statistics.overfitting(np.column_stack(found.returns), blocks=8)
    assert found.overfitting(blocks=8).probability == expected.probability
    assert found.overfitting(blocks=8).logits.tolist() == expected.logits.tolist()
    with pytest.raises(ValueError, match="no point has a sharpe"):
        sweep(KLINES, idle, {"x": [1, 2]}).deflated_sharpe()


def test_what_the_sweep_has_not_is_refused():
    with pytest.raises(ValueError, match="metric is 'sharp', must be one of final_equity, return"):
        FOUND.best("sharp")
    with pytest.raises(ValueError, match="quick is no parameter, the sweep has fast, slow"):
        FOUND.heatmap("quick", "slow")
    with pytest.raises(ValueError, match="x and y are both fast, name two parameters"):
        FOUND.heatmap("fast", "fast")
    found = sweep(KLINES, idle, {"x": [1]})
    with pytest.raises(ValueError, match="no point has a sharpe: nothing was traded"):
        found.best()
    with pytest.raises(ValueError, match="the sweep has one parameter, x"):
        found.heatmap()


def test_a_sweep_prints_as_a_card():
    text = repr(FOUND)
    assert text.startswith("sweep of crossing(fast, slow) on BTCUSDT\n  points")
    for line in ("best fast", "best slow", "its Sharpe", "median Sharpe", "points with a gain"):
        assert line in text
    assert "<table" in FOUND._repr_html_()
    found = sweep(KLINES, idle, {"x": [1]})
    assert "its Sharpe" not in repr(found)
