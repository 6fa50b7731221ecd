"""Why two runs of one strategy differ: order by order, reason by reason, with nothing left over."""

from bwsresearch.backtesting.reconciling.compare import reconcile
from bwsresearch.backtesting.reconciling.outcome import Reconciliation

__all__ = ["Reconciliation", "reconcile"]
