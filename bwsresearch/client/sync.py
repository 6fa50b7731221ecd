"""The blocking client: `client.depth("BTCUSDT")` in a cell, a script or a thread."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from bwsresearch.client.access import Access
from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.bridge import Bridge
from bwsresearch.client.described import described
from bwsresearch.client.transport import Endpoint, WebSocketEndpoint
from bwsresearch.protocol import methods
from bwsresearch.protocol.request import Request
from bwsresearch.protocol.results import RateLimit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Client"]

P = ParamSpec("P")
R = TypeVar("R")


def _blocking(kind: Callable[P, Request[R]]) -> Callable[Concatenate["Client", P], R]:
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        return self.call(kind(*args, **kwargs))

    described(method, kind, "Client")
    return method


class Client:
    """A client of one server: one method per method of the API, one request each, typed records.

    The connection is opened by the first request and mended when it breaks. `aio` is the same client
    with methods to await. All threads may share one client.

    Args:
        server: a URL, `ws://…` or `wss://…`, or an endpoint.
        timeout: seconds to wait for each reply, connecting included.
        access: the key that signs, and what may be sent; market data alone when left out.
        bridge: the thread that holds the connection; the shared one when left out.
    """

    def __init__(
        self,
        server: str | Endpoint,
        *,
        timeout: float = 30.0,
        access: Access | None = None,
        bridge: Bridge | None = None,
    ) -> None:
        endpoint = WebSocketEndpoint(server) if isinstance(server, str) else server
        self.aio = AsyncClient(endpoint, timeout=timeout, access=access or Access(), bridge=bridge)

    ping = _blocking(methods.Ping)
    time = _blocking(methods.Time)
    exchange_info = _blocking(methods.ExchangeInfo)
    depth = _blocking(methods.Depth)
    trades_recent = _blocking(methods.TradesRecent)
    trades_historical = _blocking(methods.TradesHistorical)
    trades_aggregate = _blocking(methods.TradesAggregate)
    klines = _blocking(methods.Klines)
    ui_klines = _blocking(methods.UiKlines)
    avg_price = _blocking(methods.AvgPrice)
    ticker_24hr = _blocking(methods.Ticker24hr)
    ticker_price = _blocking(methods.TickerPrice)
    ticker_book = _blocking(methods.TickerBook)
    session_logon = _blocking(methods.SessionLogon)
    session_status = _blocking(methods.SessionStatus)
    session_logout = _blocking(methods.SessionLogout)
    order_place = _blocking(methods.OrderPlace)
    order_test = _blocking(methods.OrderTest)
    order_cancel = _blocking(methods.OrderCancel)
    order_cancel_replace = _blocking(methods.OrderCancelReplace)
    order_amend_keep_priority = _blocking(methods.OrderAmendKeepPriority)
    open_orders_cancel_all = _blocking(methods.OpenOrdersCancelAll)
    account_status = _blocking(methods.AccountStatus)
    order_status = _blocking(methods.OrderStatus)
    open_orders_status = _blocking(methods.OpenOrdersStatus)
    all_orders = _blocking(methods.AllOrders)
    my_trades = _blocking(methods.MyTrades)
    account_rate_limits_orders = _blocking(methods.AccountRateLimitsOrders)
    my_prevented_matches = _blocking(methods.MyPreventedMatches)
    account_commission = _blocking(methods.AccountCommission)
    order_amendments = _blocking(methods.OrderAmendments)
    my_filters = _blocking(methods.MyFilters)

    def call(self, request: Request[R], *, timeout: float | None = None) -> R:
        """Send a request and return its result as a record.

        Raises:
            BinanceError: what the exchange refused, with code and msg.
            Timeout: no reply within `timeout` seconds, the client's own when left out.
            Disconnected: the connection could not be made, or was lost.
            RateLimited: the exchange's limit is used up for longer than `timeout`; nothing was sent.
        """
        __tracebackhide__ = True
        return self.aio.bridge.call(self.aio.call, request, timeout=timeout)

    def raw(self, request: Request[Any], *, timeout: float | None = None) -> bytes:
        """Send a request and return the JSON text of its result; errors as for `call`."""
        __tracebackhide__ = True
        return self.aio.bridge.call(self.aio.raw, request, timeout=timeout)

    def server_clock(self) -> Callable[[], int]:
        """Ask for the server's time once, and return a clock that shows it from then on, in ms."""
        self.aio.bridge.run(self.aio.learn_time())
        return self.aio.server_ms

    def close(self) -> None:
        """Close the connection; what is in flight fails, a later request opens a new one."""
        if self.aio.bridge.is_running:
            self.aio.bridge.call(self.aio.close)

    @property
    def is_open(self) -> bool:
        """Whether a connection stands, as far as is known without asking."""
        return self.aio.is_open

    @property
    def weight(self) -> RateLimit | None:
        """What is used of the request weight now, by all as far as known; None before a reply."""
        return self.aio.weight

    def limits(self) -> "pd.DataFrame":
        """Return the limits that the server has told of, one row each, without asking it.

        Columns: rate_limit_type, interval, interval_num, limit, used, left (missing where the server
        does not tell), resets_at (UTC). The weight is that of all processes of this user.
        `attrs["banned_until"]` is a UTC time while the server has banned this address, else None.
        """
        return self.aio.limits()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client {self.aio.state}>"
