"""The same strategy as a backtest, on paper, and against `bwsresearch serve` by socket."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import bwsresearch as bws
from bwsresearch.backtesting import Rules
from bwsresearch.errors import Disconnected
from bwsresearch.rehearsal.remote import RemoteClock, RemoteLine
from bwsresearch.store import Cache
from bwsresearch.tables import KLINES

from .lab import Fickle, exposures, klines
from .test_conduct import assert_same, paper_of

KEY, SECRET = "k" * 64, "secret"
ACCOUNTS = f"""
[[account]]
name = "alice"
balances = {{ USDT = "10000", BTC = "20" }}
fees = {{ maker = "0.0002", taker = "0.00075" }}
[[account.key]]
api_key = "{KEY}"
secret = "{SECRET}"
"""
CONFIG = "[model]\nslippage_bps = 2\nparticipation = 0.3\n"
TERMS = {"fee": "0.00075", "fee_maker": "0.0002", "slippage_bps": "2", "participation": "0.3"}


@pytest.fixture
def frame():
    return klines(5, bars=150)


def into_cache(frame, root):
    opened = frame.index.as_unit("us").asi8
    volume = frame["volume"].to_numpy()
    paid = np.round(volume * frame["close"].to_numpy(), 8)
    columns = {
        "open_time": opened, "close_time": opened + 59_999_999, "quote_volume": paid,
        "trades": np.full(len(frame), 9), "taker_buy_volume": volume / 2,
        "taker_buy_quote_volume": paid / 2,
    } | {name: frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}  # fmt: skip
    told = {name: np.asarray(columns[name], kind) for name, kind in KLINES.dtypes.items()}
    spans = ((int(opened[0]) // 1000, int(opened[-1]) // 1000 + 60_000),)
    Cache(root, "production").write(KLINES, "BTCUSDT", "1m", told, spans, source="test")
    return frame.assign(quote_volume=paid)


@pytest.fixture
def served(tmp_path):
    """Start the program on the cache; return a client, and the address of its control port."""
    running = []

    def start(clock="2024-01-01"):
        (tmp_path / "accounts.toml").write_text(ACCOUNTS)
        (tmp_path / "config.toml").write_text(CONFIG)
        process = subprocess.Popen(
            [
                sys.executable, "-m", "bwsresearch", "serve", "--port", "0", "--market", "cache",
                "--clock", clock, "--control", "0", "--accounts", tmp_path / "accounts.toml",
                "--config", tmp_path / "config.toml", "--journal", tmp_path / f"j{len(running)}",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        listening, control = process.stdout.readline(), process.stdout.readline()
        assert listening.startswith("listening on ws://127.0.0.1:")
        assert control.startswith("control on 127.0.0.1:")
        client = bws.connect(listening.split()[-1], api_key=KEY, api_secret=SECRET)
        running.append((process, client))
        return client, control.split()[-1]

    yield start
    for process, client in running:
        client.close()
        process.terminate()
        process.communicate()


def test_three_runs_of_one_strategy_are_one(frame, cache_dir, served):
    frame = into_cache(frame, cache_dir)
    for strategy, options in ((exposures(frame, 5), {}), (Fickle, {"params": {"seed": 7}})):
        client, control = served()
        rules = replace(Rules.binance("BTCUSDT", client=client), **TERMS)
        start = {"USDT": 10_000, "BTC": 20}
        expected = bws.backtest(frame, strategy, balances=start, rules=rules, **options)
        paper = paper_of(frame, strategy, balances=start, rules=rules, **options)
        result = bws.replay(frame, strategy, client=client, control=control, rules=rules, **options)
        assert len(expected.record.fills) > 10
        assert_same(paper.record, expected.record)
        assert_same(result.record, expected.record)
        assert result.origin == client.aio.endpoint.name
        assert abs(bws.reconcile(expected, result).difference) == 0


def test_a_run_may_use_a_part_of_an_account(frame, cache_dir, served):
    frame = into_cache(frame, cache_dir)
    client, control = served()
    rules = replace(Rules.binance("BTCUSDT", client=client), **TERMS)
    wanted, options = exposures(frame, 2), {"client": client, "control": control}
    with pytest.raises(ValueError, match="balances has 500000 USDT, but the account has 10000"):
        bws.replay(frame, wanted, balances={"USDT": 500_000}, **options)
    start = {"USDT": 500}
    result = bws.replay(frame, wanted, balances=start, **options)
    expected = bws.backtest(frame, wanted, balances=start, rules=rules)
    assert_same(result.record, expected.record)


def test_what_cannot_be_replayed_is_a_clear_error(frame, cache_dir, served):
    into_cache(frame, cache_dir)
    client, control = served("2024-01-01T01:00")
    wanted = exposures(frame, 1)
    with pytest.raises(ValueError, match="later than the first bar"):
        bws.replay(frame, wanted, client=client, control=control)
    with pytest.raises(Disconnected, match=r"no control port at 127\.0\.0\.1:1 "):
        bws.replay(frame, wanted, client=client, control=1)
    door = int(client.aio.endpoint.name.rpartition(":")[2])
    with pytest.raises(Disconnected, match="is no control port"):
        RemoteClock(door, timeout=5)


def test_an_exchange_of_real_money_is_never_replayed():
    client = bws.Client("wss://ws-api.binance.com:443/ws-api/v3")
    with pytest.raises(ValueError, match="has no clock that could be moved"):
        RemoteLine(client, None)
