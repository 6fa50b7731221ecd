"""Numbers that look random and follow from names: the same on every machine, in any order.

Only 64-bit integer arithmetic: a key is mixed as in SplitMix64 (Steele, Lea and Flood, 2014).
"""

import hashlib
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bwsresearch.exchange.market import Ints

__all__ = ["BELL_SD", "Keys", "bell", "key", "keys", "share_of", "uniform"]

Keys: TypeAlias = npt.NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_HALF: Final = np.uint64(0xFFFF)

BELL_SD: Final = 37_837
"""Standard deviation of `bell`: that of the sum of four uniform 16-bit numbers."""


def key(*names: object) -> int:
    """Return the key that stands for a few names, such as seed and symbol."""
    text = "\x1f".join(str(name) for name in names).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def keys(root: int, *parts: Ints | int) -> Keys:
    """Return one key per element of `parts`, which are broadcast against each other."""
    mixed = np.asarray(root, np.uint64)
    for part in parts:
        mixed = _mixed(mixed ^ _mixed(np.asarray(part, np.int64).astype(np.uint64)))
    return mixed


def _mixed(value: Keys) -> Keys:
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
        value = value + _GOLDEN
        value = (value ^ (value >> np.uint64(30))) * _FIRST
        value = (value ^ (value >> np.uint64(27))) * _SECOND
        return value ^ (value >> np.uint64(31))


def uniform(of: Keys) -> Ints:
    """Return whole numbers in [0, 65536), from the lowest bits."""
    return (of & _HALF).astype(np.int64)


def bell(of: Keys) -> Ints:
    """Return whole numbers around 0 in the shape of a bell: within ±131,070, see `BELL_SD`."""
    total = np.zeros(of.shape, np.int64)
    for shift in (0, 16, 32, 48):
        total += ((of >> np.uint64(shift)) & _HALF).astype(np.int64)
    return total - 131_070


def share_of(total: Ints, of: Keys) -> Ints:
    """Return a whole number in [0, total) for each key; `total` is below 2**47."""
    return (total * uniform(of)) >> 16
