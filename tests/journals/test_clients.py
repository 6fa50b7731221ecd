"""What a client records of real orders, and that no secret is ever among it."""

import asyncio
import base64
import gc
import json
import logging
import os
import subprocess
import sys
import traceback
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

import bwsresearch as bws
from bwsresearch import server
from bwsresearch.client.access import Access
from bwsresearch.client.sync import Client
from bwsresearch.errors import Disconnected
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.journal import Journal
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.opening import AccountSpec, opened
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.journals import ClientJournal, Frames, JournalError, JournalFile, read
from bwsresearch.local import LocalEndpoint, default
from bwsresearch.protocol.methods import OrderPlace
from bwsresearch.protocol.signing import Key

NOON = 1_706_702_400_000
UNIT = 10**8
NAME = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = (
    "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"  # the documentation's own
)
LIMIT = {"side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "price": "20000"}


@pytest.fixture(autouse=True)
def _no_default(monkeypatch):
    monkeypatch.setattr(default, "_default", [])


@pytest.fixture(scope="module")
def market():
    return SyntheticMarket()


def exchange(market, public=None, journal=None):
    """An exchange with one account; a key without a public part is that of connections in here."""
    config = Config.of({"model": {"id": "self@1"}})
    rich = {"USDT": 10**6 * UNIT}
    account = AccountSpec("alice", rich, keys=[ApiKey(NAME, "alice", public)])
    office = opened(market, [account], config, now_ms=NOON, journal=journal, salt="s")
    return Gateway(market, config, office)


@dataclass
class Breaking:
    """A connection that does something when an order has reached the exchange."""

    inner: LocalEndpoint
    act: object
    is_production = False
    name = "wss://example.org"

    async def connect(self):
        return _Breaking(await self.inner.connect(), self)


@dataclass
class _Breaking:
    inner: object
    breaking: Breaking
    is_vouched_for = True
    headers: dict = field(default_factory=dict)
    is_hit: bool = False

    async def send(self, frame):
        self.is_hit = b'"order.place"' in frame
        await self.inner.send(frame)

    async def receive(self):
        frame = await self.inner.receive()
        if self.is_hit:
            self.is_hit = False
            await self.breaking.act()
        return frame

    async def close(self):
        await self.inner.close()


def client_of(endpoint, folder, **options):
    return Client(endpoint, access=Access(recorder=ClientJournal.of(folder)), **options)


@pytest.fixture
def local(market):
    return LocalEndpoint(exchange(market), lambda: NOON, NAME)


# ---- what is recorded


def test_orders_are_recorded_with_what_came_of_them(local, tmp_path):
    client = client_of(local, tmp_path)
    placed = client.order_place("BTCUSDT", **LIMIT, quantity="0.01")
    client.order_test("BTCUSDT", **LIMIT, quantity=1)
    client.order_cancel("BTCUSDT", order_id=placed.order_id)
    with pytest.raises(bws.UnknownOrder):
        client.order_cancel("BTCUSDT", order_id=placed.order_id)
    client.open_orders_status()
    client.klines("BTCUSDT", "1h")
    table = Frames.of(tmp_path).requests()
    assert table["method"].tolist() == ["order.place", "order.test", "order.cancel", "order.cancel"]
    assert table["status"].tolist() == [200, 200, 200, 400]
    assert table["code"].tolist() == [0, 0, 0, -2011]
    assert table["order_id"].tolist() == [1, 0, 1, 1]
    assert table["client_order_id"].tolist()[0] == placed.client_order_id
    assert table["outcome"].tolist()[-1] == "UnknownOrder"
    assert (table["latency_us"] > 0).all()
    client.close()


def test_a_request_is_on_disk_before_it_leaves(market, local, tmp_path):
    seen = []

    class Looking(Gateway):
        def handle(self, call, session, address, now_ms):
            seen.append([r["k"] for r in read(tmp_path).records])
            return super().handle(call, session, address, now_ms)

    gateway = Looking(market, office=local.gateway.office)
    client = client_of(LocalEndpoint(gateway, lambda: NOON, NAME), tmp_path)
    client_of(local, tmp_path).order_test("BTCUSDT", **LIMIT, quantity=1)
    client.order_place("BTCUSDT", **LIMIT, quantity="0.01")
    assert seen[-1] == ["req", "res", "req"]


def test_an_order_whose_reply_is_lost_is_recorded_as_unknown_and_can_be_asked_for(local, tmp_path):
    async def lose():
        raise Disconnected("the line is cut")

    client = client_of(Breaking(local, lose), tmp_path)
    with pytest.raises(bws.OutcomeUnknown, match="query newClientOrderId=") as caught:
        client.order_place("BTCUSDT", **LIMIT, quantity="0.01")
    (row,) = Frames.of(tmp_path).requests().itertuples()
    assert (row.outcome, row.status, row.code) == ("OutcomeUnknown", 0, 0)
    assert row.client_order_id == caught.value.client_order_id
    told = client.order_status("BTCUSDT", orig_client_order_id=row.client_order_id)
    assert (told.status, told.order_id) == ("NEW", 1)
    assert len(client.all_orders("BTCUSDT")) == 1  # it was never sent again


def test_an_order_without_reply_in_time_is_unknown(local, tmp_path):
    async def wait():
        await asyncio.Event().wait()

    client = client_of(Breaking(local, wait), tmp_path, timeout=0.2)
    with pytest.raises(bws.OutcomeUnknown, match=r"no reply of wss://example\.org within 0\.2 s"):
        client.order_place("BTCUSDT", **LIMIT, quantity="0.01")
    assert Frames.of(tmp_path).requests()["outcome"].tolist() == ["OutcomeUnknown"]


async def test_an_order_that_is_interrupted_is_recorded_so(local, tmp_path):
    reached, client = asyncio.Event(), None
    loop = asyncio.get_running_loop()

    async def wait():
        loop.call_soon_threadsafe(reached.set)
        await asyncio.Event().wait()

    client = client_of(Breaking(local, wait), tmp_path)
    order = asyncio.create_task(client.aio.order_place("BTCUSDT", **LIMIT, quantity="0.01"))
    await reached.wait()
    order.cancel()
    await asyncio.wait({order})
    await client.aio.bridge.await_(asyncio.sleep(0))  # the loop that records has done so
    (row,) = Frames.of(tmp_path).requests().itertuples()
    assert (row.outcome, row.status) == ("CancelledError", 0)
    assert row.client_order_id
    await client.aio.close()


def test_an_order_that_was_not_sent_is_recorded_so(market, tmp_path):
    client = client_of(LocalEndpoint(exchange(market), lambda: NOON), tmp_path)
    with pytest.raises(ValueError, match=r"order\.place needs an API key"):
        client.order_place("BTCUSDT", **LIMIT, quantity="0.01")
    assert Frames.of(tmp_path).requests()["outcome"].tolist() == ["ValueError"]


# ---- the file


def test_a_later_run_goes_on_behind_an_earlier_one(local, tmp_path):
    for count in range(1, 4):
        client = client_of(local, tmp_path)
        client.order_test("BTCUSDT", **LIMIT, quantity=1)
        client.close()
        del client
        gc.collect()
        records = read(tmp_path).records
        assert [record["seq"] for record in records] == list(range(1, 2 * count + 1))
    assert len(read(tmp_path).files) == 3


def test_a_torn_end_is_put_aside_by_the_next_run(local, tmp_path):
    client = client_of(local, tmp_path)
    client.order_test("BTCUSDT", **LIMIT, quantity=1)
    del client
    gc.collect()
    (file,) = read(tmp_path).files
    file.write_bytes(file.read_bytes()[:-9])
    client = client_of(local, tmp_path)
    client.order_test("BTCUSDT", **LIMIT, quantity=1)
    table = Frames.of(tmp_path).requests()
    assert table["status"].tolist() == [0, 200]
    assert len(list(tmp_path.glob("*.torn"))) == 1


def test_clients_of_one_process_may_share_a_folder(local, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    clients = [client_of(local, place) for place in (tmp_path, tmp_path.name, f"{tmp_path}/.")]
    for client in clients:
        client.order_test("BTCUSDT", **LIMIT, quantity=1)
    assert len(Frames.of(tmp_path).requests()) == 3
    assert len(read(tmp_path).files) == 1


def test_another_process_may_not(tmp_path):
    journal = ClientJournal(tmp_path)
    code = "import sys; from bwsresearch.journals import ClientJournal; ClientJournal(sys.argv[1])"
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "is written already, here or by another process" in ran.stderr
    journal.close()
    assert ClientJournal(tmp_path).folder == tmp_path


def test_a_forked_child_does_not_write_into_its_parents_journal(tmp_path):
    journal = ClientJournal.of(tmp_path)
    number = journal.sent(OrderPlace("BTCUSDT", side="BUY", type="MARKET", quantity=1), NOON)
    child = os.fork()
    if child == 0:
        try:
            journal.answered(number, b"{}", NOON)
        except RuntimeWarning as warning:  # warnings are errors here
            os._exit(0 if "forked" in str(warning) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    journal.answered(number, b"{}", NOON)
    assert [record["k"] for record in read(tmp_path).records] == ["req", "res"]


def test_what_cannot_be_recorded_is_not_sent(local, tmp_path):
    client = client_of(local, tmp_path)
    client.aio.access.recorder.close()
    with pytest.raises(JournalError, match="is closed or broken"):
        client.order_place("BTCUSDT", **LIMIT, quantity="0.01")
    assert client.all_orders("BTCUSDT") == []


def test_an_answer_that_cannot_be_recorded_is_given_all_the_same(local, tmp_path):
    journal = ClientJournal.of(tmp_path)

    async def close():
        journal.close()

    client = Client(Breaking(local, close), access=Access(recorder=journal))
    with pytest.warns(RuntimeWarning, match="an answer is not recorded"):
        report = client.order_place("BTCUSDT", **LIMIT, quantity="0.01")
    assert report.order_id == 1


def test_connect_opens_a_journal(tmp_path):
    client = bws.connect("local", journal=tmp_path / "orders")
    client.order_place("BTCUSDT", side="BUY", type="MARKET", quote_order_qty=100)
    assert Frames.of(tmp_path / "orders").requests()["status"].tolist() == [200]
    with pytest.raises(JournalError, match="cannot be written"):
        bws.connect("local", journal=read(tmp_path / "orders").files[0])


# ---- secrets


def keys(kind):
    """Return (what connect takes, the key, everything that must not be found)."""
    if kind == "HMAC":
        return {"api_secret": SECRET}, Key(NAME, SECRET), [SECRET]
    made = ed25519.Ed25519PrivateKey.generate() if kind == "ED25519" else rsa.generate_private_key(
        public_exponent=65537, key_size=2048
    )  # fmt: skip
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    body = [line for line in pem.splitlines() if "-----" not in line]
    return {"private_key": pem}, Key(NAME, pem), [*body, body[0][10:30]]


@dataclass
class Listening(Gateway):
    """Keeps the signatures that it was sent."""

    signatures: list = field(default_factory=list)

    def handle(self, call, session, address, now_ms):
        self.signatures += [value for name, value in call.params if name == "signature"]
        return super().handle(call, session, address, now_ms)


def shown(error):
    """A traceback with everything that a debugger or a notebook may show of it, but this file's."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in told.stack if frame.filename != __file__]
    locals_ = [str(frame.locals) for frame in ours]
    return "".join([*traceback.format_exception(error), repr(error), repr(error.args), *locals_])


@pytest.mark.parametrize("kind", ["HMAC", "RSA", "ED25519"])
def test_no_secret_is_in_any_journal_repr_log_or_traceback(market, tmp_path, kind, caplog):
    caplog.set_level(logging.DEBUG)
    given, key, hidden = keys(kind)
    there, here, texts = tmp_path / "there", tmp_path / "here", []
    with JournalFile(there, "1") as file:
        base = exchange(market, key.public(), Journal(file.write))
        gateway = Listening(market, base.config, base.office)
        with server.hosted(gateway, clock=lambda: NOON) as running:
            client = bws.connect(running.url, api_key=NAME, **given, journal=here)
            if kind == "ED25519":
                texts.append(repr(client.session_logon()))
                client.session_logout()
            report = client.order_place("BTCUSDT", **LIMIT, quantity="0.01")
            texts += [
                repr(report),
                repr(client),
                repr(client.aio),
                repr(client.aio.access),
                repr(vars(client)),
            ]
            texts += [str(bws.all_orders("BTCUSDT", client=client).attrs)]
            for wrong in (
                lambda: client.order_place("BTCUSDT", **LIMIT, quantity="1000"),
                lambda: client.order_cancel("BTCUSDT", order_id=99),
                lambda: client.order_place("BTCUSDT", side="BUY", type="LIMIT", quantity=1),
            ):
                with pytest.raises(bws.BinanceError) as caught:
                    wrong()
                texts.append(shown(caught.value))
            stranger = bws.connect(running.url, api_key=NAME, api_secret="x" * 64, journal=here)
            with pytest.raises(bws.BinanceError) as caught:
                stranger.order_place("BTCUSDT", **LIMIT, quantity="0.01")
            texts.append(shown(caught.value))
            running.drop()
            with pytest.raises(bws.BinanceError) as caught:
                client.order_place("NOPE", **LIMIT, quantity="0.01")
            texts.append(shown(caught.value))
            for one in (client, stranger):
                one.close()
    assert len(gateway.signatures) >= 6
    for folder in (there, here):
        for frame in (Frames.of(folder).requests(), Frames.of(folder).orders()):
            texts += [frame.to_csv(), str(frame.attrs)]
        Frames.of(folder).to_parquet(folder / "tables")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sum(path.suffix == ".jsonl" for path in files) >= 2
    texts.append(caplog.text)
    everything = b"".join(path.read_bytes() for path in files) + "".join(texts).encode()
    quoted = [json.dumps(text).strip('"') for text in gateway.signatures]
    for secret in (NAME, NAME[:20], NAME[-20:], *hidden, *gateway.signatures, *quoted):
        assert secret.encode() not in everything
        assert secret.encode().hex().encode() not in everything
        assert base64.b64encode(secret.encode()) not in everything
