"""The report: one HTML file with picture, figures, months and fills, for light and dark pages."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from bwsresearch import plot
from bwsresearch.backtesting.figures import amount, figures, fixed, money, percent
from bwsresearch.backtesting.statistics import CONVENTIONS, ends
from bwsresearch.times import iso

if TYPE_CHECKING:
    from bwsresearch.backtesting.result import Result

__all__ = ["html"]

_FILLS: Final = 200
_TRIPS: Final = 20
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STRONG: Final = 0.2
"""A month of this return or more has the full colour."""
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5d6670;--line:#d8dee4;--page:#fff;
--up:8,153,129;--down:224,71,91}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#30363d;--page:#0d1117}}
body{margin:2rem auto;max-width:66rem;padding:0 1rem;color:var(--ink);background:var(--page);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .4rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{color:var(--soft);margin:.2rem 0}
img{width:100%;min-width:44rem;display:block;margin-top:1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.2rem 0 .2rem 1.2rem;text-align:right;border-bottom:1px solid var(--line);
white-space:nowrap}
th{font-weight:500;color:var(--soft)}
td:first-child,th:first-child{text-align:left;padding-left:0}
.months{width:100%}.months td,.months th{padding:.25rem .4rem}
.months td:first-child,.months th:first-child{padding-left:0}
.months td:last-child{font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.6rem;
margin-top:1rem;font-variant-numeric:tabular-nums}
.cards div{border:1px solid var(--line);border-radius:6px;padding:.45rem .8rem}
.cards span{display:block;color:var(--soft);font-size:.85rem}
.scroll{overflow-x:auto}
.up{color:rgb(var(--up))}.down{color:rgb(var(--down))}
details{margin-top:2rem}summary{cursor:pointer}summary h2{display:inline;margin:0}
@media print{body{margin:0;max-width:none}img{min-width:0}}
"""


