"""Open a paper account on a market: a client's, the cache's, or a synthetic one."""

import datetime as dt
import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import platformdirs

from bwsresearch.backtesting.rules import Rules
from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.market import Market
from bwsresearch.exchange.office import Office
from bwsresearch.exchange.opening import AccountSpec
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.exchange.trading.accounts import Commission
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.journals import JournalError
from bwsresearch.local import (
    LocalEndpoint,
    Onward,
    default_client,
    live_clock,
    office_of,
    recorded_market,
    running_from,
    server_of,
)
from bwsresearch.paper_account.account import Paper
from bwsresearch.paper_account.live import LiveMarket, ServerClock
from bwsresearch.paper_account.running import KEY, SALT, RunningPaper
from bwsresearch.paper_account.standing import balances_of
from bwsresearch.paper_account.watched import Source
from bwsresearch.protocol.amounts import Amount, amount
from bwsresearch.store import default_root

__all__ = ["paper"]

_FEE: Final = "0.001"
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

MarketName: TypeAlias = Literal["client", "cache", "synthetic"]
Clock: TypeAlias = str | dt.datetime | Callable[[], int | dt.datetime]
"""ISO time or datetime that the exchange's clock runs from, or what tells its time: epoch ms, datetime.

Times without a zone are UTC.
"""


@dataclass(frozen=True)
class _Venue:
    """Where an account trades: the market, its time, and how it is called."""

    market: Market
    now: Onward
    name: str
    title: str
    source: Source | None = None


def paper(
    balances: Mapping[str, Amount] | None = None,
    *,
    rules: Rules | Mapping[str, Rules] | None = None,
    market: MarketName | None = None,
    client: Client | None = None,
    server: str | None = None,
    fee: Amount | None = None,
    fees_in_bnb: bool | None = None,
    model: Mapping[str, Any] | None = None,
    journal: str | Path | None = None,
    clock: Clock | None = None,
    seed: int = 1,
    timeout: float = 30.0,
) -> Paper:
    """Open an account with play money, whose orders are filled in this process and recorded.

    Args:
        balances: what is there at the start; 10,000 USDT when left out. The first asset is the one
            that worth is counted in.
        rules: how orders fill and what they pay, as in `bws.backtest`. The market of such an account
            is the klines that `paper.run(klines, strategy)` gets; no other argument says anything of
            market, time, fees or model then.
        market: "client" (without rules) watches a server's live market (depth and trades); "cache" is what the cache
            holds, at the time of `clock`; "synthetic" the market of `seed`.
        client: the server to watch; the default client when left out.
        server: whose rows of the cache; production's, or the only ones, when left out.
        fee: what maker and taker pay of what they receive; 0.001 is 0.1 %, and counts when left out.
        fees_in_bnb: whether they pay in BNB, at 75 %, while there is enough.
        model: settings of the fill model, such as {"id": "trades@1"}. Left out: depth+trades@1, but
            for a symbol of the cache what was recorded of it decides: trades@1 without its books, or
            klines@1 of bars alone, where an order at market trades at the next bar's open.
        journal: a folder; one that holds a journal is taken up where it ended, with the balances, the
            fees and the model that it has. Left out: a new one below BWS_DATA_DIR, or the platform's
            place for data.
        clock: the time at which the exchange's clock starts, or a function that tells the time;
            needed for "cache", otherwise it is now. A client's market has its server's.
        seed: of the synthetic market, and of the ids that the exchange chooses.
        timeout: seconds to wait for each reply of a watched server.

    Raises:
        ValueError: for a market, balance, fee, model or clock that cannot be meant.
        CacheError: when the cache holds nothing.
        JournalError: when the journal cannot be written, or leads to no state.
    """
    __tracebackhide__ = True
    given = balances_of({"USDT": 10_000} if balances is None else balances)
    if rules is not None:
        _alone(market, client, server, clock, fee, fees_in_bnb, model)
        return RunningPaper(given, rules, partial(_run_folder, journal), seed=seed, timeout=timeout)
    market = market or "client"
    rate = _rate(_FEE if fee is None else fee)
    _meant(market, client, server, clock)
    venue = _venue(market, client, server, clock, seed, timeout)
    config = Config.of({"model": model or {}, "seed": seed})
    _possible(market, config.model.id)
    commission = Commission(maker=rate, taker=rate, in_bnb=bool(fees_in_bnb))
    account = AccountSpec("paper", given, commission, [ApiKey(KEY, "paper", None)])
    folder = _journal(journal, venue.name, venue.now())
    office = office_of(
        venue.market,
        [account],
        config,
        clock=venue.now,
        journal=folder,
        is_fed=venue.source is None,
        salt=SALT,
    )
    try:
        _as_recorded(office, folder, None if model is None else config.model.id, fee, fees_in_bnb)
        endpoint = LocalEndpoint(Gateway(venue.market, config, office), venue.now, KEY)
        return Paper(
            endpoint,
            office,
            title=venue.title,
            journal=folder,
            source=venue.source,
            timeout=timeout,
        )
    except BaseException:
        office.close()
        raise


def _rate(fee: Amount) -> int:
    number = amount(fee, "fee")
    if not 0 <= number < 1:
        raise ValueError(f"fee is {fee}, must be 0 or more and below 1; 0.001 is 0.1 %")
    return units(round(number, 8))


