"""A research toolkit for the Binance Spot WebSocket API: `import bwsresearch as bws`.

    df = bws.klines("BTCUSDT", "1h", start="2024-01-01", end="2024-02-01")

Names are loaded when they are first used, so that the import itself takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bwsresearch import aio, cache, ta
    from bwsresearch.backtesting import (
        Reconciliation,
        Result,
        Rules,
        Strategy,
        Sweep,
        WalkForward,
        backtest,
        check_lookahead,
        reconcile,
        sweep,
        walk_forward,
    )
    from bwsresearch.client.bridge import run
    from bwsresearch.client.sync import Client
    from bwsresearch.errors import (
        ArchiveError,
        BadKey,
        BadParameter,
        BadSymbol,
        Banned,
        BinanceError,
        BwsError,
        CacheError,
        ClockSkew,
        Disconnected,
        InsufficientBalance,
        LookAhead,
        OrderRejected,
        OutcomeUnknown,
        RateLimited,
        ServerError,
        Timeout,
        UnknownOrder,
    )
    from bwsresearch.history import (
        Recorder,
        agg_trades,
        all_orders,
        depth,
        depth_history,
        klines,
        my_trades,
        plot_depth_history,
        pull,
        record_depth,
        trades,
    )
    from bwsresearch.local import connect
    from bwsresearch.paper_account import Paper, paper
    from bwsresearch.rehearsal import replay
    from bwsresearch.sampling import bars

__all__ = [
    "ArchiveError",
    "BadKey",
    "BadParameter",
    "BadSymbol",
    "Banned",
    "BinanceError",
    "BwsError",
    "CacheError",
    "Client",
    "ClockSkew",
    "Disconnected",
    "InsufficientBalance",
    "LookAhead",
    "OrderRejected",
    "OutcomeUnknown",
    "Paper",
    "RateLimited",
    "Reconciliation",
    "Recorder",
    "Result",
    "Rules",
    "ServerError",
    "Strategy",
    "Sweep",
    "Timeout",
    "UnknownOrder",
    "WalkForward",
    "agg_trades",
    "aio",
    "all_orders",
    "backtest",
    "bars",
    "cache",
    "check_lookahead",
    "connect",
    "depth",
    "depth_history",
    "klines",
    "my_trades",
    "paper",
    "plot_depth_history",
    "pull",
    "reconcile",
    "record_depth",
    "replay",
    "run",
    "sweep",
    "ta",
    "trades",
    "walk_forward",
]

_HOME: Final = {
    "errors": (
        "ArchiveError",
        "BadKey",
        "BadParameter",
        "BadSymbol",
        "Banned",
        "BinanceError",
        "BwsError",
        "CacheError",
        "ClockSkew",
        "Disconnected",
        "InsufficientBalance",
        "LookAhead",
        "OrderRejected",
        "OutcomeUnknown",
        "RateLimited",
        "ServerError",
        "Timeout",
        "UnknownOrder",
    ),
    "client.sync": ("Client",),
    "client.bridge": ("run",),
    "local": ("connect",),
    "paper_account": ("Paper", "paper"),
    "backtesting": (
        "Reconciliation",
        "Result",
        "Rules",
        "Strategy",
        "Sweep",
        "WalkForward",
        "backtest",
        "check_lookahead",
        "reconcile",
        "sweep",
        "walk_forward",
    ),
    "rehearsal": ("replay",),
    "sampling": ("bars",),
    "history": (
        "Recorder",
        "agg_trades",
        "all_orders",
        "depth",
        "depth_history",
        "klines",
        "my_trades",
        "plot_depth_history",
        "pull",
        "record_depth",
        "trades",
    ),
}
_MODULES: Final = ("aio", "cache", "ta")


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    home = next((module for module, names in _HOME.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
