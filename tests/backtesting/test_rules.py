import dataclasses
from decimal import Decimal

import pytest

import bwsresearch as bws
from bwsresearch.backtesting import Rules
from bwsresearch.backtesting.rules import bounds
from bwsresearch.protocol.results import SymbolInfo


def test_numbers_of_any_kind_become_exact_decimals():
    rules = Rules(fee=0.001, step="0.00001", tick=Decimal("0.01"), min_notional=5)
    assert (rules.fee, rules.step, rules.tick) == (
        Decimal("0.001"),
        Decimal("0.00001"),
        Decimal("0.01"),
    )
    assert rules == Rules(fee="0.001", step=1e-5, tick=0.01, min_notional=Decimal(5))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fee": -0.1}, r"fee is -0.1, must be 0 or more"),
        ({"fee": "free"}, r"fee is 'free', must be a number, 0 or more"),
        ({"fee": None}, r"fee is None, must be a number, 0 or more"),
        ({"fee": 1}, r"fee is 1 and slippage_bps 0; a fee is a part below 1 \(0.001 is 0.1 %\)"),
        ({"slippage_bps": 10_000}, r"slippage below 10000"),
        ({"step": float("nan")}, r"step is nan, must be 0 or more"),
        ({"step": 2**-17}, r"step is 0.00000762939453125, must be a multiple of 0.00000001"),
        ({"min_qty": "1e-9"}, r"min_qty is 1E-9, must be a multiple of 0.00000001"),
        ({"fee_asset": "EUR"}, r"fee_asset is 'EUR', must be 'received' or 'quote' or 'BNB'"),
        ({"fill": "open"}, r"fill is 'open', must be 'next_open' or 'close' or 'book'"),
        ({"participation": 2}, r"participation is 2, must be above 0 and at most 1, or None"),
        ({"latency": "0.0001"}, r"latency is 0.0001 s, must be whole milliseconds, 60 s at most"),
        ({"unit": "0.3"}, r"unit is 0.3, must be 0.00000001 divided by a whole number"),
        ({"fee_maker": 1}, r"fee is 1 and slippage_bps 0"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused_in_one_line(given, message):
    with pytest.raises(ValueError, match=message) as caught:
        Rules(**given)
    assert "\n" not in str(caught.value)


def test_rules_say_themselves_in_one_line():
    assert str(Rules()) == "fee 0.1 % of what is received, fills at the next open"
    rules = Rules(
        "mine", fee="0.00075", fee_asset="quote", slippage_bps=2, step="1E-5", min_notional=10
    )
    assert str(rules) == (
        "mine: fee 0.075 % in quote, fills at the next open, slippage_bps 2, step 0.00001, "
        "min_notional 10"
    )
    assert str(dataclasses.replace(rules, fee=0)).startswith("mine: fee 0 % in quote")


def info(*filters):
    rows = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "stepSize": "0.00001000"},
        *filters,
    ]
    return SymbolInfo(
        symbol="BTCUSDT", status="TRADING", base_asset="BTC", quote_asset="USDT", filters=rows
    )


def test_rules_follow_a_symbols_filters():
    notional = {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True}
    assert Rules.of(info(notional), fee="0.00075", slippage_bps=1) == Rules(
        "Binance BTCUSDT", fee="0.00075", step="0.00001", tick="0.01", min_qty="0.00001",
        min_notional=5, slippage_bps=1, filters=tuple(info(notional).filters),
    )  # fmt: skip


def test_older_filters_count_too():
    older = {"filterType": "MIN_NOTIONAL", "minNotional": "10.00000000", "applyToMarket": True}
    assert Rules.of(info(older)).min_notional == 10
    assert Rules.of(info()).min_notional == 0


def test_a_minimum_that_leaves_market_orders_out_is_no_minimum():
    notional = {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": False}
    older = {"filterType": "MIN_NOTIONAL", "minNotional": "10.00000000", "applyToMarket": False}
    assert Rules.of(info(notional, older)).min_notional == 0


def test_the_lot_size_of_market_orders_counts_where_it_is_stricter():
    lot = {"filterType": "MARKET_LOT_SIZE", "minQty": "0.10000000", "stepSize": "0.00100000"}
    rules = Rules.of(info(lot))
    assert (rules.min_qty, rules.step) == (Decimal("0.1"), Decimal("0.001"))
    off = {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "stepSize": "0.00000000"}
    assert bounds(info(off).filters) == bounds(info().filters)


def test_a_symbols_rules_are_asked_of_the_exchange():
    with bws.connect("local") as client:
        rules = Rules.binance("btcusdt", client=client)
        asked = client.exchange_info("BTCUSDT").symbols[0]
        with pytest.raises(bws.BadSymbol):
            Rules.binance("NOSUCH", client=client)
    assert rules == Rules.of(asked)
    assert rules.name == "Binance BTCUSDT"
    assert rules.step == asked.step_size > 0
    assert rules.min_notional > 0
