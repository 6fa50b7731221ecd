"""What the run returned and lost: headline, months, drawdowns, all figures with their conventions."""

from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from bwsresearch.backtesting import pictures
from bwsresearch.backtesting.figures import percent
from bwsresearch.backtesting.report.labels import GROUPS, written
from bwsresearch.backtesting.report.markup import cards, facts, section, table, whens
from bwsresearch.times import MONTHS

if TYPE_CHECKING:
    from bwsresearch.backtesting.result import Result

__all__ = ["drawdowns", "figures", "headline", "months"]

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
    head = "".join(f"<th>{name}</th>" for name in ("", *MONTHS, "year"))
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
    found = result.drawdowns
    if found.empty:
        return section("Deepest drawdowns", "<p>Equity was never below its highest.</p>")
    rows = found.sort_values("depth", kind="stable").head(_WORST)
    columns = {
        "depth": [percent(float(part)) for part in rows["depth"]],
        "from": whens(pd.DatetimeIndex(rows["peak_time"])),
        "deepest": whens(pd.DatetimeIndex(rows["trough_time"])),
        "recovered": whens(pd.DatetimeIndex(rows["recovery_time"]), none="not yet"),
        "days": [f"{days:,.1f}" for days in rows["days"]],
    }
    title = f"Deepest drawdowns (of {len(found):,})" if len(found) > _WORST else "Deepest drawdowns"
    return section(title, table(columns, {"depth": ["down"] * len(rows)}))


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
