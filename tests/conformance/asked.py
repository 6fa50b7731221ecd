"""What every client is made to ask, as our own requests: adding a method here asks all of them for it.

The clock of the exchange stands still at NOW, so that every answer is settled and can be compared
exactly, that of the running bar and of the order book too.
"""

from bwsresearch.enums import INTERVALS
from bwsresearch.protocol import methods

PUBLIC = {
    name: kind
    for name, kind in methods.CATALOGUE.items()
    if kind.security == "NONE" and not name.startswith("session.")
}
"""The methods that anybody may ask."""

NOW = 1_717_243_496_789  # 2024-06-01 12:04:56.789
HOUR = 3_600_000
START = 1_704_067_200_000  # 2024-01-01
BOTH = ["BTCUSDT", "ETHUSDT"]

REQUESTS = [
    methods.Ping(),
    methods.Time(),
    methods.ExchangeInfo(),
    methods.ExchangeInfo("BTCUSDT"),
    methods.ExchangeInfo(symbols=BOTH),
    methods.ExchangeInfo(permissions=["SPOT", "MARGIN"]),
    methods.ExchangeInfo(permissions=["TRD_GRP_004"]),
    methods.ExchangeInfo(show_permission_sets=False),
    methods.ExchangeInfo(symbol_status="TRADING"),
    methods.ExchangeInfo(symbol_status="HALT"),
    methods.Depth("BTCUSDT"),
    methods.Depth("ETHUSDT", limit=7),
    methods.Depth("BTCUSDT", limit=1000),
    methods.Depth("BTCUSDT", limit=5000, symbol_status="TRADING"),
    methods.TradesRecent("BTCUSDT"),
    methods.TradesRecent("XRPUSDT", limit=7),
    methods.TradesHistorical("BTCUSDT", limit=3),
    methods.TradesHistorical("BTCUSDT", from_id=0, limit=5),
    methods.TradesHistorical("BTCUSDT", from_id=800_000_000),
    methods.TradesAggregate("BTCUSDT"),
    methods.TradesAggregate("BTCUSDT", from_id=50_000_000, limit=4),
    methods.TradesAggregate("BTCUSDT", start_time=START, end_time=START + 30_000),
    methods.TradesAggregate("BTCUSDT", start_time=START, limit=5),
    methods.TradesAggregate("BTCUSDT", start_time=START, end_time=START - 1),
    methods.Klines("BTCUSDT", "1m"),
    methods.Klines("BTCUSDT", "1h", start_time=START, end_time=START + 9 * HOUR),
    methods.Klines("BTCUSDT", "1h", start_time=START, limit=1000),
    methods.Klines("BTCUSDT", "1h", end_time=START, limit=3),
    methods.Klines("BTCUSDT", "1d", start_time=START, time_zone="8", limit=3),
    methods.Klines("BTCUSDT", "1d", start_time=START, time_zone="-1:00", limit=3),
    methods.Klines("BTCUSDT", "1h", start_time=START, end_time=START - 1),
    methods.Klines("BTCUSDT", "1h", start_time=0, limit=2),
    *(methods.Klines("ETHUSDT", interval, start_time=START, limit=3) for interval in INTERVALS),
    methods.UiKlines("BTCUSDT", "15m", start_time=START, end_time=START + HOUR),
    methods.AvgPrice("BTCUSDT"),
    methods.Ticker24hr(),
    methods.Ticker24hr("BTCUSDT"),
    methods.Ticker24hr("BTCUSDT", type="MINI"),
    methods.Ticker24hr(symbols=["BTCUSDT"], type="FULL"),
    methods.Ticker24hr(symbols=BOTH, type="MINI", symbol_status="TRADING"),
    methods.Ticker24hr(symbols=BOTH, symbol_status="BREAK"),
    methods.TickerPrice(),
    methods.TickerPrice("BTCUSDT"),
    methods.TickerPrice(symbols=["BTCUSDT"]),
    methods.TickerPrice(symbols=BOTH, symbol_status="TRADING"),
    methods.TickerBook(),
    methods.TickerBook("BTCUSDT"),
    methods.TickerBook(symbols=BOTH),
    methods.TickerBook("BTCUSDT", symbol_status="TRADING"),
]
"""Requests that are answered."""

PLAIN = {request.method: request for request in reversed(REQUESTS)}
"""By method, the first of them."""


def missing(name):
    return f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."


def illegal(name, legal):
    return f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."


