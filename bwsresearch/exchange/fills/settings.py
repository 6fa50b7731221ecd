"""What can be set of the fill models; every figure is one that decides what a fill is worth."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

__all__ = ["MODELS", "ModelConfig", "best"]

MODELS: Final = ("depth+trades@1", "trades@1", "klines@1", "self@1")
"""Best first; "self@1" watches no market."""
_WORDS: Final = {
    "id": ("best", *MODELS),
    "replenish": ("on_increase",),
    "touch_fill": ("queue", "never", "optimistic"),
    "bar_path": ("worst", "best"),
}
_MOST_LATENCY_S: Final = 60
_LADDER_LEVELS: Final = 20


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model and its figures.

    Attributes:
        id: which model, see `MODELS`; "best" is the one that each symbol's data allows.
        entry_latency: seconds that an order is on its way before it meets the market. Of an exchange
            in this process the reply is there at once all the same, with the later times in it; a
            live account waits.
        max_book_age: seconds after which a book counts as none.
        replenish: when a level of which something was taken gives more. "on_increase": as far as it
            grows, or once it was gone.
        touch_fill: what a trade at an order's own price gives. "queue": what is left behind the
            queue, nothing where the model knows no queue; "never"; "optimistic": as if there were none.
        ladder_frac: trades@1: size of each of 20 levels, as a part of the volume of the last minute.
        participation: klines@1: the part of a bar's volume that own orders share; inf gives each
            whatever it asks for.
        slippage_bps: klines@1: how much worse than the bar's price a taker trades, in 1/100 %.
        bar_path: klines@1: "worst" meets stops before limits inside a bar, "best" after them. What
            really happened lies between the two.
        book_cross: depth+trades@1: whether a book that crosses a resting order fills it.
    """

    id: str = "best"
    entry_latency: float = 0.0
    max_book_age: float = 5.0
    replenish: str = "on_increase"
    touch_fill: str = "queue"
    ladder_frac: float = 0.05
    participation: float = 0.10
    slippage_bps: float = 2.0
    bar_path: str = "worst"
    book_cross: bool = True

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                raise ValueError(
                    f"model.{name} is {getattr(self, name)!r}, must be one of {', '.join(words)}"
                )
        if not 0 <= self.entry_latency <= _MOST_LATENCY_S:
            raise ValueError(
                f"model.entry_latency is {self.entry_latency!r} s, must be 0 or more and at most 60"
            )
        if not 0 < self.max_book_age <= 86_400:
            raise ValueError(
                f"model.max_book_age is {self.max_book_age!r} s, must be above 0 and at most 86400"
            )
        if not 0 < self.ladder_frac <= 1 / _LADDER_LEVELS:
            raise ValueError(
                f"model.ladder_frac is {self.ladder_frac!r}, must be above 0 and at most 0.05: "
                "the ladder's 20 levels share what was traded"
            )
        if not 0 < self.participation <= 1 and self.participation != math.inf:
            raise ValueError(
                f"model.participation is {self.participation!r}, must be above 0 and at most 1, "
                "or inf"
            )
        if not 0 <= self.slippage_bps < 10_000:
            raise ValueError(
                f"model.slippage_bps is {self.slippage_bps!r}, must be 0 or more and below 10000"
            )

    @property
    def entry_latency_ms(self) -> int:
        """The latency in whole milliseconds."""
        return int(exact(self.entry_latency) * 1000)

    @property
    def max_book_age_ms(self) -> int:
        """The age in whole milliseconds."""
        return int(exact(self.max_book_age) * 1000)


def best(recorded: Collection[str] | None) -> str:
    """Return the model for a symbol of which "depth", "trades" or intervals were recorded.

    None stands for a market that can be asked for anything.
    """
    if recorded is None or {"depth", "trades"} <= set(recorded):
        return "depth+trades@1"
    return "trades@1" if "trades" in recorded else "klines@1"


def exact(number: float) -> Fraction:
    """Return a setting as the decimal that was written: 0.05 is 1/20."""
    return Fraction(str(number))
