"""What can be set of the local exchange, with the exchange's own values as defaults."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from bwsresearch.exchange.fills.settings import ModelConfig

__all__ = ["Auth", "Ban", "Config", "Limits", "Net"]


@dataclass(frozen=True, slots=True)
class Ban:
    """Whether and when an address that goes on after a 429 is banned: 2 minutes, then twice as long."""

    enabled: bool = False
    after: int = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """What one address may use, and how many orders one account."""

    weight_per_minute: int = 6000
    orders_10s: int = 100
    orders_day: int = 200_000
    maker_decrement: int = 5
    connections_5m: int = 300
    ban: Ban = field(default_factory=Ban)


@dataclass(frozen=True, slots=True)
class Net:
    """The life of a connection: bytes and seconds."""

    max_frame: int = 65_536
    ping_interval: float = 20.0
    pong_timeout: float = 60.0
    max_lifetime: float = 86_400.0
    shutdown_lead: float = 5.0


@dataclass(frozen=True, slots=True)
class Auth:
    """How signatures are read: many clients sign the percent-encoded payload, which strict refuses."""

    strict_signatures: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """All settings; the keys of a TOML file are the names of the fields.

    `seed` decides the ids that the exchange chooses itself, `model` how orders are filled.
    """

    limits: Limits = field(default_factory=Limits)
    net: Net = field(default_factory=Net)
    auth: Auth = field(default_factory=Auth)
    model: ModelConfig = field(default_factory=ModelConfig)
    seed: int = 1

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> Self:
        """Return the configuration that nested `settings` make, such as a parsed TOML file.

        Raises:
            ValueError: naming a key that does not exist or a value that cannot be.
        """
        return _filled(cls, settings, "")


def _filled(kind: type[Any], settings: Mapping[str, object], path: str) -> Any:
    fields = {one.name: one for one in dataclasses.fields(kind)}
    values: dict[str, object] = {}
    for name, value in settings.items():
        if name not in fields:
            raise ValueError(f"{path}{name} is no setting, must be one of {', '.join(fields)}")
        # A class that checks itself knows its own bounds.
        is_bound = not hasattr(kind, "__post_init__")
        values[name] = _value(fields[name], value, f"{path}{name}", is_bound=is_bound)
    return kind(**values)


def _value(
    setting: "dataclasses.Field[Any]", value: object, path: str, *, is_bound: bool
) -> object:
    kind: Any = setting.type
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise ValueError(f"{path} is {value!r}, must be a table of settings")
        return _filled(kind, value, f"{path}.")  # type: ignore[arg-type] # it is a class here
    if value is None and kind is float:
        value = math.inf  # as a journal writes it: JSON has no infinity
    allowed = (int, float) if kind is float else (kind,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{path} is {value!r}, must be {kind.__name__}")
    if not isinstance(value, bool) and kind is not int and isinstance(value, (int, float)):
        value = float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        least = 0 if setting.default == 0 else None
        if math.isnan(value) or (is_bound and math.isinf(value)):
            raise ValueError(f"{path} is {value!r}, must be a finite number")
        if is_bound and (value < 0 or (value == 0 and least is None)):
            raise ValueError(
                f"{path} is {value!r}, must be {'0 or more' if least == 0 else 'above 0'}"
            )
    return value
