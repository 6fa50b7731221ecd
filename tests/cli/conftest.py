"""Running commands as a shell does."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from bwsresearch.cli import main


@dataclass
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def bws(monkeypatch, capsys):
    """Run a command in this process: `bws("pull", "BTCUSDT")`."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["bwsresearch", *map(str, args)])
        with pytest.raises(SystemExit) as left:
            main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return Ran(left.value.code or 0, out, err)

    return run


@pytest.fixture
def started():
    """Start commands as processes; those that still run at the end are ended."""
    running = []

    def start(*args):
        process = subprocess.Popen(
            [sys.executable, "-m", "bwsresearch", *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
