import fcntl
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.client.budget import ALWAYS_MS, Budget, Charge
from bwsresearch.client.ledger import Ledger, path_of

NOW_MS = 1_700_000_000_000
CURE = "set BWS_STATE_DIR to a folder of yours"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weight" / "server.json"


def charged(ledger, weight):
    return ledger.turn(lambda budget: budget.charge(weight, NOW_MS))


def used(ledger):
    return ledger.look().used


def test_a_server_has_a_file_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("BWS_STATE_DIR", str(tmp_path))
    names = ["wss://a:443", "wss://a", "ws://[::1]:9443", "wss://../../etc"]
    paths = {path_of(name) for name in names}
    assert len(paths) == 4
    assert {path.parent for path in paths} == {tmp_path / "weight"}


def test_without_a_folder_of_choice_it_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.delenv("BWS_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in path_of("ws://a").parents


def test_a_look_makes_no_file(path):
    assert Ledger(path).look() == Budget()
    assert not path.parent.exists()


def test_what_one_charges_all_know(path):
    one, other = Ledger(path), Ledger(path)
    charge = charged(one, 20)
    charged(other, 4)
    assert used(one) == used(other) == 24
    one.note(lambda budget: budget.settle(charge, NOW_MS, NOW_MS, 20))
    assert used(other) == 24


def test_the_file_is_for_its_owner_alone(path):
    charged(Ledger(path), 1)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_deleted_begins_anew(path):
    ledger = Ledger(path)
    charged(ledger, 20)
    path.unlink()
    charged(ledger, 4)
    assert used(Ledger(path)) == 4


WHOLE = b'{"limit":6000,"interval":"MINUTE","interval_num":1,"pending":7}'


@pytest.mark.parametrize(
    "text",
    [
        b"",
        WHOLE[:30],
        b"\0" * 512,
        b"\xff\xfe" * 100,
        b"[1,2]",
        b'{"limit":-5}',
        b'{"limit":"6000"}',
        b'{"limit":6000,"someone":"else"}',
        b'{"interval_num":0}',
        b'{"banned_until_ms":1.5}',
        WHOLE + b" " * 5000,
        b"x" * 100_000,
    ],
)
def test_a_torn_or_foreign_file_counts_as_empty_and_is_replaced(path, text):
    path.parent.mkdir()
    path.write_bytes(text)
    ledger = Ledger(path)
    if text != WHOLE + b" " * 5000:  # its beginning is whole: what counts is the length
        assert ledger.look() == Budget()
    charged(ledger, 20)
    assert used(Ledger(path)) >= 20
    assert path.stat().st_size == 512


@given(text=st.binary(max_size=600))
def test_no_file_is_an_error(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(text)
    assert isinstance(charged(Ledger(path), 1), Charge)


def test_any_budget_fits_into_the_file(path):
    most = 2**40
    budget = Budget(
        limit=most,
        interval="SECOND",
        interval_num=10_000,
        is_told=True,
        window=-(2**60),
        seen=most,
        blind=most,
        blind_ms=2**60,
        pending=most,
        carried=most,
        late=most,
        blocked_until_ms=2**60,
        banned_until_ms=2**60,
        offset_ms=-(2**60),
        error_ms=2**60,
        learned_ms=ALWAYS_MS,
    )
    ledger = Ledger(path, budget)

    def copy(into):
        for name in Budget.__struct_fields__:
            setattr(into, name, getattr(budget, name))

    ledger.turn(copy)
    assert path.stat().st_size == 512
    assert ledger.look() == budget


def locked(path):
    """Lock the file as another process does; close what is returned to let go."""
    file = os.open(path, os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def test_a_turn_of_another_is_not_waited_for(path):
    ledger = Ledger(path)
    charge = charged(ledger, 20)
    other = locked(path)
    assert charged(ledger, 4) is None
    ledger.note(lambda budget: budget.settle(charge, NOW_MS, NOW_MS))
    ledger.note(lambda budget: budget.ban(NOW_MS + 5000))
    assert used(ledger) == 20
    os.close(other)
    charged(ledger, 4)
    assert used(ledger) == 24
    assert ledger.look().banned_ms(NOW_MS) == 5000
    assert ledger.look().pending == 4


def test_a_dead_process_leaves_no_lock(path):
    charged(Ledger(path), 1)
    dies = "import fcntl, os, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX); os._exit(0)"
    subprocess.run([sys.executable, "-c", dies, path], check=True)
    assert isinstance(charged(Ledger(path), 1), Charge)


def test_an_exception_changes_nothing_and_lets_go(path):
    ledger = Ledger(path)
    charged(ledger, 20)

    def fail(budget):
        budget.charge(5, NOW_MS)
        raise ValueError

    with pytest.raises(ValueError):
        ledger.turn(fail)
    assert used(Ledger(path)) == 20
    assert charged(ledger, 1) is not None


def test_a_folder_that_cannot_be_made_is_said_once_and_memory_goes_on(tmp_path):
    (tmp_path / "file").write_text("in the way")
    ledger = Ledger(tmp_path / "file" / "server.json")
    with pytest.warns(RuntimeWarning, match=rf"server.json cannot be written .*{CURE}"):
        charged(ledger, 20)
    charged(ledger, 4)
    assert used(ledger) == 24
    assert ledger.path is None


def test_a_disk_that_is_full_is_said_once_and_memory_goes_on():
    ledger = Ledger(path_of("x").parent.parent / "full")
    ledger.path.parent.mkdir(parents=True)
    ledger.path.symlink_to("/dev/full")
    with pytest.warns(RuntimeWarning, match=rf"full cannot be written .*{CURE}"):
        charged(ledger, 20)
    charged(ledger, 4)
    assert used(ledger) == 24


def test_a_request_and_its_reply_take_less_than_100_microseconds(path):
    ledger = Ledger(path)
    ledger.turn(lambda budget: budget.learn_time(NOW_MS, NOW_MS, NOW_MS))
    quickest = min(_charge_and_settle(ledger) for _ in range(2000))
    assert quickest < 100e-6


def _charge_and_settle(ledger):
    began = time.perf_counter()
    charge = charged(ledger, 2)
    ledger.note(lambda budget: budget.settle(charge, NOW_MS, NOW_MS, 2))
    return time.perf_counter() - began


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_that_is_forked_in_the_middle_of_a_turn_keeps_no_lock(path):
    ledger, children = Ledger(path), []
    ears, mouth = os.pipe()

    def act(budget):
        if not (child := os.fork()):
            os.close(mouth)
            os.read(ears, 1)  # until the test lets go
            os._exit(0)
        children.append(child)
        return budget.charge(7, NOW_MS)

    ledger.turn(act)
    try:
        assert Ledger(path).turn(lambda budget: budget.used) == 7
    finally:
        os.close(mouth)
        os.waitpid(children[0], 0)
        os.close(ears)
