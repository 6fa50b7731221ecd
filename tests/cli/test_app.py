import re

import pytest

import bwsresearch


def test_help_names_every_command_and_where_to_begin(bws):
    ran = bws("--help")
    assert ran.status == 0
    assert re.findall(r"^  (\w+)   ?", ran.out, re.MULTILINE)[-5:] == [
        "demo", "serve", "pull", "import", "cache",
    ]  # fmt: skip
    assert "bwsresearch demo" in ran.out


@pytest.mark.parametrize("command", ["demo", "serve", "pull", "import"])
def test_every_command_shows_examples(bws, command):
    ran = bws(command, "--help")
    assert f"Examples:\n    bwsresearch {command}" in ran.out


def test_the_version_is_that_of_the_package(bws):
    assert bws("--version").out.startswith("bwsresearch ")
    assert "cli" not in dir(bwsresearch)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["pull", "BTC/USDT", "--period", "1d", "--server", "local"], "did you mean 'BTCUSDT'?"),
        (["pull", "NOPE", "--period", "1d", "--server", "local"], "Invalid symbol."),
        (["pull", "BTCUSDT", "--interval", "2m", "--period", "1d"], "must be one of 1s 1m"),
        (["pull", "BTCUSDT", "--period", "1x", "--server", "local"], "period is '1x'"),
        (["pull", "BTCUSDT", "--period", "1d", "--server", "nowhere"], "server is 'nowhere'"),
        (["import", "missing-1h.csv"], "missing-1h.csv"),
        (["serve", "--clock", "yesterday"], "--clock is 'yesterday'"),
        (["serve", "--market", "cache"], "bwsresearch import"),
        (["serve", "--config", "missing.toml"], "missing.toml: No such file"),
        (["serve", "--tls", "a.pem", "b.pem"], "both must be PEM files"),
        (["demo", "--data", "missing.csv"], "missing.csv"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(bws, args, says):
    ran = bws(*args)
    assert ran.status == 1
    assert ran.out == ""
    assert ran.err.startswith("bwsresearch: ")
    assert ran.err.count("\n") == 1
    assert says in ran.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["pull", "BTCUSDT"], "give --start or --period"),
        (["cache", "clear"], "add --all"),
        (["serve", "--port", "70000"], "65535"),
        (["nonsense"], "nonsense"),
    ],
)
def test_a_wrong_use_names_the_option_and_has_status_2(bws, args, says):
    ran = bws(*args)
    assert ran.status == 2
    assert says in ran.err
