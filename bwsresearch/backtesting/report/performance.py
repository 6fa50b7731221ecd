"""What the run returned and lost: headline, months, drawdowns, all figures with their conventions."""

from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from bwsresearch import plot
from bwsresearch.backtesting import pictures
from bwsresearch.backtesting.figures import percent
from bwsresearch.backtesting.report.labels import GROUPS, written
from bwsresearch.backtesting.report.markup import cards, facts, section, table, whens
from bwsresearch.backtesting.statistics import drawdown

if TYPE_CHECKING:
    from bwsresearch.backtesting.result import Result

__all__ = ["drawdowns", "figures", "headline", "months"]

_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_STRONG: Final = 0.2
"""A month of this return or more has the full colour."""
_WORST: Final = 5
_HEADLINE: Final = (
    "final_equity", "return", "buy_and_hold_return", "cagr", "sharpe", "max_drawdown", "trades",
    "win_rate", "profit_factor", "exposure", "fees",
)  # fmt: skip


def headline(result: "Result") -> str:
    """Return the figures that people ask for first, as cards."""
    stats = result.stats()
    lines = (written(name, float(stats[name]), result.quote_asset) for name in _HEADLINE)
    return cards(dict(lines))


def months(result: "Result") -> str:
    """Return a table of returns, one row per year; a month belongs to the bars that open in it."""
    years, table, totals = pictures.months(result)
    head = "".join(f"<th>{name}</th>" for name in ("", *_MONTHS, "year"))
    body = "".join(
        f"<tr><td>{year}</td>{''.join(_tinted(part) for part in (*row, total))}</tr>"
        for year, row, total in zip(years, table.tolist(), totals.tolist(), strict=True)
    )
    return section(
        "Returns by month",
        f'<div class="scroll"><table class="wide months"><tr>{head}</tr>{body}</table></div>',
    )


def _tinted(part: float) -> str:
    if np.isnan(part):
        return "<td></td>"
    alpha = min(abs(part) / _STRONG, 1.0) * 0.4
    if not alpha:
        return f"<td>{percent(part, 1)}</td>"
    colour = f"rgba(var(--{'up' if part > 0 else 'down'}),{alpha:.2f})"
    return f'<td style="background:{colour}">{percent(part, 1)}</td>'


def drawdowns(result: "Result") -> str:
    """Return the deepest stretches below a peak of equity at the end of a bar."""
    times, peaks, ends, down = _stretches(result)
    if not len(peaks):
        return section("Deepest drawdowns", "<p>Equity was never below its highest.</p>")
    lowest = [int(down[a : b + 1].argmin()) + int(a) for a, b in zip(peaks, ends, strict=True)]
    rows = sorted(zip(peaks, lowest, ends, strict=True), key=lambda row: down[row[1]])[:_WORST]
    first, deepest, last = (np.array(places) for places in zip(*rows, strict=True))
    recovered = pd.DatetimeIndex(np.where(down[last] == 0, times[last], np.datetime64("NaT")))
    columns = {
        "depth": [percent(float(part)) for part in down[deepest]],
        "from": whens(pd.DatetimeIndex(times[first])),
        "deepest": whens(pd.DatetimeIndex(times[deepest])),
        "recovered": whens(recovered, none="not yet"),
        "days": [f"{days:,.1f}" for days in (times[last] - times[first]) / np.timedelta64(1, "D")],
    }
    title = f"Deepest drawdowns (of {len(peaks):,})" if len(peaks) > _WORST else "Deepest drawdowns"
    return section(title, table(columns, {"depth": ["down"] * len(rows)}))


def _stretches(result: "Result") -> tuple[plot.Stamps, plot.Ints, plot.Ints, plot.Floats]:
    """Return times, the places of peaks and of what ends each stretch, and how far below each is."""
    opened, ended = pictures.spans(result.klines)
    times = np.concatenate([opened[:1], ended])  # at the first open nothing is lost yet
    equity = result.equity.to_numpy(np.float64)
    down = np.concatenate([[0.0], drawdown(equity, result.initial_equity)])
    turns = np.flatnonzero(np.diff(down < 0)) + 1
    begins, ends = turns[::2], turns[1::2]
    return times, begins - 1, np.append(ends, len(down) - 1)[: len(begins)], down


def figures(result: "Result") -> str:
    """Return every figure, in groups, and how they are computed."""
    stats = result.stats()
    known = {name for names in GROUPS.values() for name in names}
    groups = GROUPS | {"More": tuple(str(name) for name in stats.index if name not in known)}
    parts = []
    for title, names in groups.items():
        lines = dict(
            written(name, float(stats[name]), result.quote_asset) for name in names if name in stats
        )
        if lines:
            parts.append(f"<section><h3>{title}</h3>{facts(lines, '')}</section>")
    note = f"<p>Conventions: {escape(str(stats.attrs['conventions']))}.</p>"
    return section("Figures", f'<div class="groups">{"".join(parts)}</div>', note)
