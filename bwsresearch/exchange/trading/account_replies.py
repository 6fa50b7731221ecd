"""Balances and commissions as the exchange writes them: keys in its order, amounts as text.

Source: the response examples of web-socket-api.md "Account information", "Account Commission Rates" and
"Test new order".
"""

from collections.abc import Iterable
from typing import Final

from bwsresearch.exchange.rows import decimal
from bwsresearch.exchange.trading.accounts import Account, Commission
from bwsresearch.exchange.trading.replies import Json, wire_time

__all__ = ["account_status", "commission", "commission_for_order"]

_BASIS: Final = 10_000  # account.status shows 0.0015 as 15


def account_status(
    account: Account, uid: int, assets: Iterable[str], *, omit_zero: bool, factor: int = 1
) -> Json:
    """Return balances and rates; every asset of the exchange unless zeros are left out."""
    rates = account.commission
    names = sorted({*assets, *account.free, *account.locked})
    balances = [
        {
            "asset": name,
            "free": decimal(account.free.get(name, 0)),
            "locked": decimal(account.locked.get(name, 0)),
        }
        for name in names
        if not omit_zero or account.free.get(name, 0) + account.locked.get(name, 0)
    ]
    four = {
        "maker": rates.maker,
        "taker": rates.taker,
        "buyer": rates.buyer,
        "seller": rates.seller,
    }
    return {
        **{f"{name}Commission": rate * _BASIS // 100_000_000 for name, rate in four.items()},
        "commissionRates": {name: decimal(rate) for name, rate in four.items()},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": wire_time(account.update_time, factor),
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": uid,
    }


def _discount(rates: Commission) -> Json:
    return {
        "enabledForAccount": rates.in_bnb,
        "enabledForSymbol": True,
        "discountAsset": "BNB",
        "discount": decimal(rates.discount),
    }


def commission(symbol: str, rates: Commission) -> Json:
    """Return the reply to account.commission."""
    reply: Json = {"symbol": symbol}
    for name, prefix in (
        ("standardCommission", ""),
        ("specialCommission", "special_"),
        ("taxCommission", "tax_"),
    ):
        reply[name] = {
            side: decimal(getattr(rates, f"{prefix}{side}"))
            for side in ("maker", "taker", "buyer", "seller")
        }
    return reply | {"discount": _discount(rates)}


def commission_for_order(rates: Commission, *, is_buy: bool) -> Json:
    """Return the reply to order.test with rates: those of the side are added already."""
    side = "buyer" if is_buy else "seller"
    reply: Json = {}
    for name, prefix in (
        ("standardCommissionForOrder", ""),
        ("specialCommissionForOrder", "special_"),
        ("taxCommissionForOrder", "tax_"),
    ):
        own = getattr(rates, f"{prefix}{side}")
        reply[name] = {
            role: decimal(getattr(rates, f"{prefix}{role}") + own) for role in ("maker", "taker")
        }
    return reply | {"discount": _discount(rates)}
