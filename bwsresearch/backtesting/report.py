"""The report: one HTML file with picture, figures, months and fills, for light and dark pages."""

from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from bwsresearch import plot
from bwsresearch.backtesting.statistics import CONVENTIONS
from bwsresearch.times import iso

if TYPE_CHECKING:
    from bwsresearch.backtesting.result import Result

__all__ = ["figures", "html"]

_FILLS: Final = 200
_PERCENT: Final = {
    "return": "return",
    "buy_and_hold_return": "buy and hold",
    "cagr": "CAGR",
    "volatility": "volatility",
    "max_drawdown": "max drawdown",
    "exposure": "exposure",
    "win_rate": "win rate",
    "best_trade": "best trade",
    "worst_trade": "worst trade",
    "average_trade": "average trade",
}
_PLAIN: Final = {
    "sharpe": "Sharpe",
    "sortino": "Sortino",
    "calmar": "Calmar",
    "profit_factor": "profit factor",
}
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#6a737d;--line:#d8dee4;--page:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#30363d;--page:#0d1117}}
body{margin:2rem auto;max-width:62rem;padding:0 1rem;color:var(--ink);background:var(--page);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{color:var(--soft);margin:.3rem 0}img{width:100%;border-radius:6px;background:#fff;margin-top:1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.2rem .8rem .2rem 0;text-align:right;border-bottom:1px solid var(--line)}
th{font-weight:500;color:var(--soft)}td:first-child,th:first-child{text-align:left}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.6rem;margin-top:1rem}
.cards div{border:1px solid var(--line);border-radius:6px;padding:.5rem .8rem}
.cards span{display:block;color:var(--soft);font-size:.85rem}.scroll{overflow-x:auto}
"""


def figures(result: "Result") -> dict[str, str]:
    """Return the figures as people read them."""
    stats = result.stats()
    lines = {
        name: "–" if np.isnan(stats[key]) else f"{stats[key]:+.2%}".replace("+", "")
        for key, name in _PERCENT.items()
    }
    lines |= {n: "–" if np.isnan(stats[k]) else f"{stats[k]:.2f}" for k, n in _PLAIN.items()}
    days = stats["max_drawdown_days"]
    lines |= {
        "longest drawdown": f"{days:.1f} days",
        "trades": f"{stats['trades']:,.0f}",
        "fees": f"{stats['fees']:,.2f} {result.quote_asset}",
        "final equity": f"{stats['final_equity']:,.2f} {result.quote_asset}",
    }
    return lines


def html(result: "Result") -> str:
    """Return the whole page; it refers to nothing outside itself."""
    drawn = plot.figure(11, 8.5)
    result.draw(drawn)
    cards = "".join(
        f"<div><span>{escape(name)}</span>{escape(value)}</div>"
        for name, value in figures(result).items()
    )
    picture = (
        f'<img alt="price with fills, equity and drawdown" '
        f'src="data:image/png;base64,{plot.png(drawn)}">'
    )
    parts = [
        f"<h1>{escape(result.title)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in _provenance(result)),
        f'<div class="cards">{cards}</div>',
        picture,
        f"<h2>Returns by month</h2>{_months(result)}",
        f"<h2>Fills</h2>{_fills(result)}",
        f"<h2>Rules</h2><p>{escape(str(result.rules))}</p>",
        f"<p>{escape(CONVENTIONS)}</p>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(result.title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _provenance(result: "Result") -> list[str]:
    index, attrs = result.klines.index, result.klines.attrs
    lines = [f"{len(index):,} bars, {index[0]:%Y-%m-%d %H:%M} to {index[-1]:%Y-%m-%d %H:%M} UTC"]
    if "server" in attrs:
        implied = ", implied by a recording of longer bars" if attrs.get("implied") else ""
        lines[0] += f"; from {attrs['server']} ({attrs.get('source', 'network')}{implied})"
    gaps = attrs.get("gaps") or []
    if gaps:
        shown = ", ".join(f"{iso(a)} to {iso(b)}" for a, b in gaps[:3])
        lines.append(f"{len(gaps)} gaps in the data: {shown}{' …' if len(gaps) > 3 else ''}")
    rejected = int((result.orders["status"] == "REJECTED").sum())
    if rejected:
        lines.append(f"{rejected:,} orders were below a minimum and rejected")
    return lines


def _months(result: "Result") -> str:
    """Return a table of returns, one row per year."""
    equity = result.equity
    index = pd.DatetimeIndex(equity.index)
    month = index.year * 12 + index.month - 1
    ends = np.flatnonzero(np.append(month[1:] != month[:-1], True))
    values = equity.to_numpy()[ends]
    returns = values / np.concatenate([[result.initial_equity], values[:-1]]) - 1.0
    by_month = dict(zip((int(m) for m in month[ends]), returns, strict=True))
    years = sorted({m // 12 for m in by_month})
    head = "".join(f"<th>{name}</th>" for name in ("", *_MONTHS, "year"))
    rows = "".join(
        f"<tr><td>{year}</td>"
        + "".join(f"<td>{_part(by_month.get(year * 12 + m))}</td>" for m in range(12))
        + f"<td>{_part(_compound(by_month, year))}</td></tr>"
        for year in years
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'


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


def _compound(by_month: dict[int, float], year: int) -> float:
    return float(np.prod([1.0 + r for m, r in by_month.items() if m // 12 == year]) - 1.0)


def _part(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _fills(result: "Result") -> str:
    fills = result.fills
    if fills.empty:
        return "<p>No orders were filled.</p>"
    last = fills.tail(_FILLS)
    names = ["time", "side", "price", "qty", "quote_qty", "fee", "fee_asset"]
    rows = "".join(
        f"<tr><td>{row.Index:%Y-%m-%d %H:%M}</td><td>{row.side}</td><td>{row.price:,.8g}</td>"
        f"<td>{row.qty:.8g}</td><td>{row.quote_qty:,.2f}</td><td>{row.fee:.8g}</td>"
        f"<td>{escape(str(row.fee_asset))}</td></tr>"
        for row in last.itertuples()
    )
    head = "".join(f"<th>{name}</th>" for name in names)
    note = f"<p>The last {_FILLS} of {len(fills):,}.</p>" if len(fills) > _FILLS else ""
    return f'{note}<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'
