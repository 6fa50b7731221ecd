"""Backtests: a pure function of closed klines to exposure, explicit rules, exact fills."""

from bwsresearch.backtesting.engine import backtest
from bwsresearch.backtesting.lookahead import check_lookahead
from bwsresearch.backtesting.reconciling import Reconciliation, reconcile
from bwsresearch.backtesting.result import Result
from bwsresearch.backtesting.rules import Rules
from bwsresearch.backtesting.strategy import Strategy
from bwsresearch.backtesting.sweeping import Sweep, sweep
from bwsresearch.backtesting.walking import WalkForward, walk_forward

__all__ = [
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
]
