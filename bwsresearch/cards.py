"""Small tables of plain values, as text and as HTML that suits light and dark pages; no scripts."""

from collections.abc import Mapping
from html import escape

__all__ = ["html_card", "text_card"]


def text_card(title: str, lines: Mapping[str, str]) -> str:
    """Return a title and aligned lines."""
    width = max((len(name) for name in lines), default=0)
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in lines.items())])


def html_card(title: str, lines: Mapping[str, str]) -> str:
    """Return the same as a table that takes its colours from the page; everything is escaped."""
    cells = "".join(
        '<tr><th style="text-align:left;font-weight:normal;opacity:.7;padding:.1em 1.2em .1em 0">'
        f'{escape(name)}</th><td style="text-align:right">{escape(value)}</td></tr>'
        for name, value in lines.items()
    )
    return (
        '<div style="display:inline-block;border:1px solid rgba(128,128,128,.4);'
        'border-radius:6px;padding:.6em 1em">'
        f'<div style="font-weight:600;margin-bottom:.4em">{escape(title)}</div>'
        f'<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">{cells}</table>'
        "</div>"
    )
