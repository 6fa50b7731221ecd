import pytest

from bwsresearch.protocol import methods
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.params import Pairs, parse, read

LONGER = "Illegal characters found in parameter '{}'; legal range is '^[0-9]{{1,20}}$'."
MANDATORY = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."


@pytest.mark.parametrize(
    ("kind", "text", "code", "msg"),
    [
        (methods.Depth, "{}", -1102, MANDATORY.format("symbol")),
        (methods.Depth, '{"symbol":""}', -1102, MANDATORY.format("symbol")),
        (methods.Depth, '{"symbol":"A","limit":""}', -1105, "Parameter 'limit' was empty."),
        (methods.Depth, '{"symbol":"A","limit":0}', -1102, MANDATORY.format("limit")),
        (methods.Depth, '{"symbol":"A","limit":-1}', -1100, LONGER.format("limit")),
        (methods.Depth, '{"symbol":"A","limit":1e3}', -1100, LONGER.format("limit")),
        (
            methods.Depth,
            '{"symbol":"btcusdt"}',
            -1100,
            (
                r"Illegal characters found in parameter 'symbol'; "
                r"legal range is '^[\w\-._&&[^a-z]]{1,50}$'."
            ),
        ),
        (
            methods.TradesHistorical,
            '{"symbol":"A","fromId":9223372036854775808}',
            -1108,
            "Parameter 'fromId' overflowed.",
        ),
        (
            methods.Depth,
            '{"symbol":"A","symbol":"B"}',
            -1101,
            "Duplicate values for a parameter detected.",
        ),
        (
            methods.Ping,
            '{"a":1}',
            -1104,
            "Not all sent parameters were read; read '0' parameter(s) but was sent '1'.",
        ),
        (
            methods.Ping,
            '{"a":1,"b":2}',
            -1101,
            "Too many parameters; expected '1' and received '2'.",
        ),
        (
            methods.TickerPrice,
            '{"symbol":"A","symbols":["B"]}',
            -1128,
            "Combination of optional parameters invalid.",
        ),
        (methods.Ticker24hr, '{"symbol":"A","type":"X"}', -1139, "Invalid ticker type."),
        (methods.Depth, '{"symbol":"A","symbolStatus":"X"}', -1122, "Invalid symbolStatus."),
    ],
)
def test_a_bad_parameter_gets_the_exchanges_own_code_and_message(kind, text, code, msg):
    with pytest.raises(Refusal) as caught:
        read(kind, parse(text))
    assert (caught.value.body.code, caught.value.body.msg) == (code, msg)


@pytest.mark.parametrize("symbols", ['["A","B"]', '"[\\"A\\",\\"B\\"]"'])
def test_lists_are_read_as_arrays_and_as_text(symbols):
    assert read(methods.TickerPrice, parse(f'{{"symbols":{symbols}}}')) == methods.TickerPrice(
        symbols=["A", "B"]
    )


def test_limits_above_the_maximum_are_clamped_and_numbers_may_be_text():
    assert read(methods.Depth, parse('{"symbol":"A","limit":"5001"}')) == methods.Depth(
        "A", limit=5000
    )


def test_an_api_key_on_a_public_request_is_ignored():
    assert read(methods.Ping, parse('{"apiKey":"x"}')) == methods.Ping()


@pytest.mark.parametrize("text", ["{", "NaN", "[" * 50_000])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(ValueError):
        parse(text)


def test_numbers_keep_their_text():
    assert parse('{"a":0.10,"b":[1e-7]}') == Pairs([("a", "0.10"), ("b", ["1e-7"])])
