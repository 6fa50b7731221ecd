"""What the tests of this folder draw: times, bars and walks."""

import numpy as np

from bwsresearch import plot


def stamps(count, step_us=60_000_000):
    return np.datetime64("2024-01-01", "us") + np.arange(count) * np.timedelta64(step_us, "us")


def axes():
    return plot.figure(6, 3).subplots()


def bars(closes, opened=None, volume=None):
    """Bars of these closes that each open where the last one closed, a tenth above and below it."""
    close = np.asarray(closes, np.float64)
    first = np.concatenate([close[:1], close[:-1]])
    at = stamps(len(close)) if opened is None else opened
    step = np.diff(at, append=at[-1:] + np.timedelta64(60_000_000, "us"))
    return plot.Bars(
        at, at + step, first, np.maximum(first, close) + 0.1, np.minimum(first, close) - 0.1, close,
        np.ones(len(close)) if volume is None else np.asarray(volume, np.float64),
    )  # fmt: skip


def walk(count, seed=3):
    return 1_000.0 + np.cumsum(np.random.default_rng(seed).normal(0, 1, count))


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def ticks(ax):
    ax.figure.canvas.draw()
    return [label.get_text() for label in ax.get_yticklabels()]
