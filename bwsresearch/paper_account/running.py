"""The paper account of a run: it is opened by the klines that it runs over."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from bwsresearch import cards
from bwsresearch.backtesting import given
from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.engine import Decisions
from bwsresearch.backtesting.engine import run as carried_out
from bwsresearch.backtesting.exposure import Exposures
from bwsresearch.backtesting.records import Record
from bwsresearch.backtesting.result import Result, Task
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.strategy import Strategy
from bwsresearch.backtesting.terms import commission
from bwsresearch.client.bridge import Inline
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.opening import AccountSpec
from bwsresearch.exchange.trading.amounts import UNIT
from bwsresearch.local import LocalEndpoint, Standing, office_of
from bwsresearch.paper_account.account import Paper
from bwsresearch.rehearsal import conducted
from bwsresearch.rehearsal.stage import account_model, staged

__all__ = ["KEY", "SALT", "RunningPaper"]

# No secret: it opens nothing but the account in this process, and hides nothing in its journal.
KEY: Final = "paper".ljust(64, "0")
SALT: Final = "paper"


class RunningPaper(Paper):
    """See `Paper`; there is no exchange before `run` has got its klines.

    Args:
        balances: what is there at the start, in 1e-8.
        rules: by which orders fill and pay.
        folder: makes the folder of the journal, by the exchange's time at the start.
    """

    def __init__(
        self,
        balances: Mapping[str, int],
        rules: "Rules | Mapping[str, Rules]",
        folder: Callable[[int], Path],
        *,
        seed: int = 1,
        timeout: float = 30.0,
    ) -> None:
        self._given, self._rules, self._folder = balances, rules, folder
        self._seed, self._timeout = seed, timeout

    def run(
        self,
        klines: pd.DataFrame,
        strategy: "Exposures | type[Strategy]",
        *,
        params: Mapping[str, object] | None = None,
    ) -> Result:
        __tracebackhide__ = True
        if self._has_run:
            raise ValueError("the account has run already; bws.paper(…) opens another one")
        bars = given.bars_of(klines, dict.fromkeys(self._given, 1))
        rules = given.rules_of(bars, self._rules)
        task = Task(
            klines if len(bars) > 1 else next(iter(bars.values())).klines,
            strategy,
            dict(params or {}),
            self._given,
            rules,
        )
        clock = self._open(bars, rules)

        def perform(task: Task, bars: Mapping[str, Bars], found: Decisions) -> Record:
            with self._alone():
                return conducted(self, clock, task, bars, found)

        return carried_out(task, bars, perform=perform, origin="paper")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Ask on the caller's thread meanwhile: a run asks for one thing after the other."""
        before, inline = self.aio.bridge, Inline()
        self.aio.bridge = inline
        try:
            yield
            inline.call(self.aio.close)
        finally:
            self.aio.bridge = before
            inline.stop()

    def _open(self, bars: Mapping[str, Bars], rules: Mapping[str, Rules]) -> Standing:
        """Open the exchange, at the time when the first bar opens."""
        config = Config(model=account_model(rules), seed=self._seed)
        market = staged(bars, rules)
        clock = Standing(min(int(one.opened[0]) for one in bars.values()))
        pays = commission(next(iter(rules.values())))
        spec = AccountSpec("paper", self._given, pays, [ApiKey(KEY, "paper", None)])
        folder = self._folder(clock())
        if any(folder.glob("*.jsonl")):
            raise ValueError(f"the folder {folder} holds a journal; a run begins one of its own")
        office = office_of(market, [spec], config, clock=clock, journal=folder, salt=SALT)
        try:
            endpoint = LocalEndpoint(Gateway(market, config, office), clock, KEY)
            title = f"Paper account, run over {', '.join(bars)}"
            super().__init__(endpoint, office, title=title, journal=folder, timeout=self._timeout)
        except BaseException:
            office.close()
            raise
        return clock

    @property
    def _has_run(self) -> bool:
        return "_office" in vars(self)

    def __getattr__(self, name: str) -> object:
        raise AttributeError(
            f"{name}: the account has no market yet; paper.run(klines, strategy) gives it one"
        )

    def __repr__(self) -> str:
        return super().__repr__() if self._has_run else cards.text_card(*self._card)

    def _repr_html_(self) -> str:
        return super()._repr_html_() if self._has_run else cards.html_card(*self._card)

    @property
    def _card(self) -> tuple[str, dict[str, str], str]:
        lines = {asset: f"{amount / UNIT:,.8g}" for asset, amount in self._given.items()}
        rules = self._rules
        told = rules.values() if isinstance(rules, Mapping) else [rules]
        lines["rules"] = "; ".join(dict.fromkeys(map(str, told)))
        return "Paper account before its run", lines, "paper.run(klines, strategy)"

    def close(self) -> None:
        if self._has_run:
            super().close()
