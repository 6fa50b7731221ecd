"""The back office: who may trade, how many orders are too many, and a record of every request.

What a request changes is journalled before its reply leaves. An exchange whose journal cannot be
written trades no more.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from bwsresearch.exchange.desk import Desk, Done
from bwsresearch.exchange.journal import Journal, Record, answer_of, asked_of
from bwsresearch.exchange.keyring import Keyring, Signed
from bwsresearch.exchange.rows import decimal
from bwsresearch.exchange.trading.accounts import Account
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.events import balance_update
from bwsresearch.exchange.trading.liquidity import MarketEvent, Print
from bwsresearch.exchange.trading.sightings import to_plain
from bwsresearch.exchange.trading.state import state_hash
from bwsresearch.exchange.trading.steps import Step
from bwsresearch.exchange.trading.venues import Venue
from bwsresearch.protocol import methods
from bwsresearch.protocol.limits import OrderCount
from bwsresearch.protocol.messages import ErrorBody, Refusal
from bwsresearch.protocol.methods import CATALOGUE
from bwsresearch.protocol.params import Pairs, Reading, reading
from bwsresearch.protocol.placement import checked
from bwsresearch.protocol.request import Request, declared
from bwsresearch.protocol.results import RateLimit, SymbolInfo
from bwsresearch.protocol.session import Call, ServerSession

__all__ = ["JournalFailure", "Office", "Outcome"]

_SIGNED: Final = frozenset({"recvWindow", "timestamp"})
_FIRST_SNAP: Final = 1_000
_STOPPED: Final = Refusal(
    -1008,
    "Server is currently overloaded with other requests. Please try again in a few minutes.",
    status=503,
)


class JournalFailure(Exception):
    """The journal cannot be written, as its cause says; the exchange has stopped trading."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is answered: a result as JSON or an error, and the order counts that go with it."""

    status: int
    body: bytes | ErrorBody
    counts: Sequence[RateLimit] = ()
    orders: Sequence[int] = ()

    @property
    def is_success(self) -> bool:
        """Whether the request did what it asked for."""
        return self.status == 200


