"""Half-open stretches of time, in milliseconds: sorted, disjoint, and never touching each other."""

from typing import TypeAlias

__all__ = ["Spans", "clip", "minus", "union"]

Spans: TypeAlias = tuple[tuple[int, int], ...]


def union(*several: Spans) -> Spans:
    """Return what lies in any of `several`; their stretches may come in any order and overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(span for spans in several for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return tuple(merged)


def clip(spans: Spans, start: int, end: int) -> Spans:
    """Return the part of `spans` that lies in [start, end)."""
    cut = ((max(a, start), min(b, end)) for a, b in spans)
    return tuple((a, b) for a, b in cut if a < b)


def minus(spans: Spans, taken: Spans) -> Spans:
    """Return the part of `spans` that does not lie in `taken`."""
    left: list[tuple[int, int]] = []
    for start, end in spans:
        at = start
        for a, b in taken:
            if b <= at:
                continue
            if a >= end:
                break
            if a > at:
                left.append((at, a))
            at = b
        if at < end:
            left.append((at, end))
    return tuple(left)
