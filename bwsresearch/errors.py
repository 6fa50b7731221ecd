"""Everything that can go wrong, one class per thing that a caller would do differently.

An answer of the exchange keeps its code and msg verbatim; a failure on the way has neither.
A user's own mistake that never reached the exchange is a ValueError or TypeError.
"""

__all__ = [
    "ArchiveError",
    "BadKey",
    "BadParameter",
    "BadSymbol",
    "Banned",
    "BinanceError",
    "BwsError",
    "CacheError",
    "ClockSkew",
    "Disconnected",
    "InsufficientBalance",
    "LookAhead",
    "OrderRejected",
    "OutcomeUnknown",
    "RateLimited",
    "ServerError",
    "Timeout",
    "UnknownOrder",
]


class BwsError(Exception):
    """The root of all errors that this package defines."""


class BinanceError(BwsError):
    """A request failed: refused by the exchange, or not answered.

    Attributes:
        status: HTTP-like status of the reply, None when there was none.
        code: error code of the exchange, None when there was no reply.
        msg: the exchange's own message, verbatim, or what happened on the way.
        method: the API method, such as "klines"; None when it belongs to the connection.
        retry_after: seconds to wait before the next try, None when the exchange did not say.
        data: the error's `data` object, None when absent.
        hint: the cure in a few words, "" when there is nothing to add.
    """

    def __init__(
        self,
        msg: str,
        *,
        status: int | None = None,
        code: int | None = None,
        method: str | None = None,
        retry_after: float | None = None,
        data: object = None,
        hint: str = "",
    ) -> None:
        self.msg, self.status, self.code = msg, status, code
        self.method, self.retry_after, self.data, self.hint = method, retry_after, data, hint
        super().__init__(msg)

    def __str__(self) -> str:
        where = f"{self.method}: " if self.method else ""
        code = f" (code {self.code}, status {self.status})" if self.code is not None else ""
        return f"{where}{self.msg}{code}{f'; {self.hint}' if self.hint else ''}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross processes.
        return (_rebuilt, (type(self), self.msg, {**self.__dict__}))


def _rebuilt(kind: type[BinanceError], msg: str, state: dict[str, object]) -> BinanceError:
    error = kind(msg)
    error.__dict__.update(state)
    return error


class RateLimited(BinanceError):
    """Status 429: a limit is used up; nothing was executed. `retry_after` says how long to wait."""


class Banned(RateLimited):
    """Status 418: the address is banned until `retry_after` has passed."""


class BadSymbol(BinanceError):
    """The symbol does not exist on this exchange, or has no such status."""


class BadParameter(BinanceError):
    """A parameter is missing, malformed, out of range or not allowed here."""


class BadKey(BinanceError):
    """The API key, its signature or its permissions were not accepted; nothing was executed."""


class ClockSkew(BinanceError):
    """The request's time is too far from the exchange's; nothing was executed."""


class OrderRejected(BinanceError):
    """The exchange did not take the order or the amendment, as `msg` says; nothing was executed."""


class InsufficientBalance(OrderRejected):
    """The account has not enough free to pay for the order."""


class UnknownOrder(BinanceError):
    """No such order, or it is not open any more: it may have been filled in the meantime."""


class ServerError(BinanceError):
    """Status 5xx: the exchange failed. What may have changed something is an OutcomeUnknown."""


class OutcomeUnknown(BinanceError):
    """An order, a cancellation or an amendment was sent, and what became of it is not known.

    It is never sent again by itself: ask for the order first.

    Attributes:
        symbol: what was to be traded.
        client_order_id: the id to ask with, None when the request named the order by `order_id` or
            concerned all orders of the symbol.
        order_id: the exchange's id that the request named, None when there was none.
    """

    symbol: str | None = None
    client_order_id: str | None = None
    order_id: int | None = None

    def __str__(self) -> str:
        who = self.client_order_id or self.order_id or self.symbol
        code = f" (code {self.code}, status {self.status})" if self.code is not None else ""
        return f"{self.method} {who}: {self.msg}{code}{f'; {self.hint}' if self.hint else ''}"


class Disconnected(BinanceError, ConnectionError):
    """The connection could not be made, or was lost before the reply came."""


class Timeout(BinanceError, TimeoutError):
    """No reply within the time that the caller allowed."""


class CacheError(BwsError):
    """A file of the cache is damaged or cannot be written."""


class ArchiveError(BwsError, ValueError):
    """A file to import cannot be read, or one of its rows is not what it claims to be."""


class LookAhead(BwsError, ValueError):
    """A strategy's earlier answers change with later bars, so that a backtest of it says nothing."""
