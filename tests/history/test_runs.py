import pytest

import bwsresearch as bws
from bwsresearch.history.download import Lane
from bwsresearch.history.filling import fill_trades
from bwsresearch.history.progress import Progress
from bwsresearch.history.ranges import Range
from bwsresearch.history.runs import AGGREGATES, SINGLES
from bwsresearch.history.series import Series
from bwsresearch.store.spans import union

from .lab import recorded, ticks

START = 1_704_067_200_000  # 2024-01-01


class Told(Series):
    """A series that remembers what each page completed."""

    async def add(self, columns, covered):
        self.spans = [*getattr(self, "spans", []), *covered]
        await super().add(columns, covered)


@pytest.mark.parametrize("kind", [AGGREGATES, SINGLES])
@pytest.mark.parametrize("width", [1, 4])
def test_no_time_is_completed_twice(kind, width):
    columns = ticks(3000, START, bursts=((700, 1300),))
    exchange = recorded(trades=columns)
    last = int(columns["time"][-1]) // 1000
    lane = Lane(exchange.client.aio, Progress("", wanted=False), width, page=50)
    series = Told(kind.schema, "BTCUSDT", None, "somewhere", True)
    run = fill_trades(kind, [series], Range(START - 5, last + 5), lane, last + 10**6)
    bws.run(run)
    assert union(*((span,) for span in series.spans)) == ((START - 5, last + 5),)
    assert sum(end - start for start, end in series.spans) == last + 5 - (START - 5)
    assert len(series.spans) > 20
