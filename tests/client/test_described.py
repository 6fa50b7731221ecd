import inspect
import pydoc
import re
import typing

import pytest

from bwsresearch.client.aio import AsyncClient
from bwsresearch.client.described import method_name
from bwsresearch.client.sync import Client
from bwsresearch.protocol import methods, results
from bwsresearch.protocol.request import result_type

BUILT = [kind for kind in methods.CATALOGUE.values() if hasattr(Client, method_name(kind))]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (methods.Ticker24hr, "ticker_24hr"),
        (methods.TradesAggregate, "trades_aggregate"),
        (methods.ExchangeInfo, "exchange_info"),
        (methods.UiKlines, "ui_klines"),
        (methods.Ping, "ping"),
    ],
)
def test_names_are_the_wires_in_snake_case(kind, name):
    assert method_name(kind) == name


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("kind", BUILT, ids=lambda kind: kind.method)
def test_every_method_has_the_face_of_its_request(client, kind):
    method = getattr(client, method_name(kind))
    asked = inspect.signature(kind).parameters.values()
    itself, *shown = inspect.signature(method).parameters.values()
    assert itself.name == "self"
    assert [(one.name, one.kind, one.default) for one in shown] == [
        (one.name, one.kind, one.default) for one in asked
    ]
    hints = typing.get_type_hints(kind)
    assert [one.annotation for one in shown] == [hints[one.name] for one in shown]
    assert inspect.signature(method).return_annotation == result_type(kind)
    assert method.__name__ == method_name(kind)
    assert method.__qualname__ == f"{client.__name__}.{method_name(kind)}"
    assert inspect.iscoroutinefunction(method) is (client is AsyncClient)
    assert inspect.getdoc(method).startswith(inspect.getdoc(kind))


def test_a_signature_reads_like_the_documentation():
    assert str(inspect.signature(Client.depth)).startswith(
        "(self, /, symbol: str, *, limit: int | None = None, symbol_status: "
    )
    assert inspect.signature(Client.klines).return_annotation == list[results.Kline]


def test_the_text_tells_weight_source_limits_units_and_errors():
    assert inspect.getdoc(Client.klines) == (
        "Return bars by open time (both ends included), oldest first; the last may still be "
        "running.\n\n"
        'One request `klines`; weight 2. Source: web-socket-api.md "Klines".\n\n'
        "Args:\n"
        "    symbol: such as BTCUSDT.\n"
        "    interval: 1s, 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M.\n"
        "    start_time: epoch milliseconds, or microseconds.\n"
        "    end_time: epoch milliseconds, or microseconds.\n"
        "    time_zone: hours and minutes ahead of UTC, such as 5:45; 0 when left out.\n"
        "    limit: at most 1000; 500 when left out.\n\n"
        "Raises:\n    BinanceError: the exchange's refusal, or Timeout, or Disconnected."
    )
    assert "Args" not in inspect.getdoc(Client.ping)


def test_help_shows_the_method():
    text = re.sub(r"[\s|]+", " ", pydoc.render_doc(Client, renderer=pydoc.plaintext))
    assert re.search(r"depth\( ?self, /, symbol: str,", text) is not None


def test_a_wrong_argument_is_a_type_error_before_anything_is_sent():
    client = Client("ws://127.0.0.1:1")
    with pytest.raises(TypeError):
        client.depth("BTCUSDT", levels=5)
    with pytest.raises(TypeError):
        client.klines("BTCUSDT")
    assert not client.is_open
