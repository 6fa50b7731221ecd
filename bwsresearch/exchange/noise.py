"""Numbers that look random and follow from names: the same on every machine, in any order.

Only 64-bit integer arithmetic: a key is mixed as in SplitMix64 (Steele, Lea and Flood, 2014).
"""

import hashlib
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.amounts import Ints

__all__ = ["BELL_SD", "Keys", "bell", "key", "keys", "uniform"]

Keys: TypeAlias = npt.NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_SHIFTS: Final = (np.uint64(30), np.uint64(27), np.uint64(31))
_HALF: Final = np.uint64(0xFFFF)

BELL_SD: Final = 37_837
"""Standard deviation of `bell`: that of the sum of four uniform 16-bit numbers."""


def key(*names: object) -> int:
    """Return the key that stands for a few names, such as seed and symbol."""
    text = "\x1f".join(str(name) for name in names).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def keys(root: int | Keys, *parts: Ints | int) -> Keys:
    """Return one key per element of `root` and `parts`, which are broadcast against each other."""
    # Never a scalar: those warn when they wrap, as is meant here.
    mixed: Keys = np.array(root, np.uint64, ndmin=1, copy=None)
    for part in parts:
        mixed = _mixed(mixed ^ _mixed(np.array(part, np.int64, ndmin=1, copy=None).view(np.uint64)))
    return mixed


def _mixed(value: Keys) -> Keys:
    value = value + _GOLDEN
    value ^= value >> _SHIFTS[0]
    value *= _FIRST
    value ^= value >> _SHIFTS[1]
    value *= _SECOND
    value ^= value >> _SHIFTS[2]
    return value


def uniform(of: Keys, shift: int = 0) -> Ints:
    """Return whole numbers in [0, 65536), from the 16 bits above the lowest `shift`."""
    return ((of >> np.uint64(shift) if shift else of) & _HALF).view(np.int64)


def bell(of: Keys) -> Ints:
    """Return whole numbers around 0 in the shape of a bell: within ±131,070, see `BELL_SD`."""
    total = of & _HALF
    for shift in (16, 32, 48):
        total += (of >> np.uint64(shift)) & _HALF
    return total.view(np.int64) - 131_070
