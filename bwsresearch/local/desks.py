"""The trading of a local exchange with its journal: opened anew, or taken up where it ended."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bwsresearch.exchange.config import Config
from bwsresearch.exchange.journal import Journal, Record
from bwsresearch.exchange.market import Market
from bwsresearch.exchange.office import Office
from bwsresearch.exchange.opening import AccountSpec, opened
from bwsresearch.exchange.recovery import Disagreement, replayed, resumed
from bwsresearch.journals import JournalError, JournalFile, read
from bwsresearch.journals.files import Fsync

__all__ = ["office_of"]


def office_of(
    market: Market,
    accounts: Sequence[AccountSpec],
    config: Config,
    *,
    clock: Callable[[], int],
    journal: Path | None = None,
    fsync: Fsync = "group",
    is_fed: bool = True,
) -> Office:
    """Return the back office of a market, which records into the folder `journal`.

    What the folder holds already is played again first, and its torn last line put aside: the
    exchange goes on with the state that it had, and `accounts` give the keys alone. `is_fed` False is
    for a market that cannot be asked.

    Raises:
        JournalError: when the folder cannot be used, or what it holds does not lead anywhere.
        ValueError: when accounts are named twice, or the journal is of another market.
    """
    if journal is None:
        return opened(market, accounts, config, now_ms=clock(), salt=_salt(), is_fed=is_fed)
    past = _past(journal)
    file = JournalFile(journal, _run(), fsync=fsync)
    if not past:
        return opened(
            market,
            accounts,
            config,
            now_ms=clock(),
            journal=Journal(file.write, file.close),
            salt=_salt(),
            is_fed=is_fed,
        )
    try:
        office = replayed(past, market if is_fed else None)
    except Disagreement as error:
        file.close()
        raise JournalError(f"{journal}: {error}; move it away to begin anew") from error
    last = past[-1]
    record = Journal(file.write, file.close, config.model.id, seq=last["seq"], crc=last["crc"])
    resumed(office, record, [key for one in accounts for key in one.keys], clock())
    return office


def _past(journal: Path) -> list[Record]:
    if not any(journal.glob("journal-*.jsonl")):
        return []
    reading = read(journal)
    reading.mend()
    return reading.records


def _run() -> str:
    """Return a name for this run that sorts behind all earlier ones."""
    return f"{time.time_ns():019d}"


def _salt() -> str:
    return f"{time.time_ns():x}"
