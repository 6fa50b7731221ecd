"""What a request class is made of: its parameters' kinds and the facts of its method.

A request class is a frozen Struct with one field per parameter, in the order in which the exchange
reads them. A field's type alias says how the text on the wire is read (`Limit1000`, `Symbols`, …).
None stands for "not given": it is not sent, and the default named in the alias is the exchange's.
"""

import dataclasses
import functools
import typing
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeAlias, TypeVar

import msgspec

from bwsresearch.enums import (
    CancelReplaceMode,
    CancelRestrictions,
    OrderRateLimitExceededMode,
    OrderRespType,
    OrderSide,
    OrderType,
    PegOffsetType,
    PegPriceType,
    StpMode,
    SymbolStatus,
    TickerType,
    TimeInForce,
)
from bwsresearch.protocol.amounts import Amount, digits
from bwsresearch.protocol.weights import Fixed, IfRefused, WeightRule

__all__ = [
    "Kind",
    "Limit1000",
    "Limit5000",
    "Long",
    "Param",
    "Request",
    "Security",
    "Source",
    "declared",
    "result_type",
]

R = TypeVar("R")

Security: TypeAlias = Literal["NONE", "SIGNED", "TRADE", "USER_DATA", "USER_STREAM"]
"""What a key must be allowed to do; SIGNED is logging on, which any key may, but must always sign."""

Source: TypeAlias = Literal["Memory", "Database", "Matching Engine", "Memory => Database"]
Kind: TypeAlias = Literal[
    "SYMBOL",
    "INTERVAL",
    "STRING",
    "CLIENT_ID",
    "INT",
    "LONG",
    "DECIMAL",
    "BOOLEAN",
    "ENUM",
    "ARRAY",
]


@dataclass(frozen=True, slots=True)
class Param:
    """How one parameter is read; `wire` and `mandatory` follow from the field.

    `error` is said of a value that is not one of `values`, `empty` of an empty text.
    """

    kind: Kind
    default: int | str | None = None
    maximum: int | None = None
    decimals: int = 8
    values: tuple[str, ...] = ()
    error: tuple[int, str] | None = None
    empty: tuple[int, str] | None = None
    wire: str = ""
    name: str = ""
    mandatory: bool = False


SymbolText = Annotated[str, Param("SYMBOL")]
OptionalSymbol = Annotated[str | None, Param("SYMBOL")]
IntervalText = Annotated[str, Param("INTERVAL")]
Symbols = Annotated[list[str] | None, Param("ARRAY")]
Limit1000 = Annotated[int | None, Param("INT", default=500, maximum=1000)]
Limit5000 = Annotated[int | None, Param("INT", default=100, maximum=5000)]
Long = Annotated[int | None, Param("LONG")]
Flag = Annotated[bool | None, Param("BOOLEAN", default="true")]
Zone = Annotated[str | None, Param("STRING", default="0")]
Status = Annotated[
    SymbolStatus | None,
    Param("ENUM", values=typing.get_args(SymbolStatus), error=(-1122, "Invalid symbolStatus.")),
]
TickerKind = Annotated[
    TickerType | None,
    Param(
        "ENUM",
        default="FULL",
        values=typing.get_args(TickerType),
        error=(-1139, "Invalid ticker type."),
    ),
]


def _words(of: Any, code: int = 0, msg: str = "", *, default: str | None = None) -> Param:
    error = (code, msg) if code else None
    return Param("ENUM", default=default, values=typing.get_args(of), error=error)


_NEW_ID: Final = Param("CLIENT_ID", empty=(-1118, "New client order ID was empty."))
_OLD_ID: Final = Param("CLIENT_ID", empty=(-1119, "Original client order ID was empty."))
_TIF: Final = _words(TimeInForce, -1115, "Invalid timeInForce.")

Side = Annotated[OrderSide, _words(OrderSide, -1117, "Invalid side.")]
Type = Annotated[OrderType, _words(OrderType, -1116, "Invalid orderType.")]
Tif = Annotated[TimeInForce | None, _TIF]
Money = Annotated[Amount | None, Param("DECIMAL")]
MustMoney = Annotated[Amount, Param("DECIMAL")]
MustLong = Annotated[int, Param("LONG")]
Int = Annotated[int | None, Param("INT")]
NewId = Annotated[str | None, _NEW_ID]
OldId = Annotated[str | None, _OLD_ID]
RespType = Annotated[OrderRespType | None, _words(OrderRespType)]
Stp = Annotated[StpMode | None, _words(StpMode)]
PegPrice = Annotated[PegPriceType | None, _words(PegPriceType)]
PegOffset = Annotated[PegOffsetType | None, _words(PegOffsetType)]
Restrictions = Annotated[
    CancelRestrictions | None, _words(CancelRestrictions, -1145, "Invalid cancelRestrictions")
]
ReplaceMode = Annotated[CancelReplaceMode, _words(CancelReplaceMode)]
ExceededMode = Annotated[
    OrderRateLimitExceededMode | None, _words(OrderRateLimitExceededMode, default="DO_NOTHING")
]
Wish = Annotated[bool | None, Param("BOOLEAN", default="false")]


class Request(msgspec.Struct, Generic[R], frozen=True, rename="camel"):
    """A request of one method; R is the type of its result.

    Class attributes state the facts of the method: its name on the wire, weight, security type, data
    source, the heading of web-socket-api.md that it implements, whether it may be sent again when
    its reply is lost, what it adds to the unfilled orders, the pairs of parameters that must not be
    sent together, and the pair of which one must be sent.
    """

    method: ClassVar[str]
    weight_rule: ClassVar[WeightRule]
    heading: ClassVar[str]
    security: ClassVar[Security] = "NONE"
    source: ClassVar[Source] = "Memory"
    is_read: ClassVar[bool] = True
    counts_orders: ClassVar[int] = 0
    exclusive: ClassVar[tuple[tuple[str, str], ...]] = ()
    either: ClassVar[tuple[str, str] | None] = None

    def sent(self) -> dict[str, object]:
        """Return the parameters that were given, by their name in Python."""
        pairs = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in pairs if value is not None}

    def params(self) -> dict[str, object]:
        """Return the parameters that were given, by their name on the wire."""
        pairs = zip(self.__struct_encode_fields__, msgspec.structs.astuple(self), strict=True)
        return {
            wire: digits(value) if type(value) is Decimal else value
            for wire, value in pairs
            if value is not None
        }

    @property
    def weight(self) -> int:
        """What the exchange charges for this request."""
        rule = type(self).weight_rule
        return rule.minimum if isinstance(rule, Fixed | IfRefused) else rule(self.sent())


@functools.cache
def declared(kind: type[Request[Any]]) -> tuple[Param, ...]:
    """Return the parameters of a request class in the order in which they are read."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return tuple(
        dataclasses.replace(
            next(meta for meta in typing.get_args(hints[field.name]) if isinstance(meta, Param)),
            name=field.name,
            wire=field.encode_name,
            mandatory=field.required,
        )
        for field in msgspec.structs.fields(kind)
    )


@functools.cache
def result_type(kind: type[Request[Any]]) -> Any:
    """Return the type of a request's result: the argument of the generic base in its class statement."""
    for base in getattr(kind, "__orig_bases__", ()):
        if arguments := typing.get_args(base):
            return arguments[0]
    raise TypeError(f"{kind.__name__} does not name its result: subclass Request[Result]")
