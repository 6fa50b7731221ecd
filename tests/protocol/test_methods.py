import inspect
import json
import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwsresearch.protocol import methods, results
from bwsresearch.protocol.methods import CATALOGUE
from bwsresearch.protocol.params import parse, reading
from bwsresearch.protocol.placement import checked
from bwsresearch.protocol.request import declared, result_type
from bwsresearch.protocol.session import ClientSession, ServerSession
from bwsresearch.protocol.signing import Key

MISSION = [
    "order.place",
    "order.test",
    "order.cancel",
    "openOrders.cancelAll",
    "account.status",
    "order.status",
    "openOrders.status",
    "allOrders",
    "myTrades",
    "ping",
    "time",
    "exchangeInfo",
    "depth",
    "trades.recent",
    "trades.historical",
    "trades.aggregate",
    "klines",
    "avgPrice",
    "ticker.24hr",
    "ticker.price",
    "ticker.book",
]
CREDENTIALS = {"apiKey", "recvWindow", "signature", "timestamp"}


def documented():
    """Return the facts of every documented method by name, none without real data."""
    folder = os.environ.get("BWS_REAL_DATA")
    path = Path(folder, "doc_examples", "catalogue.json") if folder else None
    return {one["method"]: one for one in json.loads(path.read_text())} if path else {}


DOCUMENTED = documented()
needs_documents = pytest.mark.skipif(
    not DOCUMENTED, reason="BWS_REAL_DATA does not name a folder of recorded data"
)
each_method = pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)


def test_the_catalogue_has_every_method_of_the_mission():
    assert set(MISSION) <= CATALOGUE.keys()


# ---- facts, as documented ------------------------------------------------------------------------

# Since 2026-04-02 success is free for these; the tables of the documentation still show 1.
FREE_ON_SUCCESS = {
    "order.place",
    "order.cancel",
    "order.cancelReplace",
    "openOrders.cancelAll",
}
# Two rows of three: the third is an invalid symbol, which is known after the charge only.
PREVENTED = [["If symbol is invalid", "2"], ["Querying by preventedMatchId", "2"]]


@needs_documents
def test_methods_stand_in_the_order_of_the_documentation():
    assert list(CATALOGUE) == [name for name in DOCUMENTED if name in CATALOGUE]


@needs_documents
@each_method
def test_a_method_says_what_is_documented_of_it(kind):
    document = DOCUMENTED[kind.method]
    assert kind.heading == document["title"]
    assert kind.security == document["security"]
    assert kind.source == document["data_source"]
    assert kind.counts_orders == (document["unfilled_order_count"] or 0)


@needs_documents
@each_method
def test_exactly_the_documented_parameters_are_read_and_demanded(kind):
    document = DOCUMENTED[kind.method]["parameters"]
    names = {one["name"]: one["mandatory"] for one in document}
    if kind.security != "NONE":
        assert names.keys() >= CREDENTIALS
        names = {name: names[name] for name in names.keys() - CREDENTIALS}
    assert {param.wire: param.mandatory for param in declared(kind)} == {
        name: mandatory == "yes" for name, mandatory in names.items()
    }
    one_of = {name for name, mandatory in names.items() if mandatory == "one_of"}
    if one_of:
        assert set(kind.either) == one_of


@needs_documents
@each_method
def test_words_defaults_and_maxima_are_the_documented_ones(kind):
    document = {one["name"]: one for one in DOCUMENTED[kind.method]["parameters"]}
    for param in declared(kind):
        if words := document[param.wire].get("enum"):
            assert set(param.values) == set(words), param.wire
        if param.wire == "limit":
            assert str(param.default) == document["limit"]["default"]
            assert param.maximum == document["limit"]["max"]


@needs_documents
@each_method
def test_weights_are_the_documented_ones(kind):
    weight = DOCUMENTED[kind.method]["weight"]
    if kind.method in FREE_ON_SUCCESS:
        assert weight == {"kind": "fixed", "value": 1}
        assert (kind.weight_rule.minimum, kind.weight_rule.refund) == (1, 1)
        return
    assert kind.weight_rule.refund == 0
    if weight["kind"] == "fixed":
        assert str(kind.weight_rule) == str(weight["value"])
    elif kind.method == "myPreventedMatches":
        assert weight["rows"][:2] == PREVENTED
        assert weight["rows"][2:] == [["Querying by orderId", "20"]]
    else:
        shown = {
            int(word) for word in str(kind.weight_rule).replace(",", "").split() if word.isdigit()
        }
        assert shown >= {int(row[-1]) for row in weight["rows"]}


