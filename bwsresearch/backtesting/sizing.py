"""How much to trade for a target exposure: target × equity − position, in whole units."""

from bwsresearch.exchange.trading.amounts import UNIT

__all__ = ["wish"]


def wish(
    target: int, *, base: int, quote: int, equity: int, close: int, step: int
) -> tuple[int, int]:
    """Return the quote to spend, or the base to sell; never both, 0 and 0 where nothing is to do.

    `target` is in 1e-8, `close` the price at which the decision values what is held, `equity` the
    account's worth at it. A target of 1 spends all of the quote, one of 0 sells all of the base.
    """
    if target >= UNIT:
        return quote, 0
    if target <= 0:
        return 0, base - base % step
    held = base * close // UNIT
    wanted = equity * target // UNIT
    if wanted > held:
        return min(wanted - held, quote), 0
    surplus = min((held - wanted) * UNIT // close, base)
    return 0, surplus - surplus % step
