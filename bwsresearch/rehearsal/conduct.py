"""A strategy's decisions into requests of a client, bar by bar."""

from collections.abc import Mapping

from bwsresearch.backtesting import stepping
from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.engine import Decisions
from bwsresearch.backtesting.following import follow
from bwsresearch.backtesting.records import Record
from bwsresearch.backtesting.result import Task
from bwsresearch.backtesting.strategy import made
from bwsresearch.rehearsal.asking import Asked, Clock
from bwsresearch.rehearsal.broker import ClientBroker

__all__ = ["conducted"]


def conducted(
    client: Asked, clock: Clock, task: Task, bars: Mapping[str, Bars], found: Decisions
) -> Record:
    """Carry out a task through a client, and return what was done."""
    broker = ClientBroker(client, clock, bars, task.rules, task.balances)
    if found.changes is None:
        stepping.run(made(task.strategy, task.params), broker, bars, task.rules)
    else:
        follow(broker, bars, found.changes)
    return broker.record()