@dataclass(slots=True)
class Office:
    """The accounts of an exchange, before its engine.

    `venue` makes the trading of one more symbol; `deposits` is what came from outside, by account and
    asset, in units; `prints` are the last trades of a live market, by symbol; `entry_ms` is how
    long an order is on its way to a market that can be asked; `model` is the setting that
    chose the fill models; `failure` is why the journal could not be written, None as long as it can.
    `journal` None records nothing; `salt` makes the names of keys in a journal its own.
    """

    desk: Desk
    venue: Callable[[SymbolInfo], Venue]
    keyring: Keyring = field(default_factory=Keyring)
    journal: Journal | None = None
    salt: str = ""
    orders_10s: int = 100
    orders_day: int = 200_000
    maker_decrement: int = 5
    entry_ms: int = 0
    model: str = "self@1"
    deposits: dict[tuple[str, str], int] = field(default_factory=dict)
    prints: dict[str, Print] = field(default_factory=dict)
    _counts: dict[str, OrderCount] = field(default_factory=dict)
    failure: Exception | None = None
    _is_stopped: bool = False
    _next_snap: int = _FIRST_SNAP

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self.desk.engine

    def model_of(self, symbol: str) -> str:
        """Return the fill model of a symbol."""
        return self.engine.venues[symbol].model

    def models(self) -> list[str]:
        """Return the fill models of all symbols, each once."""
        return list(dict.fromkeys(venue.model for venue in self.engine.venues.values()))

    def handle(self, call: Call, asked: Reading, session: ServerSession, now_ms: int) -> Outcome:
        """Return the outcome of a request that needs a key, from any connection.

        Raises:
            Refusal: when it is refused before it counts as an order.
        """
        request, credentials = asked.request, asked.credentials
        assert credentials is not None  # noqa: S101 - signed methods are read with them
        if isinstance(request, methods.SessionLogon):
            self.keyring.logging_on(credentials, now_ms)
            session.log_on(credentials.api_key or "", now_ms)
            return Outcome(200, msgspec.json.encode(session.info(now_ms)))
        signed = self.keyring.verified(credentials, request.security, session.api_key, now_ms)
        factor = 1000 if session.options.time_unit == "MICROSECOND" else 1
        return self.perform(call, request, signed, now_ms, factor)

    def perform(
        self, call: Call, request: Request[Any], signed: Signed, now_ms: int, factor: int
    ) -> Outcome:
        """Do what a verified request asks for, and record it."""
        account = self.engine.accounts[signed.key.account]
        if request.security == "TRADE" and self.desk.feed is not None:
            now_ms += self.entry_ms  # a market that cannot be asked is not known so far ahead
        if self._is_stopped and request.security == "TRADE":
            raise _STOPPED
        try:
            if request.security != "TRADE":
                self.look(getattr(request, "symbol", None), now_ms)
            if self.journal is None or request.security != "TRADE":
                return self._decided(request, account, now_ms, factor, cause=0)
            asked = asked_of(call, account.name, signed.key.name(self.salt), factor)
            number = self.journal.add("req", now_ms, {**asked, "sigForm": signed.form})
            outcome = self._decided(request, account, now_ms, factor, cause=number)
            self.journal.add("res", now_ms, {**_answered(outcome, number), "last": self._marks()})
            if self.journal.seq >= self._next_snap:
                # A hash costs as much as there is: twice as many records until the next one.
                self._snap(self.journal)
            self._commit()
        except JournalFailure as failure:
            raise _STOPPED from failure.__cause__
        return outcome

    def refused(
        self, call: Call, kind: type[Request[Any]], refusal: Refusal, key: str | None, now_ms: int
    ) -> None:
        """Record an order request that was refused before it reached its account.

        `key` is the key that its session is logged on with. Requests of nobody are not recorded, and
        neither are parameters that the method does not have: they may be anything.
        """
        sent = next((value for name, value in call.params if name == "apiKey"), key)
        known = self.keyring.keys.get(sent) if isinstance(sent, str) else None
        if self.journal is None or self._is_stopped or kind.security != "TRADE" or known is None:
            return
        names = {param.wire for param in declared(kind)} | _SIGNED
        params = Pairs((name, value) for name, value in call.params if name in names)
        asked = asked_of(
            replace(call, params=params), known.account, known.name(self.salt), factor=1
        )
        number = self.journal.add("req", now_ms, {**asked, "refused": True})
        self.journal.add("res", now_ms, _answered(Outcome(refusal.status, refusal.body), number))
        with contextlib.suppress(JournalFailure):  # it is refused all the same
            self._commit()

    def look(self, symbol: str | None, now_ms: int) -> None:
        """Let the market come to what it is, for one symbol or all; recorded, since it may fill orders.

        Raises:
            JournalFailure: when it cannot be recorded.
        """
        names = list(self.engine.venues) if symbol is None else [symbol]
        behind = [name for name in names if self.desk.is_behind(name, now_ms)]
        if not behind or self._is_stopped:
            return
        number = 0
        if self.journal is not None:
            number = self.journal.add("look", now_ms, {"symbols": behind})
        for name in behind:
            for step in self.desk.advance(name, now_ms):
                self._done(step, number)
        if self.journal is not None:
            self.journal.add("mark", now_ms, {"of": number, "last": self._marks()})
            self._commit()

    def _marks(self) -> dict[str, str]:
        """Return the last prices, by symbol."""
        venues = self.engine.venues
        return {name: decimal(venue.last) for name, venue in venues.items() if venue.last}

    def _commit(self) -> None:
        """Write what was added; whatever the trouble is: nothing may be traded that is not recorded."""
        if self.journal is None:
            return
        try:
            self.journal.commit()
        except Exception as error:
            self._is_stopped, self.failure = True, error
            raise JournalFailure from error

    def _decided(
        self, request: Request[Any], account: Account, now_ms: int, factor: int, *, cause: int
    ) -> Outcome:
        counts = self._count(account)
        try:
            symbol = getattr(request, "symbol", None)
            if symbol is not None:
                self.desk.inquiries.symbol(symbol)
            if not self._is_stopped:
                for step in self.desk.advance(symbol, now_ms):
                    self._done(step, cause)
            done = self._counted(request, account, counts, now_ms, factor)
        except Refusal as refusal:
            shown = counts.records(now_ms) if request.counts_orders else ()
            return Outcome(refusal.status, refusal.body, shown)
        for step in done.steps:
            self._done(step, cause)
        shown = counts.records(now_ms) if request.counts_orders else ()
        orders = [r.order.order_id for step in done.steps for r in step.reports]
        if done.refusal is not None:
            return Outcome(done.refusal.status, done.refusal.body, shown, orders)
        return Outcome(200, msgspec.json.encode(done.result), shown, orders)

    def _counted(
        self, request: Request[Any], account: Account, counts: OrderCount, now_ms: int, factor: int
    ) -> Done:
        if isinstance(request, methods.AccountRateLimitsOrders):
            return Done(counts.records(now_ms))
        exceeded = None
        if request.counts_orders:
            try:
                counts.add(request.counts_orders, now_ms)
            except Refusal as refusal:
                if not _cancels_all_the_same(request):
                    raise
                exceeded = refusal
        return self.desk.handle(checked(request), account, now_ms, factor, exceeded)

    def _done(self, step: Step, cause: int) -> None:
        """Take first fills off the order counts, and record the step."""
        for report in step.reports:
            if report.execution == "TRADE" and report.executed == report.fill.qty:
                account = self.engine.accounts[report.order.owner]
                self._count(account).filled(step.now_ms, is_maker=report.fill.is_maker)
        if self.journal is not None:
            self.journal.step(step, cause)

    def _count(self, account: Account) -> OrderCount:
        if account.name not in self._counts:
            self._counts[account.name] = OrderCount.of(
                self.orders_10s, self.orders_day, maker=self.maker_decrement
            )
        return self._counts[account.name]

    def again(self, record: Record) -> Outcome:
        """Do once more what a journal recorded, at the time it was done."""
        kind, params = CATALOGUE[record["method"]], Pairs(record["params"].items())
        asked = reading(kind, params, is_logged_on=True)
        account = self.engine.accounts[record["account"]]
        now_ms, factor = record["t"] // 1_000_000, record["factor"]
        return self._decided(asked.request, account, now_ms, factor, cause=record["seq"])

    def close(self, *, is_clean: bool = True) -> None:
        """End the journal; nothing is traded after that. Closing twice is fine.

        A clean end is recorded with a hash of the state, which is not to change meanwhile.
        """
        journal, was_stopped = self.journal, self._is_stopped
        self._is_stopped = True
        if journal is None:
            return
        if is_clean and not was_stopped:
            self._snap(journal)
            journal.add("close", journal.last_ms, {})
            with contextlib.suppress(JournalFailure):  # everything before is recorded
                self._commit()
        journal.close()

    def _snap(self, journal: Journal) -> None:
        journal.add("snap", journal.last_ms, {"hash": self.state_hash()})
        self._next_snap = 2 * journal.seq

    def state_hash(self) -> str:
        """Return the hash of everything that a replay must lead to."""
        return state_hash(self.engine)

    def observe(self, events: Sequence[MarketEvent], now_ms: int) -> None:
        """Let the engine see a live market, which is recorded since nobody can ask it again."""
        number = 0
        if self.journal is not None and events:
            number = self.journal.add("mkt", now_ms, {"events": to_plain(events)})
        for step in self.desk.observe(events, now_ms):
            self._done(step, number)
        for event in events:
            if isinstance(event, Print):
                self.prints[event.symbol] = event
        if self.journal is not None and events:
            self.journal.add("mark", now_ms, {"of": number, "last": self._marks()})
        self._commit()

    def list_symbol(self, info: SymbolInfo, now_ms: int) -> None:
        """Let one more symbol be traded; nothing happens when it is already."""
        if info.symbol in self.engine.venues:
            return
        self.engine.venues[info.symbol] = self.venue(info)
        if self.journal is not None:
            self.journal.add("list", now_ms, {"symbol": msgspec.to_builtins(info)})
        self._commit()

    def deposit(self, name: str, asset: str, amount: int, now_ms: int) -> None:
        """Add to an account what comes from outside, and record it.

        Raises:
            Refusal: when more is taken than is free.
        """
        account = self.engine.accounts[name]
        step = self.engine.deposit(account, asset, amount, now_ms)
        self.deposits[name, asset] = self.deposits.get((name, asset), 0) + amount
        if not any(account.free.values()) and not any(account.locked.values()):
            # An account that was emptied begins anew.
            self.deposits = {who: units for who, units in self.deposits.items() if who[0] != name}
        if self.journal is not None:
            body = {"account": name, "asset": asset, "units": amount}
            number = self.journal.add("deposit", now_ms, body)
            self.journal.step(step, number)
            event = balance_update(asset, amount, now_ms)
            self.journal.add("evt", now_ms, {"account": name, "body": event, "cause": number})
        self._commit()


def _cancels_all_the_same(request: Request[Any]) -> bool:
    """Whether a request still cancels when it may place nothing more."""
    return (
        isinstance(request, methods.OrderCancelReplace)
        and request.order_rate_limit_exceeded_mode == "CANCEL_ONLY"
    )


def _answered(outcome: Outcome, number: int) -> dict[str, object]:
    return answer_of(number, outcome.status, outcome.body, outcome.orders)
