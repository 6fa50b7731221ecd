"""What every record is made of: names in camel case on the wire, unknown fields ignored."""

import msgspec

__all__ = ["RateLimit", "Result"]


class Result(msgspec.Struct, frozen=True, rename="camel", repr_omit_defaults=True):
    """A JSON object of the exchange; keys in camel case on the wire. Its repr shows what there is."""


class RateLimit(Result, frozen=True, omit_defaults=True):
    """One limit; `count` is what is used of it, absent in exchangeInfo."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: int | None = None
