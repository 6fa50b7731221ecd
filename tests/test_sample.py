"""The sample in data/ is what the synthetic market serves, and is small."""

import shutil
from pathlib import Path

import pytest

import bwsresearch as bws
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.local import LocalEndpoint

SAMPLE = Path(__file__).parent.parent / "data" / "sample"
NOW_MS = 1_706_832_000_000  # 2024-02-02


def test_the_sample_is_below_a_megabyte_and_sound(monkeypatch):
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 1_000_000
    monkeypatch.setenv("BWS_CACHE_DIR", str(SAMPLE))
    assert bws.cache.verify().empty
    assert bws.cache.info()["rows"].sum() == 3 * 744 + 20_538 + 29_872


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "BNBUSDT"])
def test_the_sample_is_what_the_market_of_its_seed_serves(monkeypatch, symbol, tmp_path):
    copy = shutil.copytree(SAMPLE, tmp_path / "sample")  # a test must not write into the repository
    with bws.connect(LocalEndpoint(Gateway(SyntheticMarket(1)), clock=lambda: NOW_MS)) as client:

        def pulled(cache):
            hour = {"start": "2024-01-31T12:00", "end": "2024-01-31T13:00"}
            options = {"client": client, "cache": cache}
            return [
                bws.klines(symbol, "1h", start="2024-01-01", end="2024-02-01", **options),
                bws.agg_trades(symbol, **hour, **options),
                bws.trades(symbol, **hour, **options),
            ]

        served = pulled(cache=False)
        monkeypatch.setenv("BWS_CACHE_DIR", str(copy))
        kept = pulled(cache=True)
    for one, other in zip(served, kept, strict=True):
        assert (one.attrs.pop("source"), other.attrs.pop("source")) == ("network", "cache")
        assert one.equals(other)
        assert one.attrs == other.attrs
