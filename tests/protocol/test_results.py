import json
import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bwsresearch.protocol import methods, results
from bwsresearch.protocol.methods import CATALOGUE
from bwsresearch.protocol.request import result_type
from bwsresearch.protocol.session import ClientSession


def documents():
    """Yield the documented examples, none without real data."""
    folder = os.environ.get("BWS_REAL_DATA")
    for path in sorted(Path(folder, "doc_examples", "ws_api").glob("*.json")) if folder else []:
        yield json.loads(path.read_text())


def examples():
    """Yield the documented results of the methods that need a key, and of the sessions'."""
    for document in documents():
        kind = CATALOGUE.get(document["method"])
        if kind is None or (kind.security == "NONE" and not kind.method.startswith("session.")):
            continue
        for number, response in enumerate(document["responses"]):
            if (result := response["frame"].get("result")) is not None:
                name = f"{document['line']}-{kind.method}-{number}"
                yield pytest.param(kind, result, id=name)


EXAMPLES = list(examples())
needs_documents = pytest.mark.skipif(
    not EXAMPLES, reason="BWS_REAL_DATA does not name a folder of recorded data"
)

ORDER = ("symbol", "orderId", "orderListId", "clientOrderId")
STATE = ("status", "timeInForce", "type", "side")
FILL = {
    "price": "23416.10000000",
    "qty": "0.00635000",
    "commission": "0.00000000",
    "commissionAsset": "BNB",
    "tradeId": 1650422481,
}
PLACED = {
    "symbol": "BTCUSDT",
    "orderId": 12,
    "orderListId": -1,
    "clientOrderId": "mine",
    "transactTime": 1660801715793,
    "price": "23416.10000000",
    "origQty": "0.00847000",
    "executedQty": "0.00847000",
    "origQuoteOrderQty": "0.00000000",
    "cummulativeQuoteQty": "198.33521500",
    "status": "FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "SELL",
    "workingTime": 1660801715793,
    "fills": [FILL],
    "selfTradePreventionMode": "NONE",
}


def shown(record):
    """Return a record as the exchange would write it, without what does not apply."""
    return plain(msgspec.to_builtins(record))


def plain(value):
    if isinstance(value, dict):
        pairs = ((key, plain(one)) for key, one in value.items())
        return {key: one for key, one in pairs if one is not None and one != []}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def same(text, other):
    """Whether two values are equal, amounts as numbers: Decimal writes 0.00000000 as 0E-8."""
    if isinstance(text, dict) and isinstance(other, dict):
        return text.keys() == other.keys() and all(same(text[key], other[key]) for key in text)
    if isinstance(text, list) and isinstance(other, list):
        return len(text) == len(other) and all(map(same, text, other))
    if isinstance(text, str) and isinstance(other, str) and text != other:
        return text[0].isdigit() and other[0].isdigit() and Decimal(text) == Decimal(other)
    return text == other


def keys(value):
    """Return the keys of an object and of all below it, in order."""
    if isinstance(value, dict):
        return [(key, keys(one)) for key, one in value.items()]
    return [keys(one) for one in value] if isinstance(value, list) else None


def ordered(kind, result):
    """Return what of a result has an order of keys that is ours as well.

    A list that was cancelled shares its record with an order. The documentation's example of
    openOrders.status has a key twice.
    """
    if kind.method == "openOrders.status":
        return []
    rows = result if isinstance(result, list) else [result]
    return [row for row in rows if "contingencyType" not in row]


@needs_documents
@pytest.mark.parametrize(("kind", "result"), EXAMPLES)
def test_a_record_holds_all_that_the_documentation_shows_in_its_order(kind, result):
    record = msgspec.json.decode(json.dumps(result), type=result_type(kind))
    found, expected = shown(record), plain(result)
    assert same(found, expected)
    assert keys(ordered(kind, found)) == keys(ordered(kind, expected))


@needs_documents
def test_every_method_that_needs_a_key_has_a_documented_result():
    asked = {name for name, kind in CATALOGUE.items() if kind.security != "NONE"}
    asked |= {"session.status", "session.logout"}
    assert {one.values[0].method for one in EXAMPLES} == asked


@needs_documents
def test_both_halves_of_a_failed_replacement_are_kept():
    (document,) = (one for one in documents() if one["method"] == "order.cancelReplace")
    failed = [one["frame"] for one in document["responses"] if one["frame"]["status"] in (400, 409)]
    assert len(failed) == 5
    request = methods.OrderCancelReplace(
        "A", cancel_replace_mode="ALLOW_FAILURE", cancel_order_id=1, side="BUY", type="MARKET"
    )
    for frame in failed:
        client = ClientSession(pending={frame["id"]: request})
        error = client.receive(json.dumps(frame).encode()).error
        assert error.data == frame["error"]["data"]
        assert error.data.keys() == {
            "cancelResult",
            "newOrderResult",
            "cancelResponse",
            "newOrderResponse",
        }


