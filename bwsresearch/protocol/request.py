"""What a request class is made of: its parameters' kinds and the facts of its method.

A request class is a frozen Struct with one field per parameter, in the order in which the exchange
reads them. A field's type alias says how the text on the wire is read (`Limit1000`, `Symbols`, …).
None stands for "not given": it is not sent, and the default named in the alias is the exchange's.
"""

import dataclasses
import functools
import typing
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import msgspec

from bwsresearch.enums import SymbolStatus, TickerType
from bwsresearch.protocol.weights import WeightRule

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

Security: TypeAlias = Literal["NONE", "TRADE", "USER_DATA", "USER_STREAM"]
Source: TypeAlias = Literal["Memory", "Database", "Matching Engine", "Memory => Database"]
Kind: TypeAlias = Literal["SYMBOL", "INTERVAL", "STRING", "INT", "LONG", "BOOLEAN", "ENUM", "ARRAY"]


@dataclass(frozen=True, slots=True)
class Param:
    """How one parameter is read; `wire` and `mandatory` follow from the field."""

    kind: Kind
    default: int | str | None = None
    maximum: int | None = None
    values: tuple[str, ...] = ()
    error: tuple[int, str] | None = None
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


class Request(msgspec.Struct, Generic[R], frozen=True, rename="camel"):
    """A request of one method; R is the type of its result.

    Class attributes state the facts of the method: its name on the wire, weight, security type, data
    source, the heading of web-socket-api.md that it implements, and the pairs of parameters that must
    not be sent together.
    """

    method: ClassVar[str]
    weight_rule: ClassVar[WeightRule]
    heading: ClassVar[str]
    security: ClassVar[Security] = "NONE"
    source: ClassVar[Source] = "Memory"
    is_read: ClassVar[bool] = True
    exclusive: ClassVar[tuple[tuple[str, str], ...]] = ()

    def sent(self) -> dict[str, object]:
        """Return the parameters that were given, by their name in Python."""
        pairs = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in pairs if value is not None}

    def params(self) -> dict[str, object]:
        """Return the parameters that were given, by their name on the wire."""
        names = zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True)
        pairs = ((wire, getattr(self, name)) for name, wire in names)
        return {wire: value for wire, value in pairs if value is not None}

    @property
    def weight(self) -> int:
        """What the exchange charges for this request."""
        return type(self).weight_rule(self.sent())


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
