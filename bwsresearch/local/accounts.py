"""The accounts of a local exchange, as a TOML file describes them."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.opening import AccountSpec
from bwsresearch.exchange.trading.accounts import Commission
from bwsresearch.exchange.trading.amounts import units
from bwsresearch.protocol.signing import Public

__all__ = ["accounts_of"]

_DECIMALS: Final = 8

_Permission: TypeAlias = Literal["TRADE", "USER_DATA", "USER_STREAM"]


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    """A table of the file; what is misspelt is an error."""


class _Fees(_Row):
    maker: Decimal = Decimal("0.001")
    taker: Decimal = Decimal("0.001")
    buyer: Decimal = Decimal(0)
    seller: Decimal = Decimal(0)
    discount: Decimal = Decimal("0.75")
    in_bnb: bool = False


class _Key(_Row, kw_only=True):
    api_key: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9]{64}$")]
    type: Literal["HMAC", "RSA", "ED25519"] = "HMAC"
    secret: str = ""
    public_key: str = ""
    permissions: frozenset[_Permission] = frozenset({"TRADE", "USER_DATA", "USER_STREAM"})


class _Account(_Row, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    balances: dict[str, Decimal] = {}
    fees: _Fees = msgspec.field(default_factory=_Fees)
    key: list[_Key] = []


class _File(_Row):
    account: Annotated[list[_Account], msgspec.Meta(min_length=1)]


def accounts_of(path: Path) -> list[AccountSpec]:
    """Return the accounts of a TOML file.

        [[account]]
        name = "alice"
        balances = { BTC = "10", USDT = "1000000" }
        fees = { maker = "0.001", taker = "0.001", in_bnb = false }       # may be left out
        [[account.key]]
        api_key = "64 letters and digits"
        type = "HMAC"                     # HMAC | RSA | ED25519
        secret = "…"                      # HMAC; for the others: public_key = "path.pem"
        permissions = ["TRADE", "USER_DATA", "USER_STREAM"]               # left out: all

    Raises:
        ValueError: naming the file, the place in it and what is wrong there.
    """
    specs, fault = _read(path)
    if fault:
        raise ValueError(f"{path}: {fault}")
    return specs


def _read(path: Path) -> tuple[list[AccountSpec], str]:
    """Return the accounts, or what is wrong: no frame of a traceback may hold a secret."""
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        file = msgspec.convert(text, _File, strict=False)
        return [_spec(account, path.parent) for account in file.account], ""
    except OSError as error:
        what = "" if error.filename in (None, str(path)) else f"{error.filename}: "
        return [], f"{what}{error.strerror}"
    except ValueError as error:
        return [], str(error)


def _spec(account: _Account, folder: Path) -> AccountSpec:
    fees = account.fees
    rates = {
        name: _units(name, getattr(fees, name))
        for name in ("maker", "taker", "buyer", "seller", "discount")
    }
    return AccountSpec(
        account.name,
        {asset: _units(asset, amount) for asset, amount in account.balances.items()},
        Commission(**rates, in_bnb=fees.in_bnb),  # type: ignore[arg-type] # whole numbers by name
        [_api_key(one, account.name, folder) for one in account.key],
    )


def _api_key(key: _Key, account: str, folder: Path) -> ApiKey:
    wanted = "secret" if key.type == "HMAC" else "public_key"
    material = getattr(key, wanted)
    if not material:
        raise ValueError(f"a key of account {account} has type {key.type}, which needs {wanted}")
    path = folder / Path(material).expanduser()
    public = Public(material.encode() if key.type == "HMAC" else path)
    if public.scheme != key.type:
        raise ValueError(f"a key of account {account} has type {key.type}, but is {public.scheme}")
    return ApiKey(key.api_key, account, public, key.permissions)


def _units(name: str, amount: Decimal) -> int:
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{name} is {amount}, must be 0 or more")
    if amount.normalize().as_tuple().exponent < -_DECIMALS:  # type: ignore[operator] # it is finite
        raise ValueError(f"{name} is {amount}, has at most {_DECIMALS} decimals")
    return units(amount)