@needs_documents
def test_every_conditional_field_of_an_order_is_known():
    folder = Path(os.environ["BWS_REAL_DATA"], "doc_examples")
    for row in json.loads((folder / "conditional_order_fields.json").read_text()):
        for kind in (results.OrderReport, results.Order):
            assert row["field"] in kind.__struct_encode_fields__
        name, value = json.loads("{" + row["example"] + "}").popitem()
        report = msgspec.convert(PLACED | {name: value}, results.OrderReport, strict=False)
        assert same({name: shown(report)[name]}, {name: value})


def placed(kind=results.OrderReport, **changes):
    return msgspec.json.decode(json.dumps(PLACED | changes), type=kind)


def test_amounts_are_decimal_and_fills_are_records():
    report = placed()
    assert report.cummulative_quote_qty == Decimal("198.335215")
    (fill,) = report.fills
    assert fill == results.Fill(
        Decimal("23416.1"), Decimal("0.00635"), Decimal(0), "BNB", 1650422481
    )


def test_trades_with_own_orders_that_were_prevented_are_told_in_their_order():
    match = {
        "preventedMatchId": 3,
        "makerSymbol": "BTCUSDT",
        "makerOrderId": 12,
        "price": "0.2",
        "takerPreventedQuantity": "0.5",
        "makerPreventedQuantity": "0.5",
    }
    result = PLACED | {"status": "EXPIRED_IN_MATCH", "preventedMatches": [match]}
    # faqs/stp_faq.md: the mode follows the matches, what was prevented in all comes last.
    mode = result.pop("selfTradePreventionMode")
    result |= {"selfTradePreventionMode": mode, "tradeGroupId": 1, "preventedQuantity": "0.5"}
    found = shown(msgspec.json.decode(json.dumps(result), type=results.OrderReport))
    assert same(found, result)
    assert keys(found) == keys(result)


def test_an_acknowledgement_is_a_report_without_what_it_does_not_say():
    text = json.dumps({name: PLACED[name] for name in (*ORDER, "transactTime")})
    report = msgspec.json.decode(text, type=results.OrderReport)
    assert (report.order_id, report.status, report.price, report.fills) == (12, None, None, [])


def test_words_and_fields_that_the_exchange_may_add_are_taken():
    assert placed(status="ON_THE_MOON", newField={"a": 1}).status == "ON_THE_MOON"


def test_a_cancelled_list_tells_of_its_orders():
    leg = {name: PLACED[name] for name in (*ORDER, *STATE)} | {"origClientOrderId": "old"}
    text = json.dumps(
        {
            "orderListId": 4,
            "contingencyType": "OCO",
            "listStatusType": "ALL_DONE",
            "listOrderStatus": "ALL_DONE",
            "listClientOrderId": "list",
            "transactionTime": 5,
            "symbol": "BTCUSDT",
            "orders": [{"symbol": "BTCUSDT", "orderId": 12, "clientOrderId": "mine"}],
            "orderReports": [leg],
        }
    )
    report = msgspec.json.decode(text, type=results.CancelReport)
    assert (report.order_list_id, report.contingency_type, report.order_id) == (4, "OCO", None)
    assert report.orders == [results.ListedOrder("BTCUSDT", 12, "mine")]
    assert [one.orig_client_order_id for one in report.order_reports] == ["old"]


def account(balances):
    rates = results.CommissionRates(Decimal(0), Decimal(0), Decimal(0), Decimal(0))
    return results.Account(
        maker_commission=0,
        taker_commission=0,
        buyer_commission=0,
        seller_commission=0,
        can_trade=True,
        can_withdraw=True,
        can_deposit=True,
        commission_rates=rates,
        update_time=0,
        balances=balances,
    )


def test_a_balance_that_is_not_there_is_zero():
    bitcoin = results.Balance("BTC", Decimal(1), Decimal(2))
    assert account([bitcoin]).balance("BTC") == bitcoin
    assert account([bitcoin]).balance("ETH") == results.Balance("ETH", Decimal(0), Decimal(0))


def test_the_repr_of_a_session_does_not_show_its_key():
    info = results.SessionInfo("secretsecret", 2, 1, True, 3)
    assert repr(info) == "<SessionInfo of secr… since 2>"
    assert repr(results.SessionInfo(None, None, 1, True, 3)) == "<SessionInfo of nobody since 1>"
