"""A model and an engine played through a tape, with orders between the events."""

from dataclasses import dataclass, field

from msgspec.structs import astuple

from bwsresearch.exchange.trading.liquidity import BarSeen
from bwsresearch.exchange.trading.orders import Ticket
from bwsresearch.protocol.messages import Refusal

from .evidence import Fill, Tape
from .lab import SYMBOL, engine


@dataclass
class Place:
    """An order of one account."""

    now: int
    account: str
    ticket: Ticket


@dataclass
class Cancel:
    """Cancelling the order that was placed as the n-th, by whomever."""

    now: int
    number: int


@dataclass
class Amend:
    """Lowering the n-th order to a part of its quantity."""

    now: int
    number: int
    percent: int


@dataclass
class Run:
    """A played tape: what was seen, filled and told."""

    model: object
    engine: object = None
    tape: Tape = field(default_factory=Tape)
    fills: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    refused: list = field(default_factory=list)
    orders: list = field(default_factory=list)
    rested: dict = field(default_factory=dict)
    pending: dict = field(default_factory=dict)

    def __post_init__(self):
        self.engine = self.engine or engine(self.model)

    def do(self, item):
        """Carry out an event or a command, and keep what came of it."""
        if isinstance(item, (Place, Cancel, Amend)):
            step = self._command(item)
        else:
            self.tape.add(item)
            step = self.engine.observe(item, time_of(item))
        self.outputs.append([] if step is None else [told(report) for report in step.reports])
        for report in step.reports if step else ():
            if report.execution == "TRADE":
                order = report.order
                self.fills.append(
                    Fill(
                        len(self.tape.events), step.now_ms, order, report.fill, order.ticket,
                        order.working_time, self.rested.get(order.order_id),
                    )
                )  # fmt: skip
        for order in list(self.pending.values()):
            if order.is_resting:
                self.rested[order.order_id] = len(self.tape.events), time_of(item)
            if order.is_resting or not order.is_open:
                del self.pending[order.order_id]
        return step

    def _command(self, item):
        try:
            if isinstance(item, Place):
                account = self.engine.accounts[item.account]
                order, step = self.engine.place(account, item.ticket, item.now)
                self.orders.append(order)
                self.pending[order.order_id] = order
                return step
            if not self.orders:
                return None
            order = self.orders[item.number % len(self.orders)]
            if not order.is_open:
                return None
            account = self.engine.accounts[order.owner]
            if isinstance(item, Cancel):
                return self.engine.cancel(account, order, item.now)[1]
            left = (order.qty - order.executed) * item.percent // 100 // 1_000 * 1_000
            return self.engine.amend(account, order, order.executed + left, item.now)[1]
        except Refusal as refusal:
            self.refused.append(refusal)
            return None

    def venue(self):
        return self.engine.venues[SYMBOL]


def time_of(item):
    return item.close_time if isinstance(item, BarSeen) else getattr(item, "now", None) or item.time


def told(report):
    """Everything that a report says, as plain values."""
    order = report.order
    values = astuple(report)
    return (order.order_id, *values[1:5], *values[7:])
