"""What the kernel understands of rules."""

from typing import NamedTuple

from bwsresearch.backtesting.rules import Rules

__all__ = ["Terms"]


class Terms(NamedTuple):
    """Fees and prices as numbers: `slip` is the part by which a price is worse."""

    fee: float
    in_base: bool
    slip: float
    at_close: bool

    @classmethod
    def of(cls, rules: Rules) -> "Terms":
        """Return the terms of rules; steps, minimums, participation and latency are left out.

        Raises:
            ValueError: when fees are taken in BNB or fills come from a book.
        """
        if rules.fee_asset not in ("received", "quote"):
            raise ValueError(
                f"fee_asset is {rules.fee_asset}, a sweep knows 'received' and 'quote'; "
                "run it with bws.backtest"
            )
        if rules.fill not in ("next_open", "close"):
            raise ValueError(
                f"fill is {rules.fill}, a sweep knows 'next_open' and 'close'; "
                "run it with bws.backtest"
            )
        return cls(
            float(rules.fee),
            rules.fee_asset == "received",
            float(rules.slippage_bps) / 10_000,
            rules.fill == "close",
        )
