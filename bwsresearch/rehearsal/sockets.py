"""A backtest's strategy against a server whose clock stands until the run moves it."""

import contextlib
from collections.abc import Mapping
from decimal import Decimal

import pandas as pd

from bwsresearch.backtesting import given
from bwsresearch.backtesting.bars import Bars
from bwsresearch.backtesting.engine import Decisions, run
from bwsresearch.backtesting.exposure import Exposures
from bwsresearch.backtesting.records import Record
from bwsresearch.backtesting.result import Result, Task
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.strategy import Strategy
from bwsresearch.client.sync import Client
from bwsresearch.protocol.methods import AccountStatus
from bwsresearch.rehearsal.conduct import conducted
from bwsresearch.rehearsal.remote import RemoteClock, RemoteLine

__all__ = ["replay"]


def replay(
    klines: pd.DataFrame,
    strategy: "Exposures | type[Strategy]",
    *,
    client: Client,
    control: int | str,
    rules: Rules | Mapping[str, Rules] | None = None,
    balances: given.Balances | None = None,
    params: Mapping[str, object] | None = None,
) -> Result:
    """Run a strategy over closed klines as `bws.backtest` does, each order of it over a socket.

    The server's market must be that of the klines: `bwsresearch serve --market cache --clock START
    --control PORT`, with the klines in its cache and START no later than their first open. Its clock
    is moved bar by bar. It fills by its own rules (fees of `--accounts`, `[model]` of `--config`,
    filters of its exchangeInfo), which are those of a backtest when they say the same.

    Args:
        klines: as in `bws.backtest`.
        strategy: likewise.
        client: of that server, with the key of an account; see `bws.connect`.
        control: the server's control port, or "host:port".
        rules: by which orders are sized and floats rounded; what the server's exchangeInfo says of
            the symbols when left out.
        balances: what of the account the run may use; all that the symbols need when left out.
        params: arguments of the strategy, by name.

    Raises:
        ValueError: for klines, exposures or balances that cannot be meant, or when it is later than
            the first open on the server.
        Disconnected: when server or control port do not answer.
        BinanceError: what the exchange refuses, except orders: these are recorded as rejected.
    """
    __tracebackhide__ = True
    clock = RemoteClock(control, client.aio.timeout)
    with contextlib.closing(clock), contextlib.closing(RemoteLine(client, clock)) as line:
        start = _held(client, line, klines) if balances is None else balances
        bars = given.bars_of(klines, start)
        _check_time(clock(), bars)
        own = rules or {name: Rules.binance(name, client=client) for name in bars}
        task = Task(
            klines if len(bars) > 1 else next(iter(bars.values())).klines,
            strategy,
            dict(params or {}),
            given.balances_of(start),
            given.rules_of(bars, own),
        )

        def perform(task: Task, bars: Mapping[str, Bars], found: Decisions) -> Record:
            return conducted(line, clock, task, bars, found)

        return run(task, bars, perform=perform, origin=client.aio.endpoint.name)


def _held(client: Client, line: RemoteLine, klines: pd.DataFrame) -> dict[str, Decimal]:
    """Return what an account has free of the assets that klines are of, and to pay fees with."""
    rows = client.exchange_info(symbols=_symbols(klines)).symbols
    assets = [name for row in rows for name in (row.base_asset, row.quote_asset)]
    account = line.call(AccountStatus())
    free = {name: account.balance(name).free for name in dict.fromkeys([*assets, "BNB"])}
    return {name: amount for name, amount in free.items() if amount}


def _symbols(klines: pd.DataFrame) -> list[str]:
    if klines.columns.nlevels > 1:
        return [str(name) for name in klines.columns.get_level_values(-1).unique()]
    if "symbol" not in klines.attrs:
        raise ValueError(
            "klines name no symbol; set klines.attrs['symbol'], or say balances such as "
            "{'USDT': 10_000}"
        )
    return [str(klines.attrs["symbol"])]


def _check_time(now_ms: int, bars: Mapping[str, Bars]) -> None:
    first = min(int(one.opened[0]) for one in bars.values())
    if now_ms > first:
        raise ValueError(
            f"it is {pd.Timestamp(now_ms, unit='ms')} on the server, later than the first bar at "
            f"{pd.Timestamp(first, unit='ms')}; start another one, with an earlier --clock"
        )