LEGAL_SYMBOL = r"^[\w\-._&&[^a-z]]{1,50}$"
LEGAL_NUMBER = "^[0-9]{1,20}$"
_NOT_BOTH = "Combination of optional parameters invalid."
_NO_SYMBOL = "Invalid symbol."
_TWICE = "Symbol is present multiple times in the list."

FAULTS = [
    (methods.ExchangeInfo("NOSUCH"), -1121, _NO_SYMBOL),
    (methods.ExchangeInfo(symbols=["BTCUSDT", "NOSUCH"]), -1121, _NO_SYMBOL),
    (methods.ExchangeInfo("BTCUSDT", symbol_status="TRADING"), -1128, _NOT_BOTH),
    (methods.Depth("NOSUCH"), -1121, _NO_SYMBOL),
    (methods.Depth("BTCUSDT", limit=0), -1102, missing("limit")),
    (
        methods.Depth("BTCUSDT", symbol_status="HALT"),
        -1220,
        "The symbol's status does not match the requested symbolStatus.",
    ),
    (methods.TradesRecent("NOSUCH"), -1121, _NO_SYMBOL),
    (methods.TradesHistorical("NOSUCH", from_id=0), -1121, _NO_SYMBOL),
    (
        methods.TradesHistorical("BTCUSDT", from_id=2**64 - 1),
        -1108,
        "Parameter 'fromId' overflowed.",
    ),
    (methods.TradesAggregate("NOSUCH"), -1121, _NO_SYMBOL),
    (methods.TradesAggregate("BTCUSDT", from_id=1, start_time=1), -1128, _NOT_BOTH),
    (methods.Klines("NOSUCH", "1h"), -1121, _NO_SYMBOL),
    (methods.Klines("BTC/USDT", "1h"), -1100, illegal("symbol", LEGAL_SYMBOL)),
    (methods.Klines("BTCUSDT", "7h"), -1120, "Invalid interval."),
    (methods.Klines("BTCUSDT", "1h", start_time=-1), -1100, illegal("startTime", LEGAL_NUMBER)),
    (
        methods.Klines("BTCUSDT", "1h", time_zone="15:00"),
        -1130,
        "Data sent for parameter 'timeZone' is not valid.",
    ),
    (methods.UiKlines("NOSUCH", "1h"), -1121, _NO_SYMBOL),
    (methods.AvgPrice("NOSUCH"), -1121, _NO_SYMBOL),
    (methods.Ticker24hr("NOSUCH"), -1121, _NO_SYMBOL),
    (methods.Ticker24hr("BTCUSDT", type="BIG"), -1139, "Invalid ticker type."),
    (methods.ExchangeInfo(symbols=["BTCUSDT", "BTCUSDT"]), -1151, _TWICE),
    (methods.Ticker24hr(symbols=["BTCUSDT", "BTCUSDT"]), -1151, _TWICE),
    (methods.TickerPrice(symbols=["BTCUSDT", "BTCUSDT"]), -1151, _TWICE),
    (methods.TickerBook(symbols=["BTCUSDT", "BTCUSDT"]), -1151, _TWICE),
    (methods.TickerPrice("BTCUSDT", symbols=["ETHUSDT"]), -1128, _NOT_BOTH),
    (methods.TickerPrice(symbols=["NOSUCH"]), -1121, _NO_SYMBOL),
    (methods.TickerBook("NOSUCH"), -1121, _NO_SYMBOL),
]
"""Requests that are refused, all with status 400: the code and the msg."""

TOGETHER = [
    one
    for step in range(50)
    for one in (
        methods.Klines("BTCUSDT", "1h", start_time=START + step * HOUR, limit=2),
        methods.TradesHistorical("ETHUSDT", from_id=1_000 * step, limit=2),
        methods.TradesAggregate("BNBUSDT", from_id=1_000 * step, limit=2),
        methods.AvgPrice(("BTCUSDT", "ETHUSDT", "BNBUSDT")[step % 3]),
    )
]
"""200 requests for one connection at once, no two neighbours with the same answer."""

WEIGHT = 50
LIMITED = [methods.AvgPrice("BTCUSDT")] * 30
"""More than an exchange of WEIGHT per minute allows: 2 for the connection, 24 × 2, and 6 refusals."""


def named(request):
    """Return a request as the id of a test: its method and what it carries."""
    values = ",".join(str(value) for value in request.sent().values())
    return f"{request.method}({values})".replace(" ", "").replace("'", "")
