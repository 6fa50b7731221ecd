"""Open a paper account on a market: a client's, the cache's, or a synthetic one."""

import datetime as dt
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import platformdirs

from bwsresearch.cache import default_root
from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.market import Market
from bwsresearch.exchange.opening import AccountSpec
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.exchange.trading.accounts import Commission
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.local import (
    LocalEndpoint,
    default_client,
    live_clock,
    office_of,
    recorded_market,
    running_from,
    server_of,
)
from bwsresearch.paper_account.account import Paper
from bwsresearch.paper_account.live import LiveMarket
from bwsresearch.protocol.amounts import Amount, amount

__all__ = ["paper"]

_KEY: Final = "paper".ljust(64, "0")
Clock = str | dt.datetime | Callable[[], int]
"""ISO time or datetime (UTC) that the exchange's clock runs from, or epoch milliseconds on call."""


def paper(
    balances: Mapping[str, Amount] | None = None,
    *,
    market: Literal["client", "cache", "synthetic"] = "client",
    client: Client | None = None,
    fee: Amount = "0.001",
    fees_in_bnb: bool = False,
    model: Mapping[str, Any] | None = None,
    journal: str | Path | None = None,
    clock: Clock | None = None,
    seed: int = 1,
    timeout: float = 30.0,
) -> Paper:
    """Open an account with play money, whose orders are filled in this process and recorded.

    Args:
        balances: what is there at the start; 10,000 USDT when left out. The first asset is the one
            that worth is counted in. A journal that is taken up again has its own balances.
        market: "client" watches a server's live market (depth and trades); "cache" is what the cache
            holds, at the time of `clock`; "synthetic" the market of `seed`.
        client: the server to watch; the default client when left out.
        fee: what maker and taker pay of what they receive; 0.001 is 0.1 %.
        fees_in_bnb: whether they pay in BNB, at 75 %, while there is enough.
        model: settings of the fill model, such as {"id": "trades@1"}; see the fill models.
        journal: a folder; one that holds a journal is taken up where it ended. Left out: a new one
            below BWS_DATA_DIR or the platform's place for data.
        clock: needed for "cache"; otherwise the exchange has the time that it is.
        seed: of the synthetic market, and of the ids that the exchange chooses.
        timeout: seconds to wait for each reply of a watched server.

    Raises:
        ValueError: for a market, balance, fee, model or clock that cannot be meant.
        CacheError: when the cache holds nothing.
        JournalError: when the journal cannot be written, or leads to no state.
    """
    given = dict(balances or {"USDT": 10_000})
    if not given:
        raise ValueError("balances is empty, give at least one such as {'USDT': 10_000}")
    source = (client or default_client()) if market == "client" else None
    chosen, now = _market(market, source, clock, seed)
    config = Config.of({"model": dict(model or {}), "seed": seed})
    rate = units(amount(fee, "fee"))
    account = AccountSpec(
        "paper",
        {asset.upper(): _positive(asset, value) for asset, value in given.items()},
        Commission(maker=rate, taker=rate, in_bnb=fees_in_bnb),
        [ApiKey(_KEY, "paper", None)],
    )
    folder = Path(journal) if journal is not None else _folder()
    office = office_of(
        chosen, [account], config, clock=now, journal=folder, is_fed=market != "client"
    )
    endpoint = LocalEndpoint(Gateway(chosen, config, office), now, _KEY)
    return Paper(
        endpoint,
        office,
        quote=next(iter(given)).upper(),
        journal=folder,
        source=source,
        timeout=timeout,
    )


def _market(
    market: str, source: Client | None, clock: Clock | None, seed: int
) -> tuple[Market, Callable[[], int]]:
    if source is not None:
        if clock is not None:
            raise ValueError(f"clock is {clock!r}, but a client's market has its server's time")
        name = source.aio.bridge.run(server_of(source.aio))
        return LiveMarket(name), source.server_clock()
    now = live_clock if clock is None else _clock(clock)
    if market == "synthetic":
        return SyntheticMarket(seed), now
    if market != "cache":
        raise ValueError(f"market is {market!r}, must be 'client', 'cache' or 'synthetic'")
    if clock is None:
        raise ValueError("market='cache' needs clock=, such as clock='2024-01-31T12:00'")
    return recorded_market(default_root()), now


def _clock(clock: Clock) -> Callable[[], int]:
    if callable(clock):
        return clock
    try:
        start = clock if isinstance(clock, dt.datetime) else dt.datetime.fromisoformat(clock)
    except ValueError:
        raise ValueError(f"clock is {clock!r}, must be an ISO time such as '2024-01-31'") from None
    return running_from(start if start.tzinfo else start.replace(tzinfo=dt.UTC))


def _positive(asset: str, value: Amount) -> int:
    number = amount(value, f"balance of {asset}")
    if number < 0:
        raise ValueError(f"balance of {asset} is {value}, must be 0 or more")
    return units(number)


def _folder() -> Path:
    root = os.environ.get("BWS_DATA_DIR") or platformdirs.user_data_path("bwsresearch")
    return Path(root).expanduser() / "paper" / f"{time.time_ns():019d}"
