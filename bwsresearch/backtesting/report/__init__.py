"""The report: one HTML file that refers to nothing outside itself, for light and dark pages and paper."""

from html import escape
from typing import TYPE_CHECKING

from bwsresearch.backtesting.report import activity, images, performance, provenance
from bwsresearch.backtesting.report.style import STYLE

if TYPE_CHECKING:
    from bwsresearch.backtesting.result import Result

__all__ = ["html"]


def html(result: "Result") -> str:
    """Return the whole page."""
    parts = [
        f"<header><h1>{escape(result.title)}</h1>{provenance.lead(result)}</header>",
        performance.headline(result),
        images.overview(result),
        images.closer(result),
        performance.months(result),
        performance.drawdowns(result),
        images.trades(result),
        images.rolling(result),
        performance.figures(result),
        activity.trades(result),
        activity.fills(result),
        activity.unfilled(result),
        provenance.section(result),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(result.title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )
