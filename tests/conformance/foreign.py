"""The clients that are not ours: how each is called, and how to talk with it."""

import json
import queue
import subprocess
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from .asked import missing

__all__ = ["ALL", "PYTHON_BINANCE", "SDK", "UNICORN", "Foreign", "Speaker"]

CLIENTS = Path(__file__).parent / "clients"
PATIENCE_S = 60


class Speaker:
    """A script of `clients/` in the interpreter that has its client, started and ready to be asked."""

    def __init__(self, python, script, environment):
        self.speaks = subprocess.Popen(
            [python, str(CLIENTS / script)],
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines, self._complaints = queue.Queue(), []
        self._readers = [
            threading.Thread(target=self._listen, daemon=True),
            threading.Thread(target=self._overhear, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _listen(self):
        for line in self.speaks.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _overhear(self):
        for line in self.speaks.stderr:
            self._complaints.append(line)

    def ask(self, url, calls, *, together=False, **options):
        """Return what each call [who, name, arguments] came to; see `clients/talk.py`."""
        asked = {"url": url, "calls": calls, "together": together, "options": options}
        try:
            self.speaks.stdin.write(json.dumps(asked) + "\n")
            self.speaks.stdin.flush()
            line = self._lines.get(timeout=PATIENCE_S)
        except (BrokenPipeError, queue.Empty):
            line = ""
        assert line, f"the client is silent: {''.join(self._complaints)[-2000:]}"
        outcomes = json.loads(line)
        assert isinstance(outcomes, list), outcomes["failed"]
        return outcomes

    def close(self):
        self.speaks.kill()
        self.speaks.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self.speaks.stdin, self.speaks.stdout, self.speaks.stderr):
            pipe.close()


@dataclass(frozen=True, eq=False)
class Foreign:
    """How a client is called: by method its name for it, None where it has none."""

    name: str
    package: str
    script: str
    calls: dict[str, str | None]
    is_snake: bool
    """Whether it names parameters as Python does; else as the wire does."""
    lacks: frozenset[str] = frozenset()
    """Parameters that it does not offer."""
    names: dict[str, str] = field(default_factory=dict)
    """Its own names for parameters, where they differ."""
    takes_floats: bool = False
    """Whether it takes amounts as numbers; else as text."""
    beside: dict[str, dict[str, object]] = field(default_factory=dict)
    """What it wants to be given beside a parameter, and does not send."""
    mistakes: dict[str, tuple[int, str]] = field(default_factory=dict)
    """The methods that it sends wrongly: with what code and msg they are refused."""
    signs_booleans: bool = True
    """Whether its signature of a boolean is right; else it is given as text."""
    shows_status: bool = True
    shows_limits: bool = True
    keys: tuple[str, ...] = ("HMAC",)
    """The kinds of key that it signs with."""
    micros: dict[str, object] | None = None
    """Its option for times in microseconds."""
    also: dict[str, dict[str, object]] = field(default_factory=dict)
    """More ways to make all calls, by name: their options."""

    def has(self, request):
        return (
            self.calls[request.method] is not None
            and request.method not in self.mistakes
            and not self.lacks & request.sent().keys()
        )

    def spelled(self, request, who=None, *, recv_window=None):
        """Return a request as a call of this client."""
        arguments = request.sent() if self.is_snake else request.params()
        for name in arguments.keys() & self.beside.keys():
            arguments = self.beside[name] | arguments
        spelled = {self.names.get(n, n): self._value(value) for n, value in arguments.items()}
        if recv_window is not None:
            spelled["recv_window" if self.is_snake else "recvWindow"] = recv_window
        return [who, self.calls[request.method], spelled]

    def _value(self, value):
        if isinstance(value, Decimal):
            return float(value) if self.takes_floats else format(value, "f")
        if isinstance(value, bool) and not self.signs_booleans:
            return "true" if value else "false"
        return value


SDK = Foreign(
    name="binance-sdk-spot",
    package="binance_sdk_spot",
    script="ask_sdk.py",
    calls={
        "ping": "ping",
        "time": "time",
        "exchangeInfo": "exchange_info",
        "depth": "depth",
        "trades.recent": "trades_recent",
        "trades.historical": "trades_historical",
        "trades.aggregate": "trades_aggregate",
        "klines": "klines",
        "uiKlines": "ui_klines",
        "avgPrice": "avg_price",
        "ticker.24hr": "ticker24hr",
        "ticker.price": "ticker_price",
        "ticker.book": "ticker_book",
        "session.logon": "session_logon",
        "session.status": "session_status",
        "session.logout": "session_logout",
        "order.place": "order_place",
        "order.test": "order_test",
        "order.cancel": "order_cancel",
        "order.cancelReplace": "order_cancel_replace",
        "order.amend.keepPriority": "order_amend_keep_priority",
        "openOrders.cancelAll": "open_orders_cancel_all",
        "account.status": "account_status",
        "order.status": "order_status",
        "openOrders.status": "open_orders_status",
        "allOrders": "all_orders",
        "myTrades": "my_trades",
        "account.rateLimits.orders": "account_rate_limits_orders",
        "myPreventedMatches": "my_prevented_matches",
        "account.commission": "account_commission",
        "order.amendments": "order_amendments",
        "myFilters": "my_filters",
    },
    is_snake=True,
    takes_floats=True,
    shows_status=False,
    keys=("HMAC", "RSA", "ED25519"),
    micros={"time_unit": "MICROSECOND"},
    also={"compressed": {"compression": 15}, "without-limits": {"return_rate_limits": False}},
)
PYTHON_BINANCE = Foreign(
    name="python-binance",
    package="binance",
    script="ask_python_binance.py",
    calls={
        "ping": "ws_ping",
        "time": "ws_get_time",
        "exchangeInfo": "ws_get_exchange_info",
        "depth": "ws_get_order_book",
        "trades.recent": "ws_get_recent_trades",
        "trades.historical": "ws_get_historical_trades",
        "trades.aggregate": "ws_get_aggregate_trades",
        "klines": "ws_get_klines",
        "uiKlines": "ws_get_uiKlines",
        "avgPrice": "ws_get_avg_price",
        "ticker.24hr": "ws_get_ticker",
        "ticker.price": "ws_get_symbol_ticker",
        "ticker.book": "ws_get_orderbook_ticker",
        "session.logon": None,
        "session.status": None,
        "session.logout": None,
        "order.place": "ws_create_order",
        "order.test": "ws_create_test_order",
        "order.cancel": "ws_cancel_order",
        "order.cancelReplace": "ws_cancel_and_replace_order",
        "order.amend.keepPriority": None,
        "openOrders.cancelAll": "ws_cancel_all_open_orders",
        "account.status": "ws_get_account",
        "order.status": "ws_get_order",
        "openOrders.status": "ws_get_open_orders",
        "allOrders": "ws_get_all_orders",
        "myTrades": "ws_get_my_trades",
        "account.rateLimits.orders": "ws_get_account_rate_limits_orders",
        "myPreventedMatches": "ws_get_prevented_matches",
        "account.commission": "ws_get_commission_rates",
        "order.amendments": None,
        "myFilters": None,
    },
    is_snake=False,
    signs_booleans=False,
    shows_limits=False,
    keys=("HMAC", "RSA", "ED25519"),
    micros={"time_unit": "MICROSECOND"},
    also={"blocking": {"sync": True}},
)
UNICORN = Foreign(
    name="unicorn-binance-websocket-api",
    package="unicorn_binance_websocket_api",
    script="ask_unicorn.py",
    calls={
        "ping": "ping",
        "time": "get_server_time",
        "exchangeInfo": "get_exchange_info",
        "depth": "get_order_book",
        "trades.recent": "get_recent_trades",
        "trades.historical": "get_historical_trades",
        "trades.aggregate": "get_aggregate_trades",
        "klines": "get_klines",
        "uiKlines": "get_ui_klines",
        "avgPrice": "get_current_average_price",
        "ticker.24hr": None,
        "ticker.price": None,
        "ticker.book": None,
        "session.logon": None,
        "session.status": None,
        "session.logout": None,
        "order.place": "create_order",
        "order.test": "create_test_order",
        "order.cancel": "cancel_order",
        "order.cancelReplace": "cancel_and_replace_order",
        "order.amend.keepPriority": None,
        "openOrders.cancelAll": "cancel_open_orders",
        "account.status": "get_account_status",
        "order.status": "get_order",
        "openOrders.status": "get_open_orders",
        "allOrders": None,
        "myTrades": None,
        "account.rateLimits.orders": "get_unfilled_order_count",
        "myPreventedMatches": None,
        "account.commission": None,
        "order.amendments": None,
        "myFilters": None,
    },
    is_snake=True,
    lacks=frozenset(
        {"show_permission_sets", "symbol_status", "omit_zero_balances", "compute_commission_rates"}
    ),
    names={"type": "order_type"},
    beside={"quote_order_qty": {"quantity": 0}},
    mistakes={
        # It writes newClientOrderId with a capital N.
        "order.cancelReplace": (
            -1104,
            "Not all sent parameters were read; read '12' parameter(s) but was sent '13'.",
        ),
        # It sends no timestamp.
        "account.rateLimits.orders": (-1102, missing("timestamp")),
    },
    takes_floats=True,
)
ALL = [SDK, PYTHON_BINANCE, UNICORN]
