"""An exchange and its journal: opened, taken up again, and refused."""

import datetime as dt
import gc

import pytest

from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.keyring import ApiKey
from bwsresearch.exchange.opening import AccountSpec
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.journals import ClientJournal, JournalError, JournalFile, read
from bwsresearch.local import LocalEndpoint, Onward, office_of, running_from

NOON = 1_706_702_400_000
KEY = "k" * 64
SELF = Config.of({"model": {"id": "self@1"}})


def account(name="alice", key=KEY):
    return AccountSpec(name, {"USDT": 10**12}, keys=[ApiKey(key, name, None)])


@pytest.fixture(scope="module")
def market():
    return SyntheticMarket()


@pytest.fixture
def office(market, tmp_path):
    made = []

    def open_(*accounts, journal=tmp_path, config=SELF, clock=lambda: NOON, **options):
        specs = accounts or [account()]
        made.append(office_of(market, specs, config, clock=clock, journal=journal, **options))
        return made[-1]

    yield open_
    for one in made:
        one.close()


def order(market, office, **more):
    client = Client(LocalEndpoint(Gateway(market, SELF, office), lambda: NOON, KEY))
    terms = {"side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "price": 100, "quantity": 1}
    report = client.order_place(
        "BTCUSDT", **{**terms, "price": "14000", "quantity": "0.01", **more}
    )
    client.close()
    return report


def test_an_exchange_goes_on_where_it_ended(market, office, tmp_path):
    first = office()
    order(market, first)
    hash_ = first.state_hash()
    first.close()
    second = office()
    assert second.state_hash() == hash_
    assert order(market, second).order_id == 2
    records = read(tmp_path).records
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    (note,) = (record for record in records if record["k"] == "note")
    assert (note["text"], note["hash"]) == ("recovered", hash_)


def test_a_clean_end_is_recorded_with_the_state(market, office, tmp_path):
    first = office()
    order(market, first)
    hash_ = first.state_hash()
    first.close()
    first.close()
    *_, snap, end = read(tmp_path).records
    assert (snap["k"], snap["hash"], end["k"]) == ("snap", hash_, "close")
    assert snap["t"] == end["t"] == NOON * 1_000_000
    assert office().state_hash() == hash_


def test_the_folder_is_held_before_it_is_read(office, tmp_path):
    first = office()
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("ab") as writing:
        writing.write(b'{"v":1,"seq":')  # a line that somebody is in the middle of
    before = file.read_bytes()
    with pytest.raises(JournalError, match="is written already"):
        office()
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("*.torn"))
    first.close(is_clean=False)
    office()
    assert len(list(tmp_path.glob("*.torn"))) == 1


def test_an_exchange_that_cannot_go_on_lets_go_of_the_folder(market, office, tmp_path):
    first = office()
    order(market, first)
    first.close()
    strange = account("bob", "b" * 64)
    with pytest.raises(ValueError, match="account bob is not in the journal in"):
        office(account(), strange)
    with pytest.raises(ValueError, match=r"was written on local-.*, not on local-"):
        office_of(SyntheticMarket(2), [account()], SELF, clock=lambda: NOON, journal=tmp_path)
    office()


def test_a_journal_that_leads_nowhere_is_left_as_it_is(market, office, tmp_path):
    first = office()
    order(market, first)
    first.close()
    (file,) = tmp_path.glob("*.jsonl")
    with JournalFile(tmp_path / "other", "1") as other:
        lines = file.read_bytes().splitlines(keepends=True)
        other.write(b"".join(line for line in lines if b'"k":"open"' not in line))
    with pytest.raises(JournalError, match=r"must begin with 'open'; move it away"):
        office(journal=tmp_path / "other")
    ClientJournal(tmp_path / "client").close()
    assert office(journal=tmp_path / "client").engine.accounts["alice"].free["USDT"] == 10**12


def test_a_resumed_exchange_has_the_settings_that_it_had(market, office):
    office(config=Config.of({"model": {"id": "trades@1"}, "seed": 5})).close()
    again = office(config=Config())
    assert (again.model, again.journal.model("BTCUSDT"), again.engine.seed) == (
        "trades@1",
        "trades@1",
        5,
    )
    assert again.engine.venues["BTCUSDT"].model == "trades@1"
    assert order(market, again).order_id == 1


def test_time_goes_on_from_where_it_ended(office):
    later = Onward(lambda: NOON + 5000)
    office(clock=later).close()
    sooner = Onward(lambda: NOON)
    office(clock=sooner).close()
    assert sooner() == NOON + 5000
    running = running_from(dt.datetime(2024, 1, 31, 12, tzinfo=dt.UTC))
    office(clock=running).close()
    assert NOON + 5000 <= running() < NOON + 65_000


def test_without_a_folder_nothing_is_recorded(market, office):
    silent = office(journal=None)
    assert order(market, silent).order_id == 1
    assert silent.journal is None
    gc.collect()


def test_a_salt_makes_journals_equal_and_a_random_one_does_not(office, tmp_path):
    texts = []
    for name, salt in (("a", "s"), ("b", "s"), ("c", None), ("d", None)):
        office(journal=tmp_path / name, salt=salt).close()
        texts.append((next((tmp_path / name).glob("*.jsonl"))).read_bytes())
    assert texts[0] == texts[1]
    assert texts[2] != texts[3]
