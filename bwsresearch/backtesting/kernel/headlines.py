"""The figures of a run that a table of many compares, from its fills alone.

The same figures under the same conventions as `Result.stats()`; no array of the bars' length is made.
"""

from typing import Final, NamedTuple

import numpy as np

from bwsresearch.backtesting.kernel.market import Floats, Ints, Market
from bwsresearch.backtesting.kernel.terms import Terms
from bwsresearch.backtesting.kernel.track import Start, Track
from bwsresearch.backtesting.statistics import periods, ratios, trading

__all__ = ["HEADLINES", "Spans", "drawdown_of", "equity", "headlines", "judged", "returns", "spans"]

HEADLINES: Final = (
    "final_equity", "return", "cagr", "sharpe", "sortino", "max_drawdown", "trades", "win_rate",
    "profit_factor", "fees", "exposure", "turnover",
)  # fmt: skip
_LEAST: Final = 1e-8


class Spans(NamedTuple):
    """Stretches of bars over which an account holds the same, oldest first.

    `begin` and `end` are bars, half-open; `base` and `quote` what is held at their closes.
    """

    begin: Ints
    end: Ints
    base: Floats
    quote: Floats


def spans(market: Market, track: Track, start: Start) -> Spans:
    """Return what an account holds, from the first bar on."""
    begin, end = np.append(0, track.bar), np.append(track.bar, len(market))
    base, quote = np.append(start.base, track.base), np.append(start.quote, track.quote)
    lasts = end > begin
    if lasts.all():
        return Spans(begin, end, base, quote)
    return Spans(begin[lasts], end[lasts], base[lasts], quote[lasts])


def equity(market: Market, held: Spans) -> Floats:
    """Return the account's worth at every bar's close."""
    lengths = held.end - held.begin
    worth = np.repeat(held.base, lengths)
    worth *= market.closes
    worth += np.repeat(held.quote, lengths)
    return worth


def returns(market: Market, held: Spans, initial: float) -> Floats:
    """Return what every UTC day returned, the first one on `initial`; every bar where bars are longer."""
    place = np.searchsorted(held.begin, market.lasts, side="right") - 1
    worth = held.quote[place] + held.base[place] * market.closes[market.lasts]
    return periods.changes(worth, initial)


def headlines(market: Market, terms: Terms, track: Track, start: Start) -> dict[str, float]:
    """Return the figures by name; parts of one, not percents; fees and profits in quote."""
    return judged(market, terms, track, start)[0]


def judged(
    market: Market, terms: Terms, track: Track, start: Start
) -> tuple[dict[str, float], Floats]:
    """Return the figures by name, and what every period returned."""
    held = spans(market, track, start)
    initial = start.quote + start.base * float(market.opens[0])
    final = float(held.quote[-1] + held.base[-1] * market.closes[-1])
    daily = returns(market, held, initial)
    per_year = periods.per_year(market.bar_days)
    profits = _profits(market, track, start)
    lengths = held.end - held.begin
    sums = market.sums[held.end] - market.sums[held.begin]
    mean = float((held.quote * lengths + held.base * sums).sum()) / len(market)
    figures = {
        "final_equity": final,
        "return": final / initial - 1.0,
        "cagr": _growth(final / initial, market.years),
        "sharpe": ratios.sharpe(daily, per_year),
        "sortino": ratios.sortino(daily, per_year),
        "max_drawdown": drawdown_of(market, held, initial),
        "trades": float(len(profits)),
        "win_rate": trading.win_rate(profits),
        "profit_factor": trading.profit_factor(profits),
        "fees": _fees(terms, track),
        "exposure": float(lengths[held.base >= _LEAST].sum()) / len(market),
        "turnover": ratios.ratio(float(track.quote_qty.sum()), mean * market.years),
    }
    return figures, daily


def _profits(market: Market, track: Track, start: Start) -> Floats:
    """Return the profits of closed round trips: between two of them the quote is all there is."""
    is_over = (track.base < _LEAST) & ~track.is_buy[track.order]
    # Base at the start counts as bought at the first open.
    begin = start.quote + start.base * float(market.opens[0])
    profits: Floats = np.diff(track.quote[is_over], prepend=begin)
    return profits


def _fees(terms: Terms, track: Track) -> float:
    """Return all fees in quote, those in base at the price of their trade."""
    if not terms.in_base:
        return float(track.fee.sum())
    return float((track.fee * np.where(track.is_buy[track.order], track.price, 1.0)).sum())


def drawdown_of(market: Market, held: Spans, initial: float) -> float:
    """Return the deepest fall of the equity below its highest close before, or `initial`: 0 or less.

    Within a span the worth rises and falls with the close. Its highest and lowest tell how deep the
    fall can be at most; only spans in which it could be the deepest are looked at bar by bar.
    """
    high = held.quote + held.base * np.maximum.reduceat(market.closes, held.begin)
    low = held.quote + held.base * np.minimum.reduceat(market.closes, held.begin)
    before = np.maximum.accumulate(np.append(initial, high))[:-1]
    with np.errstate(all="ignore"):
        deepest = min(float((low / before).min()), 1.0)  # so deep it is
        most = low / np.maximum(before, high)  # it is not deeper than this
    candidates = np.flatnonzero(most < deepest)
    for place in candidates[np.argsort(most[candidates], kind="stable")].tolist():
        if most[place] >= deepest:
            break
        part = slice(held.begin[place], held.end[place])
        worth = held.quote[place] + held.base[place] * market.closes[part]
        peak = np.maximum(np.maximum.accumulate(worth), before[place])
        deepest = min(deepest, float((worth / peak).min()))
    return deepest - 1.0


def _growth(factor: float, years: float) -> float:
    growth = ratios.compounded(factor, 1.0 / years) if years else np.nan
    return growth if np.isfinite(growth) else np.nan
