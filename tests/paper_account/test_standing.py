from pathlib import Path

import pytest

from bwsresearch.paper_account import standing


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The current folder, the data folder and the home folder."""
    found = {name: tmp_path / name for name in ("here", "data", "home")}
    for folder in found.values():
        folder.mkdir()
    monkeypatch.chdir(found["here"])
    monkeypatch.setenv("BWS_DATA_DIR", str(found["data"]))
    monkeypatch.setenv("HOME", str(found["home"]))
    return found


def test_a_path_is_shown_from_where_it_is_read_most_easily(places):
    assert standing.place(places["here"] / "a" / "b") == "a/b"
    assert standing.place(places["data"] / "paper" / "x") == "$BWS_DATA_DIR/paper/x"
    assert standing.place(places["home"] / "x") == "~/x"
    for whole in (places["here"], Path("/somewhere/else")):
        assert standing.place(whole) == str(whole)


def test_amounts_are_shown_plainly():
    assert [standing._plain(number) for number in (1e-8, 1234.5, 0.0, -0.0, 1e9)] == [
        "0.00000001", "1,234.5", "0", "0", "1,000,000,000",
    ]  # fmt: skip
    assert [standing._money(number) for number in (0.00123, 99.5, 100.0, 12345.678)] == [
        "0.00123", "99.5", "100.00", "12,345.68",
    ]  # fmt: skip
    assert standing._money(0.5, 1000.0) == "0.50"


@pytest.mark.parametrize(
    ("quantity", "units"),
    [(1, 10**8), ("0.00000001", 1), (0.1 + 0.2, 30_000_000), ("-2", -2 * 10**8)],
)
def test_play_money_is_counted_exactly(quantity, units):
    assert standing.in_units("USDT", quantity) == units


def test_balances_are_read_whole_or_not_at_all():
    assert standing.balances_of({"usdt": 1, " btc ": "0.5"}) == {"USDT": 10**8, "BTC": 5 * 10**7}
    for wrong, match in (
        ({}, "balances is empty"),
        ({"USDT": -1}, "balance of USDT is -1, must be 0 or more"),
        ({"USDT": 1, "usdt": 1}, "balances has USDT twice"),
        ({"USDT": "1.123456789"}, "balance of USDT is 1.123456789, has at most eight decimals"),
    ):
        with pytest.raises(ValueError, match=match):
            standing.balances_of(wrong)
