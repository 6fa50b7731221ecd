"""The asynchronous client: one connection, many requests in flight, awaitable from any loop.

A dropped connection fails at once what waits on it. Reads are then sent once more on a new
connection, orders never.
"""

import asyncio
import functools
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar, cast

import msgspec

from bwsresearch.client.access import Access
from bwsresearch.client.bridge import Bridge, default_bridge
from bwsresearch.client.connection import Connection
from bwsresearch.client.described import described
from bwsresearch.client.line import Line
from bwsresearch.client.transport import Endpoint
from bwsresearch.errors import ClockSkew, Disconnected, ServerError, Timeout
from bwsresearch.protocol import methods
from bwsresearch.protocol.outcomes import lost
from bwsresearch.protocol.placement import identified
from bwsresearch.protocol.request import Request, result_type
from bwsresearch.protocol.results import RateLimit
from bwsresearch.protocol.session import Reply

__all__ = ["AsyncClient", "decoded"]

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def _decoder(kind: type[Request[Any]]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(result_type(kind))


def decoded(request: Request[R], text: bytes) -> R:
    """Return the JSON text of a result as its record."""
    return cast("R", _decoder(type(request)).decode(text))  # result_type is R at run time


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


_NOBODY: Final = Access()


def _asynchronous(
    kind: Callable[P, Request[R]],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, R]]:
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.call(kind(*args, **kwargs))

    described(method, kind, "AsyncClient")
    return method


