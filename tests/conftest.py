"""What all tests share: a cache of their own, and the place of real data."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bwsresearch.local import default

# The same examples on every machine, and no clock that could fail a test on a busy one.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


# A shell that runs the suite in the background lets it ignore Ctrl-C, which some tests send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def cache_dir(tmp_path, monkeypatch):
    """Every test has an empty cache; none touches the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BWS_CACHE_DIR", str(folder))
    monkeypatch.setenv("BWS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("BWS_STATE_DIR", str(tmp_path / "state"))
    for name in ("BWS_SERVER", "BWS_API_KEY", "BWS_API_SECRET", "BWS_PRIVATE_KEY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(autouse=True)
def _no_default(monkeypatch):
    """A client that one test connects is not the default of the next."""
    monkeypatch.setattr(default, "_default", [])


@pytest.fixture(scope="session")
def real_data():
    """The folder of recorded market data; tests that need it are skipped without."""
    folder = os.environ.get("BWS_REAL_DATA")
    if not folder:
        pytest.skip("BWS_REAL_DATA does not name a folder of recorded data")
    return Path(folder)
