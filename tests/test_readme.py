"""The README says what is so: its table is the catalogue's, and its examples run."""

import re
from pathlib import Path

import pytest

import bwsresearch as bws
from bwsresearch.client.described import method_name
from bwsresearch.exchange.faults import KINDS
from bwsresearch.protocol.methods import CATALOGUE

README = Path(__file__).parent.parent / "README.md"


def methods_table():
    """Return the table of methods as the catalogue has it."""
    lines = ["| method | call | weight | security |", "|---|---|---|---|"]
    for kind in CATALOGUE.values():
        call = f"client.{method_name(kind)}(…)"
        lines.append(f"| `{kind.method}` | `{call}` | {kind.weight_rule} | {kind.security} |")
    return "\n".join(lines)


def test_the_table_of_methods_is_that_of_the_catalogue():
    found = re.search(r"<!-- methods -->\n(.*)\n<!-- /methods -->", README.read_text(), re.DOTALL)
    assert found[1] == methods_table()


def test_the_table_of_what_goes_wrong_has_every_kind_of_fault_once():
    rows = re.findall(r"^\| [^|]*\(((?:`\w+` ?)+)\) \|", README.read_text(), re.MULTILINE)
    assert sorted(re.findall(r"\w+", " ".join(rows))) == sorted(KINDS)


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg")
def test_the_examples_run(monkeypatch, tmp_path):
    monkeypatch.setenv("BWS_SERVER", "local")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert len(names["df"]) == 744
    assert list(names["wide"].columns) == ["BTCUSDT", "ETHUSDT"]
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert isinstance(names["result"], bws.Result)
