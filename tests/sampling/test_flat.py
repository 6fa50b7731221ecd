import numpy as np
import pytest

import bwsresearch as bws
from bwsresearch.sampling.flat import holes
from bwsresearch.sampling.grid import grid

from .test_made import START, trades_of

MINUTE = 60_000


def test_holes_lie_between_bars():
    opens = START + MINUTE * np.array([0, 1, 4, 5, 9])
    assert holes(grid("1m"), opens) == [
        [START + 2 * MINUTE, START + 4 * MINUTE],
        [START + 6 * MINUTE, START + 9 * MINUTE],
    ]
    assert holes(grid("1m"), opens[:1]) == []
    assert holes(grid("1m"), opens[:0]) == []


def test_a_month_without_trades_is_flat_too():
    rows = [(START, 5.0, 1.0, False), (START + 75 * 24 * 60 * MINUTE, 6.0, 1.0, False)]
    made = bws.bars(trades_of(rows), "1M")
    assert made.index.strftime("%m-%d").tolist() == ["01-01", "02-01", "03-01"]
    assert made["close_time"].dt.strftime("%m-%d").tolist() == ["01-31", "02-29", "03-31"]
    assert made["open"].tolist() == [5.0, 5.0, 6.0]
    assert made["volume"].tolist() == [1.0, 0.0, 1.0]


def test_more_flat_bars_than_fit_are_refused_in_a_line():
    rows = [(START, 5.0, 1.0, False), (START + 1000 * 24 * 60 * MINUTE, 6.0, 1.0, False)]
    message = "bars of 1s from 2024-01-01 to 2026-09-27 are 86400001, must be at most 50000000; use"
    with pytest.raises(ValueError, match=message):
        bws.bars(trades_of(rows), "1s")
    assert len(bws.bars(trades_of(rows), "1s", empty="drop")) == 2
