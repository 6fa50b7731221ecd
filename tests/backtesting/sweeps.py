"""What the tests of sweeps run: strategies with parameters, and a grid of these."""

import numpy as np

from bwsresearch import ta

from .lab import walk


def crossing(k, fast=3, slow=8):
    return ta.sma(k["close"], fast) > ta.sma(k["close"], slow)


def rolling(k, fast=3, slow=8):
    return (k["close"].rolling(fast).mean() > k["close"].rolling(slow).mean()).astype(float)


def idle(k, x):
    """Never anything, whatever x is."""
    return np.zeros(len(k)) * x


KLINES = walk(600, 7)
GRID = {"fast": range(3, 12, 2), "slow": range(8, 30, 5)}
