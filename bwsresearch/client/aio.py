"""The asynchronous client: one connection, many requests in flight, awaitable from any loop.

A dropped connection fails at once what waits on it. Reads are then sent once more on a new
connection, orders never.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Self, TypeVar

import msgspec

from bwsresearch.client.access import Access
from bwsresearch.client.bridge import Bridge, default_bridge
from bwsresearch.client.calls import Calls, decoded
from bwsresearch.client.described import described
from bwsresearch.client.limits import Limits
from bwsresearch.client.patience import Sleep, Told
from bwsresearch.client.transport import Endpoint
from bwsresearch.errors import ServerError
from bwsresearch.protocol import methods
from bwsresearch.protocol.placement import identified
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import ExchangeInfo, RateLimit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AsyncClient", "decoded"]

P = ParamSpec("P")
R = TypeVar("R")


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
        sleep: how the wait for room in the exchange's limits is spent.
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
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.endpoint, self.timeout, self.access = endpoint, _seconds(timeout), access
        self.bridge = bridge or default_bridge()
        self._limits = Limits(endpoint, wall=wall, sleep=sleep)
        self._calls = Calls(endpoint, access, self._limits, clock=clock, wall=wall)
        self.clock, self._wall = clock, wall

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
            RateLimited: the exchange's limit is used up for longer than `timeout`; nothing was sent.
            ValueError: a signed request without a key, or an order that is not allowed.
        """
        text = await self.raw(request, timeout=timeout)
        try:
            result = decoded(request, text)
        except msgspec.DecodeError as fault:
            raise ServerError(
                f"{self.endpoint.name} sends another result than the API's ({fault})",
                method=request.method,
                hint="check the server's address",
            ) from fault
        if isinstance(result, ExchangeInfo):
            self._limits.learn(result.rate_limits)
        return result

    async def raw(
        self,
        request: Request[Any],
        *,
        timeout: float | None = None,
        on_wait: Told | None = None,
    ) -> bytes:
        """Send a request and return the JSON text of its result; errors as for `call`.

        With `on_wait` it waits for room in the limits as long as that takes, and calls `on_wait`
        with the seconds now and then, on the bridge's thread. This time is not the reply's.
        """
        seconds = self.timeout if timeout is None else _seconds(timeout)
        if self.bridge.is_here:
            return await self._raw(request, seconds, on_wait)
        return await self.bridge.await_(self._raw(request, seconds, on_wait))

    async def open(self) -> Mapping[str, str]:
        """Connect unless connected, and return the headers of the server's handshake."""
        return (await self.bridge.await_(self._calls.line.connected())).headers

    def renew(self, quiet_s: float) -> None:
        """Connect anew for what is asked next, when nothing has come for so many seconds.

        What is in flight is waited for on the old connection. Call it on the bridge's thread.
        """
        link = self._calls.line.usable()
        if link is not None and link.quiet_s >= quiet_s:
            link.retire()

    async def close(self) -> None:
        """Close the connection; what is in flight fails, a later request opens a new one."""
        if self.bridge.is_running:
            await self.bridge.await_(self._calls.line.close())

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
        return self._calls.line.is_open

    @property
    def weight(self) -> RateLimit | None:
        """What is used of the request weight now, by all as far as known; None before a reply."""
        return self._limits.weight

    def limits(self) -> "pd.DataFrame":
        """Return the limits that the server has told of, one row each, without asking it.

        Columns: rate_limit_type, interval, interval_num, limit, used, left (missing where the server
        does not tell), resets_at (UTC). The weight is that of all processes of this user.
        `attrs["banned_until"]` is a UTC time while the server has banned this address, else None.
        """
        return self._limits.frame()

    def __repr__(self) -> str:
        return f"<AsyncClient {self.state}>"

    @property
    def state(self) -> str:
        """The server, whether it is connected, and the weight used, in one line."""
        state, used = "open" if self.is_open else "closed", self.weight
        weight = f", weight {used.count}/{used.limit}" if used else ""
        banned_s = self._limits.banned_s
        ban = f", banned for {banned_s:.0f} s" if banned_s else ""
        return f"{self.endpoint.name} {state}{weight}{ban}"

    async def _raw(
        self,
        request: Request[Any],
        seconds: float,
        on_wait: Told | None = None,
    ) -> bytes:
        self.access.check(request, self.endpoint)
        request = self._identified(request)
        number = self.access.record(request, self._wall())
        try:
            result = await self._calls.result(request, seconds, on_wait)
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

    async def learn_time(self) -> None:
        """Learn how far this machine's clock is from the server's."""
        await self.bridge.await_(self._calls.learn_time())

    def server_ms(self) -> int:
        """Return the server's epoch milliseconds, as far as they are known without asking."""
        return self._calls.server_ms()

    @property
    def headers(self) -> Mapping[str, str]:
        """What the server said in the last handshake; empty before the first."""
        return self._calls.line.headers


def _seconds(timeout: float) -> float:
    if not timeout > 0:
        raise ValueError(f"timeout is {timeout!r}, must be above 0 seconds; 30 is usual")
    return timeout