ORDER = {"side": "BUY", "type": "LIMIT"}


@pytest.mark.parametrize(
    ("request_", "weight"),
    [
        (methods.Ping(), 1),
        (methods.ExchangeInfo(), 20),
        (methods.Depth("A"), 5),
        (methods.Depth("A", limit=101), 25),
        (methods.Depth("A", limit=5000), 250),
        (methods.TradesRecent("A"), 25),
        (methods.TradesAggregate("A"), 4),
        (methods.Klines("A", "1h"), 2),
        (methods.Ticker24hr("A"), 2),
        (methods.Ticker24hr(symbols=["A"] * 21), 40),
        (methods.Ticker24hr(), 80),
        (methods.TickerPrice("A"), 2),
        (methods.TickerBook(symbols=["A"]), 4),
        (methods.OrderPlace("A", **ORDER), 1),
        (methods.OrderTest("A", **ORDER), 1),
        (methods.OrderTest("A", **ORDER, compute_commission_rates=False), 1),
        (methods.OrderTest("A", **ORDER, compute_commission_rates=True), 20),
        (methods.OrderAmendKeepPriority("A", order_id=1, new_qty=1), 4),
        (methods.OpenOrdersStatus("A"), 6),
        (methods.OpenOrdersStatus(), 80),
        (methods.MyTrades("A"), 20),
        (methods.MyTrades("A", order_id=0), 5),
        (methods.MyPreventedMatches("A", prevented_match_id=1), 2),
        (methods.MyPreventedMatches("A", order_id=1), 20),
        (methods.MyFilters("A"), 40),
        (methods.SessionStatus(), 2),
    ],
)
def test_weights_follow_from_the_parameters(request_, weight):
    assert request_.weight == weight
    assert request_.weight_rule.minimum <= weight


def test_a_weight_rule_says_what_it_is():
    assert {str(kind.weight_rule) for kind in CATALOGUE.values() if kind.security == "TRADE"} == {
        "0, 1 when refused",
        "20 with compute_commission_rates, 1 without",
        "4",
    }


def test_what_must_not_be_sent_twice_is_known():
    assert {name for name, kind in CATALOGUE.items() if not kind.is_read} == {
        "order.place",
        "order.cancel",
        "order.cancelReplace",
        "order.amend.keepPriority",
        "openOrders.cancelAll",
    }


@each_method
def test_a_method_is_described_in_one_line(kind):
    first, _, rest = inspect.getdoc(kind).partition("\n")
    assert first.endswith(".")
    assert not rest


