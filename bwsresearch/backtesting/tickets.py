"""What a strategy orders, as a request of the API: names checked, floats rounded to tick and step."""

import difflib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, get_args

from bwsresearch.backtesting.rules import Rules
from bwsresearch.enums import OrderSide, OrderType, TimeInForce
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.methods import OrderPlace
from bwsresearch.protocol.placement import checked
from bwsresearch.protocol.sizes import stepped

__all__ = ["order_of"]

_NAMES: Final = tuple(name for name in OrderPlace.__struct_fields__ if name != "symbol")
_KNOWN: Final = frozenset(_NAMES)
_FLOATS: Final = ("quantity", "quote_order_qty", "price", "stop_price", "iceberg_qty")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "side": get_args(OrderSide),
    "type": get_args(OrderType),
    "time_in_force": get_args(TimeInForce),
}
_STOPS: Final = frozenset({"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})


def order_of(symbol: str, given: Mapping[str, Any], rules: Rules) -> OrderPlace:
    """Return the request that a strategy's mapping stands for.

    A float quantity is rounded down to the step, a price towards less trading: a buyer's down, a
    seller's up, a stop's never before what was said. `time_in_force` is GTC for types that need one.

    Raises:
        ValueError: for a name or a word that is none of the API's, or parameters that do not belong
            together.
        TypeError: when it is no mapping.
    """
    if not isinstance(given, Mapping):
        raise TypeError(
            f"on_bar returned a {type(given).__name__}, must return parameters of an order such as "
            '{"side": "BUY", "type": "MARKET", "quantity": "0.01"}'
        )
    values = {name: value for name, value in given.items() if value is not None}
    named = values.pop("symbol", symbol)
    if not values.keys() <= _KNOWN:
        raise ValueError(_strange(values))
    for name, words in _WORDS.items():
        if name in values and values[name] not in words:
            raise ValueError(
                f"on_bar ordered {name} {values[name]!r}, must be one of {' '.join(words)}"
            )
    for name in _FLOATS:
        if type(values.get(name)) is float or hasattr(values.get(name), "dtype"):
            values[name] = _rounded(name, float(values[name]), values.get("side"), rules)
    if values.get("type") in _STOPS and "time_in_force" not in values:
        values["time_in_force"] = "GTC"
    try:
        return checked(OrderPlace(named, **values))
    except Refusal as refusal:
        raise ValueError(f"on_bar ordered {dict(given)}: {refusal.body.msg}") from None
    except TypeError as error:
        raise ValueError(
            f"on_bar ordered {dict(given)}: {error}; side and type are needed"
        ) from None


def _strange(values: Mapping[str, Any]) -> str:
    name = next(name for name in values if name not in _KNOWN)
    near = difflib.get_close_matches(_snake(name), _NAMES, n=1)
    cure = f"did you mean {near[0]}?" if near else f"it has {', '.join(_NAMES)}"
    return f"on_bar ordered with {name}, which is no parameter of an order; {cure}"


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _rounded(name: str, value: float, side: object, rules: Rules) -> Decimal:
    if name in ("price", "stop_price"):
        is_floor = (side == "BUY") == (name == "price")
        return stepped(value, max(rules.tick, Decimal("1e-8")), name, is_floor=is_floor)
    step = rules.step if name in ("quantity", "iceberg_qty") else Decimal(0)
    return stepped(value, max(step, Decimal("1e-8")), name, is_floor=True)