def html(result: "Result") -> str:
    """Return the whole page; it refers to nothing outside itself."""
    cards = "".join(
        f"<div><span>{escape(name)}</span>{escape(value)}</div>"
        for name, value in figures(result).items()
    )
    parts = [
        f"<h1>{escape(result.title)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in _provenance(result)),
        f'<div class="cards">{cards}</div>',
        _picture(result),
        f"<h2>Returns by month</h2>{_months(result)}",
        _trips(result),
        _fills(result),
        f"<h2>Conventions</h2><p>{escape(CONVENTIONS)}</p>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(result.title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _picture(result: "Result") -> str:
    """Return the drawing twice, for light and for dark pages; a browser shows the one that fits."""
    drawn = plot.figure(11, 9)
    result.draw(drawn)
    light = plot.png(drawn)
    plot.darken(drawn)
    return (
        '<div class="scroll"><picture><source media="(prefers-color-scheme:dark)" '
        f'srcset="data:image/png;base64,{plot.png(drawn)}">'
        '<img alt="price with fills, equity beside buy and hold, drawdown and exposure" '
        f'src="data:image/png;base64,{light}"></picture></div>'
    )


def _provenance(result: "Result") -> list[str]:
    index, attrs = result.klines.index, result.klines.attrs
    end = pd.Timestamp(int(ends(index)[-1]), unit="us")
    span = f"{index[0]:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    lines = [f"{len(index):,} bars, {span}"]
    if isinstance(attrs.get("server"), str):
        implied = ", implied by a recording of longer bars" if attrs.get("implied") else ""
        lines[0] += f", from {attrs['server']} ({attrs.get('source', 'network')}{implied})"
    base, quote = (part / 1e8 for part in result.start)
    held = [
        f"{amount(part)} {asset}"
        for part, asset in ((quote, result.quote_asset), (base, result.base_asset))
        if part
    ]
    lines += [f"Start: {' and '.join(held)}", f"Rules: {result.rules}"]
    gaps = attrs.get("gaps")
    if isinstance(gaps, list) and gaps:
        shown = ", ".join(f"{iso(a)} to {iso(b)}" for a, b in gaps[:3])
        lines.append(f"Gaps in the data: {len(gaps)} ({shown}{', …' if len(gaps) > 3 else ''})")
    status = result.orders["status"]
    for name, what in (("REJECTED", "below a minimum"), ("CANCELED", "before anything was traded")):
        if count := int((status == name).sum()):
            lines.append(f"Orders {name.lower()} {what}: {count:,}")
    trades = result.trades
    if len(trades) and trades["is_open"].iloc[-1]:
        last = trades.iloc[-1]
        lines.append(
            f"Open at the end since {last['entry_time']:%Y-%m-%d %H:%M}: "
            f"{percent(last['return'])} so far, not in the figures of trades"
        )
    return lines


def _months(result: "Result") -> str:
    """Return a table of returns, one row per year; a month belongs to the closes in it."""
    equity = result.equity
    index = pd.DatetimeIndex(equity.index)
    month = index.year.to_numpy(np.int64) * 12 + index.month.to_numpy(np.int64) - 1
    last = np.flatnonzero(np.append(month[1:] != month[:-1], True))
    values = equity.to_numpy(np.float64)[last]
    with np.errstate(all="ignore"):  # a month that begins with nothing has no return
        returns = values / np.concatenate([[result.initial_equity], values[:-1]]) - 1.0
    by_month = dict(zip((int(m) for m in month[last]), returns.tolist(), strict=True))
    rows = [
        [_tinted(by_month.get(year * 12 + m)) for m in range(12)] + [_tinted(_year(by_month, year))]
        for year in range(int(month[0]) // 12, int(month[-1]) // 12 + 1)
    ]
    head = "".join(f"<th>{name}</th>" for name in ("", *_MONTHS, "year"))
    body = "".join(
        f"<tr><td>{int(month[0]) // 12 + n}</td>{''.join(row)}</tr>" for n, row in enumerate(rows)
    )
    return f'<div class="scroll"><table class="months"><tr>{head}</tr>{body}</table></div>'


def _year(by_month: dict[int, float], year: int) -> float:
    return float(np.prod([1.0 + part for m, part in by_month.items() if m // 12 == year]) - 1.0)


def _tinted(part: float | None) -> str:
    if part is None:
        return "<td></td>"
    if np.isnan(part) or not part:
        return f"<td>{percent(part, 1)}</td>"
    alpha = min(abs(part) / _STRONG, 1.0) * 0.4
    colour = f"rgba(var(--{'up' if part > 0 else 'down'}),{alpha:.2f})"
    return f'<td style="background:{colour}">{percent(part, 1)}</td>'


def _trips(result: "Result") -> str:
    trades = result.trades
    if trades.empty:
        return ""
    last = trades.tail(_TRIPS)
    columns = {
        "entry": _when(last["entry_time"]),
        "exit": _when(last["exit_time"]),
        "bars": [f"{bars:,}" for bars in last["bars"]],
        f"qty, {result.base_asset}": fixed(last["qty"]),
        "entry price": fixed(last["entry_price"]),
        "exit price": fixed(last["exit_price"]),
        f"pnl, {result.quote_asset}": money(last["pnl"]),
        "return": [percent(part) for part in last["return"]],
    }
    signs = ["up" if pnl > 0 else "down" for pnl in last["pnl"]]
    note = f" (the last {_TRIPS} of {len(trades):,})" if len(trades) > _TRIPS else ""
    return f"<h2>Round trips{note}</h2>{_table(columns, {'return': signs})}"


def _fills(result: "Result") -> str:
    fills = result.fills
    if fills.empty:
        return "<h2>Fills</h2><p>No order was filled.</p>"
    last = fills.tail(_FILLS)
    columns = {
        "time": _when(last.index.to_series()),
        "side": [str(side) for side in last["side"]],
        "price": fixed(last["price"]),
        f"qty, {result.base_asset}": fixed(last["qty"]),
        f"quote qty, {result.quote_asset}": money(last["quote_qty"]),
        "fee": [
            f"{fee:,.8f} {asset}" for fee, asset in zip(last["fee"], last["fee_asset"], strict=True)
        ],
    }
    signs = ["up" if side == "BUY" else "down" for side in last["side"]]
    note = f" (the last {_FILLS} of {len(fills):,})" if len(fills) > _FILLS else ""
    return (
        f"<details><summary><h2>Fills{note}</h2></summary>"
        f"{_table(columns, {'side': signs})}</details>"
    )


def _when(times: "pd.Series[pd.Timestamp]") -> list[str]:
    texts = times.dt.strftime("%Y-%m-%d %H:%M")
    return [str(text) for text in texts.fillna("open")]


def _table(columns: dict[str, list[str]], classes: dict[str, Sequence[str]]) -> str:
    """Return rows of escaped cells; `classes` names the class of each cell of a column."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    cells = [
        [
            f'<td class="{kind}">{escape(value)}</td>' if kind else f"<td>{escape(value)}</td>"
            for value, kind in zip(values, classes.get(name, [""] * len(values)), strict=True)
        ]
        for name, values in columns.items()
    ]
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*cells, strict=True))
    return f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'
