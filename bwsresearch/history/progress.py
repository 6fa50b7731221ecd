"""One progress bar for one download or sweep: in the notebook, in the terminal, or none."""

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Final, Protocol, Self

from tqdm.std import tqdm

from bwsresearch.protocol.results import RateLimit

__all__ = ["Progress"]

_WORTH_SHOWING: Final = 3
"""A download of so many pages is over before a bar could be read."""


class _Bar(Protocol):
    total: float | None

    @property
    def format_dict(self) -> Mapping[str, Any]: ...

    def update(self, n: float | None = 1) -> object: ...
    def refresh(self) -> object: ...
    def set_postfix_str(self, s: str = "", refresh: bool = True) -> object: ...
    def close(self) -> object: ...


class Progress:
    """A bar over pages (or other units), shown from four of them on; `wanted` False shows none.

    With `wanted` None it is shown where somebody looks: in a notebook or a terminal. The time left
    follows from the average so far, so that pauses for the weight limit count.
    """

    def __init__(self, title: str, *, wanted: bool | None, unit: str = "page") -> None:
        self._title, self._unit, self._total, self._rows = title, unit, 0, 0
        self._bar: _Bar | None = None
        self._wanted = (_in_kernel() or sys.stderr.isatty()) if wanted is None else wanted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def expect(self, pages: int) -> None:
        """Make room for `pages` more."""
        self._total += pages
        if self._bar is not None:
            self._bar.total = self._total
            self._bar.refresh()
        elif self._wanted and self._total > _WORTH_SHOWING:
            self._bar = _bar_class()(
                total=self._total, desc=self._title, unit=self._unit, smoothing=0.0
            )

    def arrived(self, rows: int, *, weight: RateLimit | None = None) -> None:
        """Count one page; `weight` is what the server has counted of this minute's."""
        self._rows += rows
        if self._bar is not None:
            self._bar.set_postfix_str(self._state(weight), refresh=False)
            self._bar.update()

    def done(self, count: int) -> None:
        """Count so many units that have no rows."""
        if self._bar is not None:
            self._bar.update(count)

    def _state(self, weight: RateLimit | None) -> str:
        seconds = self._bar.format_dict["elapsed"] if self._bar is not None else 0.0
        rate = f", {self._rows / seconds:,.0f} rows/s" if seconds > 0 else ""
        used = f", weight {weight.count:,}/{weight.limit:,}" if weight else ""
        return f"{self._rows:,} rows{rate}{used}"

    def note(self, text: str) -> None:
        """Say why nothing moves."""
        if self._bar is not None:
            self._bar.set_postfix_str(text)


def _in_kernel() -> bool:
    return "ipykernel.kernelapp" in sys.modules


def _bar_class() -> Callable[..., _Bar]:
    if _in_kernel() and find_spec("ipywidgets") is None:
        return tqdm  # tqdm.auto would print a warning into the cell
    from tqdm.auto import tqdm as auto  # noqa: PLC0415 - looks for a kernel when it is imported

    return auto
