"""Fill models: what of a market that is only watched an order may have had, and the proof of it.

Trust falls from `depth+trades@1` (books and trades) over `trades@1` to `klines@1` (bars). All are
pure: the same events, orders and times give the same fills, and what is yet to come changes none.
"""

from collections.abc import Collection

from bwsresearch.exchange.fills.depth_trades import DepthTrades
from bwsresearch.exchange.fills.klines_only import KlinesOnly
from bwsresearch.exchange.fills.settings import MODELS, ModelConfig, best
from bwsresearch.exchange.fills.trades_only import TradesOnly
from bwsresearch.exchange.trading.liquidity import Liquidity

__all__ = ["MODELS", "DepthTrades", "KlinesOnly", "ModelConfig", "TradesOnly", "fill_model"]


def fill_model(
    config: ModelConfig, *, tick: int, step: int, recorded: Collection[str] | None = None
) -> Liquidity | None:
    """Return a new model for one symbol; None for "self@1", where orders meet each other alone.

    Tick and step are the symbol's, in units; 0 stands for the least there is. `recorded` is what the
    market has of it, None when it can be asked for anything.
    """
    tick, step = max(tick, 1), max(step, 1)
    match best(recorded) if config.id == "best" else config.id:
        case "depth+trades@1":
            return DepthTrades(config)
        case "trades@1":
            return TradesOnly(config, tick=tick, step=step)
        case "klines@1":
            return KlinesOnly(config, tick=tick, step=step)
        case _:
            return None
