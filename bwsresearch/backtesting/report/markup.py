"""Pieces of the page out of plain values: everything in them is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TypeAlias

import pandas as pd

__all__ = ["Columns", "cards", "facts", "folded", "section", "table", "whens"]

Columns: TypeAlias = Mapping[str, Sequence[str]]
"""The cells of a table by the names of its columns."""


def cards(lines: Mapping[str, str]) -> str:
    """Return values as cards, each with its name."""
    inner = "".join(
        f"<div><span>{escape(name)}</span>{escape(value)}</div>" for name, value in lines.items()
    )
    return f'<div class="cards">{inner}</div>'


def table(columns: Columns, classes: Columns | None = None) -> str:
    """Return rows of cells; `classes` names the class of each cell of a column."""
    kinds = classes or {}
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    cells = [
        [
            f'<td class="{kind}">{escape(value)}</td>' if kind else f"<td>{escape(value)}</td>"
            for value, kind in zip(values, kinds.get(name, [""] * len(values)), strict=True)
        ]
        for name, values in columns.items()
    ]
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*cells, strict=True))
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def facts(lines: Mapping[str, str], kind: str = "facts") -> str:
    """Return names and what they are, one below the other."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in lines.items()
    )
    return f'<table class="{kind}">{rows}</table>'


def section(title: str, *parts: str) -> str:
    """Return parts of the page under a title."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def folded(title: str, *parts: str) -> str:
    """Return parts of the page that open at a click on their title."""
    return f"<details><summary><h2>{escape(title)}</h2></summary>{''.join(parts)}</details>"


def whens(times: pd.DatetimeIndex, none: str = "open") -> list[str]:
    """Return times to the minute, to the second where one of them needs it; `none` for NaT."""
    is_fine = bool((times.dropna().second != 0).any())
    texts = times.strftime("%Y-%m-%d %H:%M:%S" if is_fine else "%Y-%m-%d %H:%M")
    return [none if pd.isna(text) else str(text) for text in texts]
