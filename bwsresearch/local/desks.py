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
from bwsresearch.journals import JournalError, JournalFile, taken_up
from bwsresearch.journals.files import Fsync
from bwsresearch.local.process import Onward, Standing

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
    salt: str | None = None,
) -> Office:
    """Return the back office of a market, which records into the folder `journal`.

    What the folder holds already is played again first, and its torn last line put aside: the
    exchange goes on with the state, the settings and the clock (an `Onward` or a `Standing`) that it had, and
    `accounts` give the keys alone. `is_fed` False is for a market that cannot be asked. `salt` hides
    keys in the journal; a random one when left out.

    Raises:
        JournalError: when the folder cannot be used, or what it holds does not lead anywhere.
        ValueError: when accounts are named twice, or the journal is of another market.
    """
    salt = salt or f"{time.time_ns():x}"
    if journal is None:
        return opened(market, accounts, config, now_ms=clock(), salt=salt, is_fed=is_fed)
    file, past = taken_up(journal, fsync=fsync)
    try:
        if past:
            return _resumed(market, accounts, clock, file, past, is_fed=is_fed)
        return opened(
            market,
            accounts,
            config,
            now_ms=clock(),
            journal=Journal(file.write, file.close),
            salt=salt,
            is_fed=is_fed,
        )
    except BaseException:
        file.close()
        raise


def _resumed(
    market: Market,
    accounts: Sequence[AccountSpec],
    clock: Callable[[], int],
    file: JournalFile,
    past: Sequence[Record],
    *,
    is_fed: bool,
) -> Office:
    begun, last = past[0], past[-1]
    if begun["k"] == "open" and begun["market"] != market.identity:
        raise ValueError(
            f"the journal in {file.folder} was written on {begun['market']}, "
            f"not on {market.identity}; take it up on the same market"
        )
    try:
        office = replayed(past, market if is_fed else None)
    except (Disagreement, ValueError) as error:
        raise JournalError(f"{file.folder}: {error}; move it away to begin anew") from error
    strange = [one.name for one in accounts if one.name not in office.engine.accounts]
    if strange:
        raise ValueError(
            f"account {strange[0]} is not in the journal in {file.folder}; begin another journal"
        )
    if isinstance(clock, Onward):
        clock.go_on_from(last["t"] // 1_000_000)
    elif isinstance(clock, Standing):
        clock.to(last["t"] // 1_000_000)
    record = Journal(file.write, file.close, office.model_of, seq=last["seq"])
    resumed(office, record, [key for one in accounts for key in one.keys], clock())
    return office
