"""Open the trading of a market: accounts and their keys, venues and their fill models, a journal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import msgspec

from bwsresearch.exchange.config import Config
from bwsresearch.exchange.desk import Desk
from bwsresearch.exchange.feed import Feed
from bwsresearch.exchange.fills import fill_model
from bwsresearch.exchange.journal import Journal
from bwsresearch.exchange.keyring import ApiKey, Keyring
from bwsresearch.exchange.market import Market
from bwsresearch.exchange.office import Office
from bwsresearch.exchange.trading.accounts import Account, Commission
from bwsresearch.exchange.trading.amounts import UNIT, units
from bwsresearch.exchange.trading.engine import Engine
from bwsresearch.exchange.trading.filters import Filters
from bwsresearch.exchange.trading.venues import Venue
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["AccountSpec", "empty", "facts", "opened"]


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """An account as it is opened: what it has (in units), what it pays, and the keys to it."""

    name: str
    balances: Mapping[str, int] = field(default_factory=dict)
    commission: Commission = field(default_factory=Commission)
    keys: Sequence[ApiKey] = ()


def opened(
    market: Market,
    accounts: Sequence[AccountSpec],
    config: Config,
    *,
    now_ms: int,
    journal: Journal | None = None,
    salt: str = "",
    is_fed: bool = True,
) -> Office:
    """Return the back office of a market, with its first record written.

    `is_fed` False is for a market that cannot be asked: what there is to see comes by `observe`.

    Raises:
        ValueError: when an account or a key is named twice.
    """
    office = empty(market if is_fed else None, market.symbols.values(), config, salt)
    office.journal = journal
    engine, keyring = office.engine, office.keyring
    if journal is not None:
        journal.model = office.model_of
        journal.add("open", now_ms, facts(market, accounts, config, salt))
        journal.commit()
    for number, spec in enumerate(accounts, 1):
        if spec.name in engine.accounts:
            raise ValueError(f"account {spec.name} is there twice; give each a name of its own")
        engine.accounts[spec.name] = Account(spec.name, spec.commission, uid=number)
        for api_key in spec.keys:
            keyring.add(api_key)
        for asset, amount in spec.balances.items():
            office.deposit(spec.name, asset, amount, now_ms)
    return office


def empty(
    market: Market | None, symbols: Iterable[SymbolInfo], config: Config, salt: str
) -> Office:
    """Return an office without accounts; without a market, it must be told what there is to see."""
    recorded = {} if market is None else market.recorded

    def venue(info: SymbolInfo) -> Venue:
        tick, step = units(info.tick_size), Filters.of(info).step
        known = recorded.get(info.symbol)
        return Venue(info, fill_model(config.model, tick=tick, step=step, recorded=known))

    engine = Engine({info.symbol: venue(info) for info in symbols}, {}, seed=config.seed)
    limits = config.limits
    return Office(
        Desk(engine, None if market is None else Feed(market, engine)),
        venue,
        Keyring(is_strict=config.auth.strict_signatures),
        salt=salt,
        orders_10s=limits.orders_10s,
        orders_day=limits.orders_day,
        maker_decrement=limits.maker_decrement,
        entry_ms=config.model.entry_latency_ms,
        model=config.model.id,
    )


def facts(
    market: Market, accounts: Sequence[AccountSpec], config: Config, salt: str
) -> dict[str, Any]:
    """Return what determines a run, for the first record of its journal; nothing secret."""
    return {
        "version": version("bwsresearch"),
        "market": market.identity,
        "config": asdict(config),
        "salt": salt,
        "unit": UNIT,
        "accounts": [
            {
                "name": spec.name,
                "commission": asdict(spec.commission),
                "keyIds": [one.name(salt) for one in spec.keys],
            }
            for spec in accounts
        ],
        "symbols": [msgspec.to_builtins(info) for info in market.symbols.values()],
    }