class AsyncClient:
    """A client of one server; all methods can be awaited on any loop.

    Args:
        endpoint: the server.
        timeout: seconds to wait for each reply, connecting included, unless a call says otherwise.
        access: the key that signs, and what may be sent; market data alone when left out.
        bridge: the thread that holds the connection; the shared one when left out.
        clock: seconds that never run backwards; the age of the connection is measured with it.
        wall: this machine's epoch milliseconds; its distance to the exchange's time is learned.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout: float = 30.0,
        access: Access = _NOBODY,
        bridge: Bridge | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = _wall_ms,
    ) -> None:
        self.endpoint, self.timeout, self.access = endpoint, _seconds(timeout), access
        self.bridge = bridge or default_bridge()
        self.limits: dict[tuple[str, str, int], RateLimit] = {}
        self._wall = wall
        self._offset_ms: int | None = None
        self._line = Line(endpoint, access, clock)

    ping = _asynchronous(methods.Ping)
    time = _asynchronous(methods.Time)
    exchange_info = _asynchronous(methods.ExchangeInfo)
    depth = _asynchronous(methods.Depth)
    trades_recent = _asynchronous(methods.TradesRecent)
    trades_historical = _asynchronous(methods.TradesHistorical)
    trades_aggregate = _asynchronous(methods.TradesAggregate)
    klines = _asynchronous(methods.Klines)
    ui_klines = _asynchronous(methods.UiKlines)
    avg_price = _asynchronous(methods.AvgPrice)
    ticker_24hr = _asynchronous(methods.Ticker24hr)
    ticker_price = _asynchronous(methods.TickerPrice)
    ticker_book = _asynchronous(methods.TickerBook)
    session_logon = _asynchronous(methods.SessionLogon)
    session_status = _asynchronous(methods.SessionStatus)
    session_logout = _asynchronous(methods.SessionLogout)
    order_place = _asynchronous(methods.OrderPlace)
    order_test = _asynchronous(methods.OrderTest)
    order_cancel = _asynchronous(methods.OrderCancel)
    order_cancel_replace = _asynchronous(methods.OrderCancelReplace)
    order_amend_keep_priority = _asynchronous(methods.OrderAmendKeepPriority)
    open_orders_cancel_all = _asynchronous(methods.OpenOrdersCancelAll)
    account_status = _asynchronous(methods.AccountStatus)
    order_status = _asynchronous(methods.OrderStatus)
    open_orders_status = _asynchronous(methods.OpenOrdersStatus)
    all_orders = _asynchronous(methods.AllOrders)
    my_trades = _asynchronous(methods.MyTrades)
    account_rate_limits_orders = _asynchronous(methods.AccountRateLimitsOrders)
    my_prevented_matches = _asynchronous(methods.MyPreventedMatches)
    account_commission = _asynchronous(methods.AccountCommission)
    order_amendments = _asynchronous(methods.OrderAmendments)
    my_filters = _asynchronous(methods.MyFilters)

    async def call(self, request: Request[R], *, timeout: float | None = None) -> R:
        """Send a request and return its result as a record.

        Raises:
            BinanceError: what the exchange refused, with code and msg.
            Timeout: no reply within `timeout` seconds, the client's own when left out.
            Disconnected: the connection could not be made, or was lost.
            OutcomeUnknown: an order was sent and not answered; it is never sent again.
            ValueError: a signed request without a key, or an order that is not allowed.
        """
        text = await self.raw(request, timeout=timeout)
        try:
            return decoded(request, text)
        except msgspec.DecodeError as fault:
            raise ServerError(
                f"{self.endpoint.name} sends another result than the API's ({fault})",
                method=request.method,
                hint="check the server's address",
            ) from fault

    async def raw(self, request: Request[Any], *, timeout: float | None = None) -> bytes:
        """Send a request and return the JSON text of its result; errors as for `call`."""
        seconds = self.timeout if timeout is None else _seconds(timeout)
        if self.bridge.is_here:
            return await self._raw(request, seconds)
        return await self.bridge.await_(self._raw(request, seconds))

    async def open(self) -> Mapping[str, str]:
        """Connect unless connected, and return the headers of the server's handshake."""
        return (await self.bridge.await_(self._line.connected())).headers

    def renew(self, quiet_s: float) -> None:
        """Connect anew for what is asked next, when nothing has come for so many seconds.

        What is in flight is waited for on the old connection. Call it on the bridge's thread.
        """
        link = self._line.usable()
        if link is not None and link.quiet_s >= quiet_s:
            link.retire()

    async def close(self) -> None:
        """Close the connection; what is in flight fails, a later request opens a new one."""
        if self.bridge.is_running:
            await self.bridge.await_(self._line.close())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def is_open(self) -> bool:
        """Whether a connection stands, as far as is known without asking."""
        return self._line.is_open

    @property
    def weight(self) -> RateLimit | None:
        """What the last reply said of the request weight, None before the first."""
        return next(
            (
                limit
                for limit in list(self.limits.values())
                if limit.rate_limit_type == "REQUEST_WEIGHT"
            ),
            None,
        )

    def __repr__(self) -> str:
        return f"<AsyncClient {self.state}>"

    @property
    def state(self) -> str:
        """The server, whether it is connected, and the weight used, in one line."""
        state, used = "open" if self.is_open else "closed", self.weight
        weight = f", weight {used.count}/{used.limit}" if used else ""
        return f"{self.endpoint.name} {state}{weight}"

    async def _raw(self, request: Request[Any], seconds: float) -> bytes:
        self.access.check(request, self.endpoint)
        request = self._identified(request)
        number = self.access.record(request, self._wall())
        try:
            result = await self._result(request, seconds)
        except BaseException as error:  # an interrupt leaves an order behind as well
            self._record(number, error)
            raise
        self._record(number, result)
        return result

    def _identified(self, request: Request[Any]) -> Request[Any]:
        """Return a new order with an id to ask for it with when its reply is lost."""
        return identified(request, uuid.uuid4().hex[:22])

    def _record(self, number: int | None, answer: bytes | BaseException) -> None:
        if number is not None and self.access.recorder is not None:
            self.access.recorder.answered(number, answer, self._wall())

    async def _result(self, request: Request[Any], seconds: float) -> bytes:
        sent: list[bool] = []
        try:
            async with asyncio.timeout(seconds):
                reply = await self._reply(request, sent)
        except TimeoutError:
            why = f"no reply of {self.endpoint.name} within {seconds:g} s"
            if sent and not request.is_read:
                raise lost(request, why) from None
            raise Timeout(
                why, method=request.method, hint="try again, or with a longer timeout="
            ) from None
        for limit in reply.rate_limits:
            self.limits[limit.rate_limit_type, limit.interval, limit.interval_num] = limit
        if reply.error is not None:
            raise reply.error
        return bytes(reply.result)

    async def _reply(self, request: Request[Any], sent: list[bool]) -> Reply:
        link = await self._line.connected()
        try:
            return await self._asked(link, request, sent)
        except Disconnected:
            # What nobody has seen may be sent again, and so may what only reads.
            if sent and not request.is_read:
                raise
        return await self._asked(await self._line.connected(), request, sent)

    async def _asked(self, link: Connection, request: Request[Any], sent: list[bool]) -> Reply:
        """Ask on one connection; an order whose connection breaks is an OutcomeUnknown."""
        is_signed = request.security != "NONE"
        try:
            now_ms = await self._now_ms(link) if is_signed else None
            reply = await link.ask(request, now_ms=now_ms, sent=lambda: sent.append(True))
            if is_signed and isinstance(reply.error, ClockSkew):
                # The exchange says that it has done nothing.
                self._offset_ms = None
                reply = await link.ask(request, now_ms=await self._now_ms(link))
        except Disconnected as error:
            if sent and not request.is_read:
                raise lost(request, f"connection lost after send ({error.msg})") from error
            raise
        return reply

    async def learn_time(self) -> None:
        """Learn how far this machine's clock is from the server's."""
        await self.bridge.await_(self._learnt())

    async def _learnt(self) -> None:
        await self._now_ms(await self._line.connected())

    def server_ms(self) -> int:
        """Return the server's epoch milliseconds, as far as they are known without asking."""
        return self._wall() + (self._offset_ms or 0)

    async def _now_ms(self, link: Connection) -> int:
        """Return the exchange's time, by this machine's clock and what is known of their distance."""
        if self._offset_ms is None:
            before = self._wall()
            reply = await link.ask(methods.Time())
            if reply.error is not None:
                raise reply.error
            server_ms = decoded(methods.Time(), bytes(reply.result)).server_time
            # The reply was on its way for about half of the time.
            self._offset_ms = server_ms - (before + self._wall()) // 2
        return self._wall() + self._offset_ms

    @property
    def headers(self) -> Mapping[str, str]:
        """What the server said in the last handshake; empty before the first."""
        return self._line.headers


def _seconds(timeout: float) -> float:
    if not timeout > 0:
        raise ValueError(f"timeout is {timeout!r}, must be above 0 seconds; 30 is usual")
    return timeout
