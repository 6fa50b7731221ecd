import os
import signal
import socket

import pytest

import bwsresearch
from bwsresearch.cli.serve import clock_of, config_of
from bwsresearch.client.sync import Client
from bwsresearch.exchange.config import Config
from bwsresearch.exchange.gateway import Gateway
from bwsresearch.exchange.synthetic import SyntheticMarket
from bwsresearch.local import LocalEndpoint


def listening(process):
    line = process.stdout.readline()
    assert line.startswith("listening on ws://127.0.0.1:"), process.stderr.read()
    return line.removeprefix("listening on ").strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_stops_cleanly(started, number):
    process = started("serve", "--port", "0", "--clock", "2024-01-31T12:00")
    with bwsresearch.connect(listening(process)) as client:
        now_ms = client.time().server_time
        assert 1_706_702_400_000 <= now_ms < 1_706_702_400_000 + 600_000
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_seed_makes_another_market(started):
    process = started("serve", "--port", "0", "--seed", 2)
    here = [LocalEndpoint(Gateway(SyntheticMarket(seed), Config())) for seed in (1, 2)]
    bars = []
    for place in (listening(process), *here):
        with Client(place) as client:
            bars += client.klines("BTCUSDT", "1d", start_time=1_704_067_200_000, limit=1)
    served, other, same = bars
    assert served == same
    assert served.close != other.close


def test_a_config_file_sets_limits(started, tmp_path):
    file = tmp_path / "exchange.toml"
    file.write_text("[limits]\nweight_per_minute = 30\n")
    process = started("serve", "--port", "0", "--config", file)
    with bwsresearch.connect(listening(process)) as client:
        client.exchange_info("BTCUSDT")
        assert client.weight.limit == 30


def test_a_taken_port_is_a_clear_error(started):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = started("serve", "--port", port)
        _, err = second.communicate(timeout=60)
    assert second.returncode == 1
    assert err == (
        f"bwsresearch: cannot listen on 127.0.0.1:{port} (Address already in use); "
        "choose another --port, 0 for any free one\n"
    )


def test_an_imported_recording_is_served(started, bws, real_data):
    file = real_data / "klines/vision/BTCUSDT-1h-2024-12.csv"
    assert bws("import", file).out.endswith(
        "744 rows of BTCUSDT 1h, 2024-12-01 00:00 to 2024-12-31 23:00\n"
    )
    process = started("serve", "--port", "0", "--market", "cache")
    ran = bws(
        "pull", "BTCUSDT", "--start", "2024-12-01", "--end", "2025-01-01",
        "--server", listening(process),
    )  # fmt: skip
    assert ran.out == ("BTCUSDT 1h: 744 rows of [2024-12-01, 2025-01-01), from network\n")
    assert "744" in bws("cache", "info").out


def test_a_clock_that_stands_is_moved_by_its_control_port_alone(started):
    process = started("serve", "--port", "0", "--clock", "2024-01-31T12:00", "--control", "0")
    url = listening(process)
    line = process.stdout.readline()
    assert line.startswith("control on 127.0.0.1:")
    port = int(line.rpartition(":")[2])
    with (
        bwsresearch.connect(url) as client,
        socket.create_connection(("127.0.0.1", port), 10) as hand,
    ):
        assert {client.time().server_time for _ in range(3)} == {1_706_702_400_000}
        hand.sendall(b'{"to": 1706702460000}\n')
        assert hand.recv(100) == b'{"now":1706702460000}\n'
        assert client.time().server_time == 1_706_702_460_000


def test_a_control_port_needs_a_time_to_stand_at(bws):
    ran = bws("serve", "--control", "0")
    assert ran.status == 1
    assert "say where with --clock" in ran.err


def test_config_errors_name_file_key_and_bound(tmp_path):
    file = tmp_path / "exchange.toml"
    file.write_text("[limits]\nweight = 30\n")
    with pytest.raises(ValueError, match=r"exchange.toml: limits.weight is no setting, must be"):
        config_of(file)
    assert config_of(None) == Config()


def test_a_clock_runs_on_from_where_it_starts():
    ticks = [7_000_000_000]
    for text in ("2024-01-31T12:00", "2024-01-31T13:00+01:00"):
        clock = clock_of(text, lambda: ticks[0])
        assert clock() == 1_706_702_400_000
        ticks[0] += 1_500_000_000
        assert clock() == 1_706_702_401_500
