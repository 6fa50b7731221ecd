"""From the rules of one run to those of another, one group of them at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from bwsresearch.backtesting.rules import Rules

__all__ = ["GROUPS", "bare", "steps"]

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "timing": ("fill", "latency"),
    "price": ("slippage_bps", "tick"),
    "fee": ("fee", "fee_maker", "fee_asset"),
    "rounding": ("step", "unit"),
    "filter": ("min_qty", "min_notional", "filters"),
    "partial_fill": ("participation",),
}
"""Reasons, in the order in which they are switched, and the rules that make each of them."""
_FINE: Final = Decimal("1e-18")


def bare(rules: Rules) -> Rules:
    """Return the rules that the sweep's kernel keeps: fees, slippage and when orders fill."""
    return Rules(
        rules.name,
        fee=rules.fee,
        fee_asset=rules.fee_asset,
        slippage_bps=rules.slippage_bps,
        fill=rules.fill,
        unit=_FINE,
    )


def steps(
    before: Mapping[str, Rules], after: Mapping[str, Rules]
) -> Iterator[tuple[str, Mapping[str, Rules]]]:
    """Yield each reason that differs, and the rules of all symbols once it is switched."""
    now = dict(before)
    for reason, names in GROUPS.items():
        changed = {
            symbol: replace(one, **{name: getattr(after[symbol], name) for name in names})
            for symbol, one in now.items()
        }
        if changed != now:
            now = changed
            yield reason, now
