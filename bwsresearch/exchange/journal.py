"""The journal: every request that may change something and all that it changed, line by line.

One JSON object per line: version `v`, number `seq` without gaps, kind `k`, engine time `t` in
nanoseconds, what the kind holds, and last `crc`, the CRC-32 of the line without it. The lines of a
request are handed on together, before its reply leaves. Nothing secret is ever among them.

Kinds: `open` (what determines the run), `req`, `res`, `order`, `fill`, `bal`, `evt`, `mkt` (what was
seen of a live market), `look` (up to when a market was seen that can be asked again), `mark` (last
prices after either), `list` (one more symbol), `deposit`, `snap` (a hash of the state), `note`,
`close` (of a clean end).
"""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from bwsresearch.exchange.rows import decimal
from bwsresearch.exchange.trading.events import events
from bwsresearch.exchange.trading.replies import order_row
from bwsresearch.exchange.trading.steps import Report, Step
from bwsresearch.protocol.messages import ErrorBody
from bwsresearch.protocol.params import Raw, sent_text
from bwsresearch.protocol.session import Call

__all__ = [
    "VERSION",
    "Damaged",
    "Journal",
    "Record",
    "answer_of",
    "asked_of",
    "checked",
    "decoded",
    "parsed",
]

VERSION: Final = 1
_SECRETS: Final = frozenset({"apiKey", "signature"})

Record: TypeAlias = dict[str, Any]
Body: TypeAlias = dict[str, object]


class Damaged(ValueError):
    """A line is cut off, or is not what was written."""


_encode: Final = msgspec.json.Encoder().encode


def _nothing() -> None:
    """Close what needs no closing."""


def _own_orders(symbol: str) -> str:
    """Return the fill model of a symbol whose orders meet each other alone."""
    del symbol
    return "self@1"


@dataclass(slots=True)
class Journal:
    """Makes records and hands them on; `close` ends the place where they go.

    `write` takes whole lines and returns when they are safe from the death of this process; what it
    raises stops the exchange, since nothing may be traded that is not recorded. `model` tells a
    symbol's fill model.
    """

    write: Callable[[bytes], None]
    close: Callable[[], None] = _nothing
    model: Callable[[str], str] = _own_orders
    seq: int = 0
    last_ms: int = 0
    _lines: list[bytes] = field(default_factory=list)

    def add(self, kind: str, now_ms: int, body: Body) -> int:
        """Add a record to those that are handed on next, and return its number."""
        self.seq += 1
        self.last_ms = now_ms
        head = {"v": VERSION, "seq": self.seq, "k": kind, "t": now_ms * 1_000_000}
        text = _encode(head | body)
        self._lines.append(b'%b,"crc":"%08x"}\n' % (text[:-1], zlib.crc32(text)))
        return self.seq

    def step(self, step: Step, cause: int) -> None:
        """Add what a step did; `cause` is the number of the request or event behind it."""
        now_ms = step.now_ms
        owners = dict.fromkeys([r.order.owner for r in step.reports])
        for report in step.reports:
            self.add("order", now_ms, _order(report, cause))
            if report.execution == "TRADE":
                self.add("fill", now_ms, _fill(report, self.model(report.order.symbol)))
        for (name, asset), account in step.touched.items():
            free, locked = account.free[asset], account.locked[asset]
            body = {
                "account": name,
                "asset": asset,
                "free": decimal(free),
                "locked": decimal(locked),
            }
            self.add("bal", now_ms, {**body, "cause": cause})
        for owner in owners:
            for event in events(step, owner):
                self.add("evt", now_ms, {"account": owner, "body": event, "cause": cause})

    def commit(self) -> None:
        """Hand on what was added."""
        if self._lines:
            lines, self._lines = self._lines, []
            self.write(b"".join(lines))


def asked_of(call: Call, account: str, key_id: str, factor: int) -> Body:
    """Return a request as it is recorded: everything verbatim but what is secret."""
    return {
        "reqId": call.id_text.decode(),
        "account": account,
        "keyId": key_id,
        "factor": factor,
        "method": call.method,
        "params": {n: _plain(value) for n, value in call.params if n not in _SECRETS},
    }


def _plain(value: Raw) -> object:
    """Return a parameter as it is recorded: numbers as the text they were sent as."""
    return value if isinstance(value, bool) or value is None else sent_text(value)


def answer_of(number: int, status: int, body: bytes | ErrorBody, orders: Sequence[int]) -> Body:
    """Return the answer to a request as it is recorded, with the orders that it changed."""
    told: Body = {"of": number, "status": status}
    if isinstance(body, ErrorBody):
        told |= {"code": body.code, "msg": body.msg}
        if body.data is not None:
            told["data"] = body.data
    else:
        told["body"] = msgspec.Raw(body)
    return told | {"orderIds": list(dict.fromkeys(orders))}


def _order(report: Report, cause: int) -> Body:
    """Return an order as it was right after a transition."""
    return {
        "account": report.order.owner,
        "execution": report.execution,
        "cause": report.cause,
        "of": cause,
        "executionId": report.execution_id,
        "order": order_row(report.order, at=report),
    }


def _fill(report: Report, model: str) -> Body:
    fill, order = report.fill, report.order
    body: dict[str, object] = {
        "account": order.owner,
        "symbol": order.symbol,
        "orderId": order.order_id,
        "tradeId": fill.trade_id,
        "side": "BUY" if order.is_buy else "SELL",
        "px": decimal(fill.price),
        "qty": decimal(fill.qty),
        "quote": decimal(fill.quote),
        "role": "MAKER" if fill.is_maker else "TAKER",
        "fee": decimal(fill.commission),
        "feeAsset": fill.commission_asset,
        "model": model,
    }
    evidence = fill.evidence
    if evidence is not None:
        body["evidence"] = {
            "kind": evidence.kind,
            "ref": evidence.ref,
            "time": evidence.time,
            "px": decimal(evidence.price),
            "avail": decimal(evidence.available),
            "used": decimal(fill.qty),
            "rule": evidence.rule,
            "aheadBefore": _queue(evidence.ahead_before),
            "aheadAfter": _queue(evidence.ahead_after),
        }
    return body


def _queue(ahead: int) -> str | None:
    """Return a queue's length, None where the model does not know it."""
    return None if ahead < 0 else decimal(ahead)


decoded: Final = msgspec.json.Decoder(dict[str, Any]).decode


_HEAD: Final = re.compile(rb'\{"v":[0-9]+,"seq":([0-9]+),"k":"([a-z]+)"')


def parsed(line: bytes) -> Record:
    """Return the record of a line, without its newline.

    Raises:
        Damaged: when it is cut off or was changed.
    """
    checked(line)
    return decoded(line)


def checked(line: bytes) -> tuple[int, str]:
    """Return the number and the kind of a record by its line, without reading the rest.

    Raises:
        Damaged: when it is cut off or was changed.
    """
    at = line.rfind(b',"crc":"')
    if at < 0 or not line.endswith(b'"}'):
        raise Damaged("the line is cut off")
    if line[at + 8 : -2] != b"%08x" % zlib.crc32(b"}", zlib.crc32(line[:at])):
        raise Damaged("the line's checksum does not fit")
    head = _HEAD.match(line)
    if head is None:
        raise Damaged("the line is no record")
    return int(head[1]), head[2].decode()
