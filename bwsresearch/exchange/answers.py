"""The result of each market-data request, as JSON text, from what the market knows.

Source: the "Response" example of each request in web-socket-api.md, for names, order and padding.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

from bwsresearch.enums import INTERVALS, TimeUnit
from bwsresearch.exchange import rows
from bwsresearch.exchange.amounts import UNIT
from bwsresearch.exchange.market import Ids, Market, Summary, Window
from bwsresearch.exchange.rows import decimal
from bwsresearch.protocol import methods
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import RateLimit, SymbolInfo
from bwsresearch.times import DAY_MS

__all__ = ["Answers"]

_HOUR_MS: Final = 3_600_000
_AVERAGE_MS: Final = 300_000
_ZONE: Final = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-5][0-9]))?")
_MICROS_FROM: Final = 10**14
_MOST_SYMBOLS: Final = 100


@dataclass(frozen=True)
class Answers:
    """What a market answers; `limits` are the rules that exchangeInfo shows."""

    market: Market
    limits: Sequence[RateLimit]

    def result(  # noqa: C901, PLR0911 - one case per method
        self, request: Request[Any], unit: TimeUnit, now_ms: int
    ) -> bytes:
        """Return the JSON of the result.

        Raises:
            Refusal: for a symbol, interval, status or zone that does not exist.
        """
        moment = _Moment(now_ms, unit)
        match request:
            case methods.Ping():
                return b"{}"
            case methods.Time():
                return _json({"serverTime": moment.out(now_ms)})
            case methods.ExchangeInfo():
                return self._exchange_info(request, moment)
            case methods.Depth():
                return self._depth(request, moment)
            case methods.TradesRecent() | methods.TradesHistorical():
                return self._trades(request, moment)
            case methods.TradesAggregate():
                return self._agg_trades(request, moment)
            case methods.Klines():
                return self._klines(request, moment)
            case methods.AvgPrice():
                return self._avg_price(request, moment)
            case methods.Ticker24hr():
                return self._ticker_24hr(request, moment)
            case methods.TickerPrice():
                return self._each(request, moment, self._price)
            case methods.TickerBook():
                return self._each(request, moment, self._book)
            case _:
                raise TypeError(f"{request.method} is in the catalogue, but not answered")

    def _symbol(self, symbol: str, status: str | None = None) -> str:
        info = self.market.symbols.get(symbol)
        if info is None:
            raise Refusal(-1121, "Invalid symbol.")
        if status is not None and info.status != status:
            raise Refusal(-1220, "The symbol's status does not match the requested symbolStatus.")
        return symbol

    def _symbols(self, symbols: list[str], status: str | None) -> list[str]:
        if len(symbols) > _MOST_SYMBOLS:
            raise Refusal(
                -1101,
                "Too many values sent for parameter 'symbols', "
                f"maximum allowed up to {_MOST_SYMBOLS}.",
            )
        return self._of_status(self._once(symbols), status)

    def _once(self, symbols: list[str]) -> list[str]:
        if len(set(symbols)) < len(symbols):
            raise Refusal(-1151, "Symbol is present multiple times in the list.")
        return [self._symbol(name) for name in symbols]

    def _of_status(self, symbols: list[str], status: str | None) -> list[str]:
        if status is None:
            return symbols
        return [name for name in symbols if self.market.symbols[name].status == status]

    def _exchange_info(self, request: methods.ExchangeInfo, moment: "_Moment") -> bytes:
        if request.symbol is not None:
            names = [self._symbol(request.symbol)]
        elif request.symbols is not None:
            names = self._once(request.symbols)
        else:
            wanted = set(request.permissions or ("SPOT", "MARGIN", "LEVERAGED"))
            names = [n for n, info in self.market.symbols.items() if _permits(info, wanted)]
            names = self._of_status(names, request.symbol_status)
        infos = [self.market.symbols[name] for name in names]
        if request.show_permission_sets is False:
            # "whether the content of the permissionSets field is populated": the field stays.
            infos = [msgspec.structs.replace(one, permission_sets=[]) for one in infos]
        return _json(
            {
                "timezone": "UTC",
                "serverTime": moment.out(moment.now_ms),
                "rateLimits": list(self.limits),
                "exchangeFilters": [],
                "symbols": infos,
            }
        )

    def _depth(self, request: methods.Depth, moment: "_Moment") -> bytes:
        symbol = self._symbol(request.symbol, request.symbol_status)
        book = self.market.depth(symbol, request.limit or 100, moment.now_ms)
        return _json(
            {
                "lastUpdateId": book.last_update_id,
                "bids": [(decimal(p), decimal(q)) for p, q in book.bids],
                "asks": [(decimal(p), decimal(q)) for p, q in book.asks],
            }
        )

    def _trades(
        self, request: methods.TradesRecent | methods.TradesHistorical, moment: "_Moment"
    ) -> bytes:
        symbol = self._symbol(request.symbol)
        first = request.from_id if isinstance(request, methods.TradesHistorical) else None
        found = self.market.trades(symbol, Ids(first, request.limit or 500), moment.now_ms)
        return rows.trades_json(replace(found, time=found.time * moment.factor))

    def _agg_trades(self, request: methods.TradesAggregate, moment: "_Moment") -> bytes:
        symbol, limit = self._symbol(request.symbol), request.limit or 500
        start, end = _from(request.start_time), _until(request.end_time)
        if start is not None and end is not None and start > end:
            return b"[]"
        asked = (
            Ids(request.from_id, limit)
            if request.from_id is not None
            else Window(start, end, limit)
        )
        found = self.market.agg_trades(symbol, asked, moment.now_ms)
        return rows.agg_trades_json(replace(found, time=found.time * moment.factor))

    def _klines(self, request: methods.Klines, moment: "_Moment") -> bytes:
        symbol = self._symbol(request.symbol)
        interval = request.interval
        if interval not in INTERVALS:
            raise Refusal(-1120, "Invalid interval.")
        shift = _shift_ms(request.time_zone or "0")
        start, end = _from(request.start_time), _until(request.end_time)
        if start is not None and end is not None and start > end:
            return b"[]"
        window = Window(start, end, request.limit or 500)
        found = self.market.klines(symbol, interval, window, moment.now_ms, shift)
        return found if moment.factor == 1 else _klines_in_micros(found)

    def _avg_price(self, request: methods.AvgPrice, moment: "_Moment") -> bytes:
        symbol, now_ms = self._symbol(request.symbol), moment.now_ms
        recent = self.market.summary(symbol, now_ms - _AVERAGE_MS + 1, now_ms + 1)
        price = (
            _ratio(recent.quote_volume, recent.volume) if recent.count else recent.previous_close
        )
        closed = moment.out(recent.last_time)
        return _json({"mins": 5, "price": decimal(price), "closeTime": closed})

    def _ticker_24hr(self, request: methods.Ticker24hr, moment: "_Moment") -> bytes:
        kind = request.type or "FULL"

        def one(symbol: str, at: "_Moment") -> dict[str, object]:
            return self._day(symbol, at, kind)

        return self._each(request, moment, one)

    def _each(
        self,
        request: methods.Ticker24hr | methods.TickerPrice | methods.TickerBook,
        moment: "_Moment",
        one: Callable[[str, "_Moment"], dict[str, object]],
    ) -> bytes:
        """Return an object for `symbol`, an array for `symbols`, even with one, and for all."""
        if request.symbol is not None:
            return _json(one(self._symbol(request.symbol, request.symbol_status), moment))
        if request.symbols is not None:
            names = self._symbols(request.symbols, request.symbol_status)
        else:
            names = self._of_status(list(self.market.symbols), request.symbol_status)
        return _json([one(name, moment) for name in names])

    def _price(self, symbol: str, moment: "_Moment") -> dict[str, object]:
        last = self.market.trades(symbol, Ids(None, 1), moment.now_ms)
        return {"symbol": symbol, "price": decimal(int(last.price[0]) if len(last) else 0)}

    def _book(self, symbol: str, moment: "_Moment") -> dict[str, object]:
        book = self.market.depth(symbol, 1, moment.now_ms)
        bid, ask = (side[0] if side else (0, 0) for side in (book.bids, book.asks))
        return {
            "symbol": symbol,
            "bidPrice": decimal(bid[0]),
            "bidQty": decimal(bid[1]),
            "askPrice": decimal(ask[0]),
            "askQty": decimal(ask[1]),
        }

    def _day(
        self, symbol: str, moment: "_Moment", kind: Literal["FULL", "MINI"]
    ) -> dict[str, object]:
        now_ms = moment.now_ms
        day = self.market.summary(symbol, now_ms - DAY_MS, now_ms + 1)
        ends = {
            "openTime": moment.out(now_ms - DAY_MS),
            "closeTime": moment.out(now_ms),
            "firstId": day.first_id,
            "lastId": day.last_id,
            "count": day.count,
        }
        sums = {"volume": decimal(day.volume), "quoteVolume": decimal(day.quote_volume)}
        prices = {
            "openPrice": decimal(day.open),
            "highPrice": decimal(day.high),
            "lowPrice": decimal(day.low),
        }
        last = {"lastPrice": decimal(day.last)}
        if kind == "MINI":
            return {"symbol": symbol, **prices, **last, **sums, **ends}
        book = self._book(symbol, moment)
        return {**_change(symbol, day), **last, "lastQty": decimal(day.last_qty)} | {
            **{name: book[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")},
            **prices,
            **sums,
            **ends,
        }


def _change(symbol: str, day: Summary) -> dict[str, object]:
    change = day.last - day.open
    return {
        "symbol": symbol,
        "priceChange": decimal(change),
        "priceChangePercent": _percent(change, day.open),
        "weightedAvgPrice": decimal(_ratio(day.quote_volume, day.volume)),
        "prevClosePrice": decimal(day.previous_close),
    }


@dataclass(frozen=True, slots=True)
class _Moment:
    """The time of the answer, and the unit that its times are written in."""

    now_ms: int
    unit: TimeUnit

    @property
    def factor(self) -> int:
        return 1000 if self.unit == "MICROSECOND" else 1

    def out(self, time_ms: int) -> int:
        """Return a time as it is written."""
        return time_ms * self.factor


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _from(time: int | None) -> int | None:
    """Return the first millisecond that is not before a time, which may be in microseconds."""
    return -(-time // 1000) if time is not None and time >= _MICROS_FROM else time


def _until(time: int | None) -> int | None:
    """Return the last millisecond that is not after a time, which may be in microseconds."""
    return time // 1000 if time is not None and time >= _MICROS_FROM else time


def _permits(info: SymbolInfo, wanted: set[str]) -> bool:
    return any(wanted & set(group) for group in info.permission_sets)


def _ratio(quote: int, base: int) -> int:
    """Return quote over base in units, rounded half up; 0 without base."""
    return (2 * quote * UNIT + base) // (2 * base) if base else 0


def _percent(change: int, of: int) -> str:
    """Return a percentage with three decimals, rounded half away from zero."""
    if not of:
        return "0.000"
    thousandths = (2 * abs(change) * 100_000 + of) // (2 * of)
    sign = "-" if change < 0 and thousandths else ""
    return f"{sign}{thousandths // 1000}.{thousandths % 1000:03d}"


def _shift_ms(zone: str) -> int:
    """Return how far a `timeZone` is ahead of UTC."""
    match = _ZONE.fullmatch(zone)
    if match:
        shift = int(match[2]) * _HOUR_MS + int(match[3] or 0) * 60_000
        shift = -shift if match[1] == "-" else shift
        if -12 * _HOUR_MS <= shift <= 14 * _HOUR_MS:
            return shift
    raise Refusal(-1130, "Data sent for parameter 'timeZone' is not valid.")


def _klines_in_micros(text: bytes) -> bytes:
    found = msgspec.json.decode(text, type=list[list[msgspec.Raw]])
    for row in found:
        row[0] = msgspec.Raw(bytes(row[0]) + b"000")
        row[6] = msgspec.Raw(bytes(row[6]) + b"999")
    return msgspec.json.encode(found)