@each_method
def test_a_symbol_is_the_only_parameter_that_may_be_positional_beside_an_interval(kind):
    places = [
        name
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    assert places in ([], ["symbol"], ["symbol", "interval"])


# ---- from the caller to the wire and back --------------------------------------------------------


def test_only_what_is_given_is_sent():
    request = methods.Klines("BTCUSDT", "1h", start_time=3)
    assert request.params() == {"symbol": "BTCUSDT", "interval": "1h", "startTime": 3}


def test_parameters_are_declared_in_the_order_in_which_they_are_read():
    assert [(p.wire, p.mandatory) for p in declared(methods.TradesAggregate)] == [
        ("symbol", True),
        ("fromId", False),
        ("startTime", False),
        ("endTime", False),
        ("limit", False),
    ]
    order = [param.wire for param in declared(methods.OrderPlace)]
    assert order[:8] == [
        "symbol",
        "side",
        "type",
        "timeInForce",
        "quantity",
        "quoteOrderQty",
        "price",
        "newClientOrderId",
    ]
    replace = [param.wire for param in declared(methods.OrderCancelReplace)]
    assert replace[:7] == [
        "symbol",
        "cancelReplaceMode",
        "cancelOrderId",
        "cancelOrigClientOrderId",
        "cancelNewClientOrderId",
        "cancelRestrictions",
        "orderRateLimitExceededMode",
    ]
    assert replace[7:] == order[1:]


def test_amounts_may_be_given_in_any_form_and_are_sent_as_text():
    order = {"side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
    forms = [
        methods.OrderPlace("A", **order, quantity=quantity, price=price)
        for quantity, price in [
            ("0.0000001", "60000"),
            (1e-7, 60_000),
            (Decimal("1E-7"), Decimal("6E+4")),
        ]
    ]
    assert forms[0] == forms[1] == forms[2]
    assert forms[1].params() == {
        "symbol": "A",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.0000001",
        "price": "60000",
    }


def test_a_wrong_amount_is_named_where_it_is_given():
    with pytest.raises(ValueError, match="stop_price is 'low', must be a number"):
        methods.OrderPlace("A", side="BUY", type="STOP_LOSS", stop_price="low")


SYMBOLS = st.from_regex(r"\A[A-Z0-9\-._]{1,50}\Z")
AMOUNTS = st.decimals(min_value=0, max_value=10**20 - 1, places=8)


def documented_requests():
    folder = os.environ.get("BWS_REAL_DATA")
    for path in sorted(Path(folder, "doc_examples", "ws_api").glob("*.json")) if folder else []:
        for one in json.loads(path.read_text())["requests"]:
            if one["frame"].get("method") in CATALOGUE:
                yield pytest.param(one["frame"], id=f"{path.stem}-{one['line']}")


@needs_documents
@pytest.mark.parametrize("frame", list(documented_requests()))
def test_a_documented_request_is_read_and_means_the_same_when_we_write_it(frame):
    call = ServerSession().receive(json.dumps(frame))
    found = reading(CATALOGUE[call.method], call.params)
    assert checked(found.request) is found.request
    params, others = frame.get("params", {}), {*CREDENTIALS, "returnRateLimits"}
    sent = {name: text for name, text in params.items() if name not in others}
    assert {name: str(value) for name, value in found.request.params().items()} == {
        name: str(value) for name, value in sent.items()
    }


VALUES = {
    "SYMBOL": SYMBOLS,
    "INTERVAL": st.text(min_size=1),
    "STRING": st.text(min_size=1),
    "CLIENT_ID": st.from_regex(r"\A[a-zA-Z0-9\-_]{1,36}\Z"),
    "INT": st.integers(1, 1000),
    "LONG": st.integers(0, 2**63 - 1),
    "DECIMAL": AMOUNTS
    | AMOUNTS.map(str)
    | st.integers(0, 10**20 - 1)
    | st.integers(0, 10**9).map(lambda number: number / 10**4),
    "BOOLEAN": st.booleans(),
    "ARRAY": st.lists(SYMBOLS, min_size=1, max_size=3),
}


@st.composite
def requests(draw, kind):
    """Draw a request whose parameters may stand together, each given or not."""
    given = {}
    for param in declared(kind):
        of = st.sampled_from(param.values) if param.kind == "ENUM" else VALUES[param.kind]
        given[param.wire] = draw(of if param.mandatory else st.none() | of)
    for one, other in kind.exclusive:
        if given[one] is not None:
            given[other] = None
    if kind.either and all(given[wire] is None for wire in kind.either):
        given[kind.either[-1]] = 1
    names = {param.wire: param.name for param in declared(kind)}
    return kind(**{names[wire]: value for wire, value in given.items()})


@each_method
@settings(max_examples=25)  # of each method
@given(st.data())
def test_what_a_client_writes_is_read_as_the_same_request(kind, data):
    request = data.draw(requests(kind))
    client = ClientSession(Key("k" * 64, "secret"), recv_window=1.5)
    call = ServerSession().receive(client.send(request, now_ms=1_700_000_000_000)[1])
    assert call.method == kind.method
    found = reading(kind, call.params)
    assert found.request == request
    assert (found.credentials is None) == (kind.security == "NONE")


@each_method
@settings(max_examples=25)  # of each method
@given(st.data())
def test_numbers_and_booleans_may_come_as_text(kind, data):
    request = data.draw(requests(kind))
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in request.params().items()
    }
    if kind.security != "NONE":
        texts |= {"apiKey": "k", "timestamp": "1", "signature": "s"}
    assert reading(kind, parse(json.dumps(texts))).request == request


def test_a_kline_row_becomes_a_typed_record():
    row = b'[[1,"1.10","2","0.5","1.5","9",2,"10",3,"4","5","0"]]'
    (kline,) = msgspec.json.decode(row, type=result_type(methods.Klines))
    assert kline == results.Kline(
        1, Decimal("1.10"), Decimal(2), Decimal("0.5"), Decimal("1.5"), Decimal(9),
        2, Decimal(10), 3, Decimal(4), Decimal(5),
    )  # fmt: skip
