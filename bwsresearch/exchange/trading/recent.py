"""Amounts by time, summed over any window in the time of a search."""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Recent"]

_MINUTE_MS: Final = 60_000
_KEPT_MS: Final = 24 * 60 * _MINUTE_MS
_SLACK: Final = 4096


@dataclass(slots=True)
class Recent:
    """Quantities and what they were worth; forgets what is older than a day."""

    _times: list[int] = field(default_factory=list)
    _worth: list[int] = field(default_factory=lambda: [0])
    _qty: list[int] = field(default_factory=lambda: [0])

    def add(self, time: int, worth: int, qty: int) -> None:
        """Count an amount at a time; times of an event that comes late count as the latest."""
        times = self._times
        times.append(max(time, times[-1]) if times else time)
        self._worth.append(self._worth[-1] + worth)
        self._qty.append(self._qty[-1] + qty)
        if len(times) % _SLACK == 0:
            old = bisect_right(times, time - _KEPT_MS)
            del times[:old], self._worth[:old], self._qty[:old]

    def volume(self, after_ms: int, upto_ms: int) -> int:
        """Return the quantity of (after, upto]."""
        first, last = self._within(after_ms, upto_ms)
        return self._qty[last] - self._qty[first]

    def average(self, minutes: int, now_ms: int) -> int:
        """Return the volume-weighted price of the last minutes, rounded half up; 0 without any."""
        first, last = self._within(now_ms - minutes * _MINUTE_MS, now_ms)
        size = self._qty[last] - self._qty[first]
        worth = self._worth[last] - self._worth[first]
        return (2 * worth + size) // (2 * size) if size else 0

    def _within(self, after_ms: int, upto_ms: int) -> tuple[int, int]:
        times = self._times
        if not times:
            return 0, 0
        # Mostly nothing is old yet, and nothing is later than now: then nothing is searched.
        first = 0 if times[0] > after_ms else bisect_right(times, after_ms)
        return first, len(times) if times[-1] <= upto_ms else bisect_right(times, upto_ms)
