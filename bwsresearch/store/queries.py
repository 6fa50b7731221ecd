"""The cached files as tables of other engines: a lazy frame for Polars, views for DuckDB.

The files are read as they lie, without a copy. Columns are those of the kind, and symbol and interval
from the names of the folders, in the exchange's own words.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from bwsresearch import tables
from bwsresearch.enums import Interval
from bwsresearch.errors import CacheError
from bwsresearch.store.upkeep import check_interval_and_kind, series
from bwsresearch.tables import SCHEMAS

if TYPE_CHECKING:
    import duckdb
    import polars as pl

__all__ = ["query", "scan"]

_PRODUCTION: Final = "production"
_CURE: Final = "is not installed; pip install 'bwsresearch[query]'"


@dataclass(frozen=True)
class _Part:
    """Files of one kind whose folders have the same names; `interval` where those say another word.

    Bars of a month lie in "interval=1mo", since some file systems hold 1M and 1m for one name.
    """

    levels: tuple[str, ...]
    interval: Interval | None
    files: list[Path]

    @property
    def hidden(self) -> tuple[str, ...]:
        """The levels that are no columns: how rows are spread over files is nobody's business."""
        unit = self.levels[-1]
        return (unit,) if self.interval is None else (unit, "interval")


def scan(
    root: Path,
    kind: str,
    *,
    symbol: str | None = None,
    interval: str | None = None,
    server: str | None = None,
) -> "pl.LazyFrame":
    """Return the rows of one kind of one server as a lazy frame.

    Raises:
        ImportError: when Polars is not installed.
        ValueError: for what cannot be a kind or an interval, or a server that is not cached or needed.
        CacheError: when nothing of it is cached.
    """
    try:
        import polars as pl  # noqa: PLC0415 - heavy, and not needed otherwise
    except ImportError:
        raise ImportError(f"polars {_CURE}") from None
    check_interval_and_kind(interval, kind)
    found = _parts(root, server, symbol, interval).get(kind)
    if not found:
        what = " ".join(filter(None, (kind, "of", symbol or "any symbol", interval)))
        raise CacheError(f"no {what} are cached in {root}; pull or import them first")
    types = pl.DataFrame(tables.arrow_schema(SCHEMAS[kind]).empty_table()).schema
    return pl.concat([_lazy(part, types) for part in found], how="diagonal")


def _lazy(part: _Part, types: "pl.Schema") -> "pl.LazyFrame":
    import polars as pl  # noqa: PLC0415

    names = pl.scan_parquet(
        part.files,
        schema=dict(types),
        glob=False,
        hive_partitioning=True,
        hive_schema=dict.fromkeys(part.levels, pl.String),
    ).drop(part.hidden)
    return names if part.interval is None else names.with_columns(interval=pl.lit(part.interval))


def query(root: Path, text: str, *, server: str | None = None) -> pd.DataFrame:
    """Return the answer of DuckDB to one statement over the views of one server.

    Raises:
        ImportError: when DuckDB is not installed.
        ValueError: for a server that is not cached, or is needed.
        CacheError: when nothing is cached.
        duckdb.Error: what DuckDB has to say to the statement.
    """
    try:
        import duckdb  # noqa: PLC0415 - heavy, and not needed otherwise
    except ImportError:
        raise ImportError(f"duckdb {_CURE}") from None
    kinds = _parts(root, server)
    # Names of the statement are those of the views, never variables of whoever calls.
    with duckdb.connect(config={"python_enable_replacements": "false"}) as session:
        session.execute("SET TimeZone = 'UTC'")
        for kind, parts in kinds.items():
            session.execute(
                f"CREATE VIEW {kind} AS {' UNION ALL BY NAME '.join(map(_view, parts))}"
            )
        return _answer(session.execute(text))


def _answer(session: "duckdb.DuckDBPyConnection") -> pd.DataFrame:
    """Return what was selected, times in UTC in the unit that all frames have."""
    found = session.df()
    for name, dtype in found.dtypes.items():
        if isinstance(dtype, pd.DatetimeTZDtype):
            found[name] = found[name].astype("datetime64[us, UTC]")
    return found


def _view(part: _Part) -> str:
    files = ", ".join(map(_quoted, part.files))
    types = ", ".join(f"{_name(level)}: VARCHAR" for level in part.levels)
    extra = "" if part.interval is None else f", '{part.interval}' AS interval"
    hidden = ", ".join(map(_name, part.hidden))
    source = f"read_parquet([{files}], hive_partitioning = true, hive_types = {{{types}}})"
    return f"SELECT * EXCLUDE ({hidden}){extra} FROM {source}"  # noqa: S608 - quoted, or our own


def _name(level: str) -> str:
    """Return a name as SQL takes it; some are words of the language."""
    return f'"{level}"'


def _quoted(path: Path) -> str:
    """Return a path as a literal that DuckDB takes for this very file, not for a pattern."""
    plain = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
    return "'" + plain.replace("'", "''") + "'"


def _parts(
    root: Path, server: str | None, symbol: str | None = None, interval: str | None = None
) -> dict[str, list[_Part]]:
    """Return the files of every kind, those together whose folders have the same levels."""
    held = list(series(root))
    if not held:
        raise CacheError(f"nothing is cached in {root}; pull or import something first")
    chosen = _chosen(server, sorted({place.server for place, _ in held}), root)
    groups: dict[tuple[str, tuple[str, ...], Interval | None], list[Path]] = defaultdict(list)
    for place, files in held:
        if place.server != chosen or symbol not in (None, place.symbol):
            continue
        if interval not in (None, place.interval):
            continue
        levels = ("symbol", *(("interval",) if place.interval else ()), place.unit)
        renamed: Interval | None = "1M" if place.interval == "1M" else None
        groups[place.kind, levels, renamed].extend(files)
    found: dict[str, list[_Part]] = defaultdict(list)
    for (kind, levels, renamed), files in groups.items():
        found[kind].append(_Part(levels, renamed, files))
    return found


def _chosen(server: str | None, held: Sequence[str], root: Path) -> str:
    """Return whose rows are meant: production's, or the only ones that are there."""
    if server is not None:
        if server not in held:
            raise ValueError(
                f"server is {server!r}, of which nothing is cached; there is {', '.join(held)}"
            )
        return server
    if _PRODUCTION in held:
        return _PRODUCTION
    if len(held) > 1:
        raise ValueError(f"{root} holds rows of {', '.join(held)}; name one as server=")
    return held[0]