def _alone(*others: object) -> None:
    """Raise ValueError for arguments that rules leave nothing to say."""
    names = ("market", "client", "server", "clock", "fee", "fees_in_bnb", "model")
    given = [name for name, value in zip(names, others, strict=True) if value is not None]
    if given:
        raise ValueError(
            f"{', '.join(given)} beside rules; an account with rules runs over the klines that "
            "paper.run gets, and the rules say all the rest"
        )


def _meant(market: str, client: Client | None, server: str | None, clock: Clock | None) -> None:
    """Raise ValueError for a market that is none, and for what it has no use for."""
    if market not in ("client", "cache", "synthetic"):
        raise ValueError(f"market is {market!r}, must be 'client', 'cache' or 'synthetic'")
    if client is not None and market != "client":
        raise ValueError(f"client is {client!r}, but market={market!r} watches no server")
    if server is not None and market != "cache":
        raise ValueError(f"server is {server!r}, but market={market!r} is not of the cache")
    if clock is not None and market == "client":
        raise ValueError(f"clock is {clock!r}, but a client's market has its server's time")
    if clock is None and market == "cache":
        raise ValueError("market='cache' needs clock=, such as clock='2024-01-31T12:00'")


def _venue(
    market: MarketName,
    client: Client | None,
    server: str | None,
    clock: Clock | None,
    seed: int,
    timeout: float,
) -> _Venue:
    if market == "client":
        source = client or default_client()
        if not isinstance(source, Client):
            raise TypeError(f"client is {client!r}, must be what bws.connect(…) returned")
        return source.aio.bridge.run(_watched(source, timeout))
    now = _clock(live_clock if clock is None else clock)
    if market == "synthetic":
        title = f"Paper account on the synthetic market {seed}"
        return _Venue(SyntheticMarket(seed), now, f"synthetic-{seed}", title)
    recorded = recorded_market(default_root(), server)
    has_trades = any("trades" in kinds for kinds in recorded.recorded.values())
    title = "Paper account on recorded " + ("trades" if has_trades else "bars")
    return _Venue(recorded, now, "cache", title)


async def _watched(source: Client, timeout: float) -> _Venue:
    name = await server_of(source.aio)
    clock = ServerClock(source.aio, timeout)
    await clock.learn()
    title = f"Paper account on {name}, live"
    watched = Source(source.aio, clock)
    return _Venue(LiveMarket(name), Onward(clock), name, title, watched)


def _possible(market: MarketName, model: str) -> None:
    if market == "client" and model == "klines@1":
        raise ValueError("model is klines@1, but a client's market is watched trade by trade")


def _as_recorded(
    office: Office, folder: Path, model: str | None, fee: Amount | None, in_bnb: bool | None
) -> None:
    """Raise ValueError when a journal that was taken up has other settings than those given."""
    has = office.engine.accounts["paper"].commission
    if model is not None and model != office.model:
        raise ValueError(
            f"model is {model}, but the journal in {folder} was begun with {office.model}"
        )
    if fee is not None and _rate(fee) != has.taker:
        raise ValueError(f"fee is {fee}, but the journal in {folder} was begun with another")
    if in_bnb is not None and in_bnb != has.in_bnb:
        raise ValueError(
            f"fees_in_bnb is {in_bnb}, but the journal in {folder} was begun with {has.in_bnb}"
        )


def _clock(clock: Clock) -> Onward:
    if callable(clock):
        return Onward(lambda: _millis(clock()))
    try:
        start = clock if isinstance(clock, dt.datetime) else dt.datetime.fromisoformat(clock)
    except (ValueError, TypeError):
        raise ValueError(f"clock is {clock!r}, must be an ISO time such as '2024-01-31'") from None
    return running_from(_in_utc(start))


def _millis(told: int | dt.datetime) -> int:
    """Return a time as epoch ms."""
    if not isinstance(told, dt.datetime):
        return int(told)
    return (_in_utc(told) - _EPOCH) // dt.timedelta(milliseconds=1)


def _in_utc(time: dt.datetime) -> dt.datetime:
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def _run_folder(journal: str | Path | None, begun_ms: int) -> Path:
    return _journal(journal, "run", begun_ms)


def _journal(journal: str | Path | None, name: str, begun_ms: int) -> Path:
    """Return the folder of a journal: the one that is wanted, or a new one."""
    if journal is not None:
        return Path(journal).expanduser().absolute()
    return _folder(name, begun_ms)


def _folder(market: str, begun_ms: int) -> Path:
    """Return a new folder, called after the exchange's time and market."""
    root = Path(os.environ.get("BWS_DATA_DIR") or platformdirs.user_data_path("bwsresearch"))
    begun = _EPOCH + dt.timedelta(milliseconds=begun_ms)
    name = f"{begun:%Y%m%dT%H%M%S}-{market}"
    for number in itertools.count(1):
        folder = (
            root.expanduser().absolute() / "paper" / (name if number == 1 else f"{name}-{number}")
        )
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise JournalError(
                f"{folder} cannot be made ({error.strerror}); give journal="
            ) from error
        return folder
    raise AssertionError("counting does not end")
