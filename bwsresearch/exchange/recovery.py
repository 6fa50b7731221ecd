"""A journal played again: the same requests at the same times make the same state.

The first record says how the exchange was opened; requests, deposits and market events are its inputs,
and everything else follows from them. What follows is compared with what was recorded.
"""

from collections.abc import Iterable

import msgspec

from bwsresearch.exchange.config import Config
from bwsresearch.exchange.journal import Journal, Record
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.market import Market
from bwsresearch.exchange.office import Office, Outcome
from bwsresearch.exchange.opening import empty
from bwsresearch.exchange.trading.accounts import Account, Commission
from bwsresearch.exchange.trading.sightings import from_plain
from bwsresearch.protocol.messages import ErrorBody
from bwsresearch.protocol.results import SymbolInfo

__all__ = ["Disagreement", "replayed"]


class Disagreement(Exception):
    """A request that is played again does not end as it is recorded."""


def replayed(records: Iterable[Record], market: Market | None) -> Office:
    """Return the back office that a journal leads to; a request without reply is carried out too.

    `market` is what the journal was written on; it is not needed where every market event is recorded.

    Raises:
        Disagreement: naming the record and what differs.
        ValueError: when the journal does not begin with how it was opened, or is of another market.
    """
    office: Office | None = None
    open_request: tuple[Record, Outcome] | None = None
    for record in records:
        kind = record["k"]
        if kind == "open":
            office = office or _opened(record, market)
            continue
        if office is None:
            raise ValueError(f"the journal begins with {kind!r}, must begin with 'open'")
        if kind == "req" and not record.get("refused"):
            open_request = record, office.again(record)
        elif kind == "res" and open_request is not None:
            _compare(record, *open_request)
            open_request = None
        else:
            _applied(office, record)
    if office is None:
        raise ValueError("the journal is empty; it must begin with 'open'")
    return office


def _applied(office: Office, record: Record) -> None:
    """Let an office have an input that is no request; what follows from inputs is passed over."""
    now_ms = record["t"] // 1_000_000
    match record["k"]:
        case "deposit":
            office.deposit(record["account"], record["asset"], record["units"], now_ms)
        case "mkt":
            office.observe(from_plain(record["events"]), now_ms)
        case "look":
            for symbol in record["symbols"]:
                office.look(symbol, now_ms)
        case "list":
            office.list_symbol(msgspec.convert(record["symbol"], SymbolInfo), now_ms)
        case "snap" if record["hash"] != office.state_hash():
            raise Disagreement(f"record {record['seq']}: the state is another than was recorded")


def _opened(record: Record, market: Market | None) -> Office:
    if market is not None and market.identity != record["market"]:
        raise ValueError(
            f"the journal was written on {record['market']}, not on {market.identity}; "
            "serve the same market"
        )
    config = msgspec.convert(record["config"], Config)
    symbols = [msgspec.convert(row, SymbolInfo) for row in record["symbols"]]
    office = empty(market, symbols, config, record["salt"])
    for number, spec in enumerate(record["accounts"], 1):
        commission = msgspec.convert(spec["commission"], Commission)
        office.engine.accounts[spec["name"]] = Account(spec["name"], commission, uid=number)
    return office


def _compare(reply: Record, request: Record, outcome: Outcome) -> None:
    found = (
        (outcome.status, outcome.body.code, outcome.body.msg)
        if isinstance(outcome.body, ErrorBody)
        else (outcome.status, msgspec.json.decode(outcome.body))
    )
    told = (
        (reply["status"], reply["code"], reply["msg"])
        if "code" in reply
        else (reply["status"], reply.get("body"))
    )
    if found != told:
        raise Disagreement(
            f"record {request['seq']}, {request['method']}: ends as {found}, was recorded as {told}"
        )


def resumed(office: Office, journal: Journal, keys: Iterable[ApiKey], now_ms: int) -> None:
    """Let a recovered office go on: with the keys, which no journal has, and recording again."""
    for key in keys:
        office.keyring.add(key)
    office.journal = journal
    journal.add("note", now_ms, {"text": "recovered", "hash": office.state_hash()})
    journal.commit()
