import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bwsresearch.exchange.journal import Journal
from bwsresearch.journals import JournalError, JournalFile, read, taken_up

WRITER = """
import sys
from bwsresearch.exchange.journal import Journal
from bwsresearch.journals import JournalFile
file = JournalFile(sys.argv[1], "run", fsync=sys.argv[2])
journal = Journal(file.write)
for number in range(10**9):
    seq = journal.add("note", number, {"text": "x" * (number % 500)})
    journal.commit()
    print(seq, flush=True)
"""


def write(folder, count=3, run="a", **options):
    with JournalFile(folder, run, **options) as file:
        journal = Journal(file.write)
        for number in range(count):
            journal.add("note", number, {"text": "x" * 100})
            journal.commit()
    return journal


def test_what_was_written_is_read(tmp_path):
    write(tmp_path)
    reading = read(tmp_path)
    assert [(r["seq"], r["k"], r["t"]) for r in reading.records] == [
        (1, "note", 0), (2, "note", 1_000_000), (3, "note", 2_000_000),
    ]  # fmt: skip
    assert (reading.torn, len(reading.files)) == (0, 1)
    assert read(reading.files[0]).records == reading.records


def test_large_journals_go_on_in_another_file(tmp_path):
    write(tmp_path, 20_000, rotate_mb=1)
    reading = read(tmp_path)
    assert len(reading.records) == 20_000
    assert len(reading.files) > 2
    assert max(file.stat().st_size for file in reading.files) <= 1_000_000


@pytest.mark.parametrize("torn", [1, 7, 40])
def test_a_torn_end_is_left_out_and_can_be_put_aside(tmp_path, torn):
    write(tmp_path)
    (file,) = tmp_path.glob("*.jsonl")
    data = file.read_bytes()
    file.write_bytes(data[:-torn])
    reading = read(tmp_path)
    assert len(reading.records) == 2
    aside = reading.mend()
    assert aside.read_bytes() == data.split(b"\n")[2][: len(aside.read_bytes())]
    again = read(tmp_path)
    assert (again.records, again.torn) == (reading.records, 0)


def test_damage_before_the_end_is_an_error_that_names_the_line(tmp_path):
    write(tmp_path)
    (file,) = tmp_path.glob("*.jsonl")
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([lines[0], lines[1].replace(b"x", b"y", 1), *lines[2:]]))
    with pytest.raises(JournalError, match="line 2: the line's checksum does not fit"):
        read(tmp_path)
    file.write_bytes(b"\n".join([lines[0], *lines[2:]]))
    with pytest.raises(JournalError, match="record 3 follows 1; records are missing"):
        read(tmp_path)


def test_only_one_process_writes(tmp_path):
    with JournalFile(tmp_path, "a"):
        code = "import sys; from bwsresearch.journals import JournalFile; JournalFile(sys.argv[1], 'b')"
        ran = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 1
        assert "is written already, here or by another process; close() that" in ran.stderr
    with JournalFile(tmp_path, "c"):
        pass


def test_a_place_without_a_journal_is_an_error(tmp_path):
    with pytest.raises(JournalError, match="holds no journal"):
        read(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be written"):
        JournalFile(tmp_path / "file" / "x", "a")


def test_a_closed_journal_takes_no_more(tmp_path):
    file = JournalFile(tmp_path, "a")
    file.close()
    file.close()
    with pytest.raises(JournalError, match="closed or broken"):
        file.write(b"{}\n")


@pytest.mark.parametrize("fsync", ["always", "group", "off"])
def test_a_killed_writer_loses_nothing_that_was_taken(tmp_path, fsync):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), fsync], stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if int(line) >= 500:
            os.kill(process.pid, signal.SIGKILL)
            break
    told = [int(line), *(int(text) for text in process.stdout.read().split("\n")[:-1] if text)]
    process.wait()
    process.stdout.close()
    reading = read(tmp_path)
    assert [r["seq"] for r in reading.records] == list(range(1, len(reading.records) + 1))
    assert len(reading.records) >= max(told)


def test_a_journal_is_taken_up_behind_what_is_there(tmp_path):
    for round_ in range(3):
        file, past = taken_up(tmp_path)
        assert [record["seq"] for record in past] == list(range(1, 2 * round_ + 1))
        journal = Journal(file.write, seq=len(past))
        for _ in range(2):
            journal.add("note", round_, {})
            journal.commit()
        file.close()
    assert len(read(tmp_path).files) == 3


def test_a_later_run_sorts_behind_whatever_the_clock_says(tmp_path):
    write(tmp_path, run="9000000000000000000")
    file, _ = taken_up(tmp_path)
    journal = Journal(file.write, seq=3)
    journal.add("note", 0, {})
    journal.commit()
    file.close()
    assert [record["seq"] for record in read(tmp_path).records] == [1, 2, 3, 4]


def test_what_cannot_be_taken_up_is_let_go(tmp_path):
    write(tmp_path)
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"note", b"nope", 1))
    with pytest.raises(JournalError, match="line 1"):
        taken_up(tmp_path)
    with JournalFile(tmp_path, "b"):
        pass


def test_a_journal_may_be_closed_by_another_thread(tmp_path):
    file = JournalFile(tmp_path, "a")
    thread = threading.Thread(target=file.close)
    thread.start()
    thread.join()
    with JournalFile(tmp_path, "b"):
        pass


def test_a_journal_that_nothing_was_written_to_leaves_no_file(tmp_path):
    with JournalFile(tmp_path, "a"):
        pass
    assert not list(tmp_path.glob("*.jsonl"))


@pytest.mark.parametrize("url", ["s3://bucket/orders", "memory://orders"])
def test_a_journal_cannot_lie_behind_a_url(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (url, Path(url).absolute()):
        with pytest.raises(JournalError, match="must be on this machine"):
            JournalFile(folder, "run")
    assert list(tmp_path.iterdir()) == []
