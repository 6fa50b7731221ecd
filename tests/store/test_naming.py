from pathlib import Path

import pytest

from bwsresearch.errors import ArchiveError
from bwsresearch.store.naming import Named, named
from bwsresearch.tables import AGG_TRADES, KLINES, TRADES

DAY = 86_400_000
DECEMBER = (1_733_011_200_000, 1_735_689_600_000)
FIRST = (DECEMBER[0], DECEMBER[0] + DAY)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("BTCUSDT-1h-2024-12.csv", Named(KLINES, "BTCUSDT", "1h", (DECEMBER,))),
        ("data/BTCUSDT-1h-2024-12.zip", Named(KLINES, "BTCUSDT", "1h", (DECEMBER,))),
        ("BTCUSDT-1m-2024-12-01.csv.gz", Named(KLINES, "BTCUSDT", "1m", (FIRST,))),
        ("BTCUSDT-1mo-2024-12.zip", Named(KLINES, "BTCUSDT", "1M", (DECEMBER,))),
        ("BTCUSDT-1M-2024-12.zip", Named(KLINES, "BTCUSDT", "1M", (DECEMBER,))),
        ("BTCUSDT-trades-2024-12-01.zip", Named(TRADES, "BTCUSDT", None, (FIRST,))),
        ("BTCUSDT-aggTrades-2024-12.csv", Named(AGG_TRADES, "BTCUSDT", None, (DECEMBER,))),
        ("1000SATSUSDT-1d-2024-12.csv", Named(KLINES, "1000SATSUSDT", "1d", (DECEMBER,))),
        ("币安人生USDT-1d-2024-12.csv", Named(KLINES, "币安人生USDT", "1d", (DECEMBER,))),
        ("BTCUSDT-1m-windows.csv.gz", Named(KLINES, "BTCUSDT", "1m", ())),
        ("BTCUSDT-1m.csv", Named(KLINES, "BTCUSDT", "1m", ())),
        ("BTCUSDT-1m-2024-13.csv", Named(KLINES, "BTCUSDT", "1m", ())),
        ("BTCUSDT-1m-2024-02-30.csv", Named(KLINES, "BTCUSDT", "1m", ())),
        ("BTCUSDT-aggTrades-2023-11-17.head.csv", Named(AGG_TRADES, "BTCUSDT", None, ())),
        ("klines/BTCUSDT/15m.jsonl.gz", Named(KLINES, "BTCUSDT", "15m", ())),
        ("klines/BTCUSDT/1M.json", Named(KLINES, "BTCUSDT", "1M", ())),
        ("BTCUSDT/trades.jsonl", Named(TRADES, "BTCUSDT", None, ())),
    ],
)
def test_a_path_tells_what_it_holds(path, wanted):
    assert named(Path(path), None, None) == wanted


@pytest.mark.parametrize(
    ("path", "symbol", "interval", "wanted"),
    [
        ("rows.csv", "btcusdt", "1h", Named(KLINES, "BTCUSDT", "1h", ())),
        ("klines/15m.jsonl.gz", "BTCUSDT", None, Named(KLINES, "BTCUSDT", "15m", ())),
        ("BTCUSDT-1h-2024-12.csv", "btcusdt", "1h", Named(KLINES, "BTCUSDT", "1h", (DECEMBER,))),
        ("BTCUSDT/15m.jsonl.gz", "BTCUSDT", "15m", Named(KLINES, "BTCUSDT", "15m", ())),
    ],
)
def test_options_tell_what_the_path_does_not(path, symbol, interval, wanted):
    assert named(Path(path), symbol, interval) == wanted


def test_a_relative_path_has_the_folder_it_is_in(tmp_path, monkeypatch):
    (tmp_path / "BTCUSDT").mkdir()
    monkeypatch.chdir(tmp_path / "BTCUSDT")
    assert named(Path("15m.jsonl"), None, None).symbol == "BTCUSDT"


@pytest.mark.parametrize(
    ("path", "symbol", "interval", "said"),
    [
        ("rows.csv", None, "1h", "rows.csv does not tell its symbol; pass symbol=, or name it like"),
        ("rows.csv", "BTCUSDT", None, "rows.csv does not tell its interval; pass interval="),
        ("klines/15m.csv", None, None, "15m.csv does not tell its symbol"),
        ("BTCUSDT-1h-2024-12.csv", "ETHUSDT", None, "named for symbol BTCUSDT, but symbol is ETHUSDT"),
        ("BTCUSDT-1h-2024-12.csv", None, "1m", "named for interval 1h, but interval is 1m; leave the"),
        ("BTCUSDT/15m.csv", "ETHUSDT", None, "named for symbol BTCUSDT, but symbol is ETHUSDT"),
        ("BTCUSDT-trades-2024-12-01.csv", None, "1h", "holds trades, which have no interval"),
        ("rows.csv", "BTC/USDT", "1h", "symbol is 'BTC/USDT', must be letters and digits"),
        ("rows.csv", "../x", "1h", "symbol is '../x', must be letters and digits"),
    ],
)  # fmt: skip
def test_what_is_missing_or_contradicts_itself_is_named(path, symbol, interval, said):
    with pytest.raises(ArchiveError) as refused:
        named(Path(path), symbol, interval)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_wrong_interval_names_the_one_that_is_meant():
    with pytest.raises(ValueError, match="did you mean '1h'"):
        named(Path("rows.csv"), "BTCUSDT", "60m")
