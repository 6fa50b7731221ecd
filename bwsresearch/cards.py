"""Small tables of plain values, as text and as HTML that suits light and dark pages; no scripts."""

from collections.abc import Mapping
from html import escape

__all__ = ["html_card", "text_card"]


def text_card(title: str, lines: Mapping[str, str], note: str = "") -> str:
    """Return a title, aligned lines with their values to the right, and a note."""
    width = max((len(name) for name in lines), default=0)
    room = max((len(value) for value in lines.values()), default=0)
    rows = [f"  {name:<{width}}  {value:>{room}}" for name, value in lines.items()]
    return "\n".join([title, *rows, *([f"  ({note})"] if note else [])])


def html_card(title: str, lines: Mapping[str, str], note: str = "") -> str:
    """Return the same as a table that takes its colours from the page; everything is escaped."""
    cells = "".join(
        '<tr style="background:none"><th style="text-align:left;font-weight:normal;opacity:.7;'
        f'padding:.1em 1.2em .1em 0">{escape(name)}</th>'
        f'<td style="text-align:right;padding:.1em 0">{escape(value)}</td></tr>'
        for name, value in lines.items()
    )
    below = (
        f'<div style="opacity:.7;font-size:.85em;max-width:26em;margin-top:.5em">{escape(note)}</div>'
        if note
        else ""
    )
    return (
        '<div style="display:inline-block;border:1px solid rgba(128,128,128,.4);'
        'border-radius:6px;padding:.6em 1em">'
        f'<div style="font-weight:600;margin-bottom:.4em">{escape(title)}</div>'
        '<table style="border-collapse:collapse;color:inherit;font-variant-numeric:tabular-nums">'
        f"{cells}</table>{below}</div>"
    )
