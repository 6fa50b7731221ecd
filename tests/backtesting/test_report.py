import base64
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import bwsresearch as bws
from bwsresearch.backtesting import Rules, backtest, report

from .lab import market, sma_cross, walk

VOID = {"meta", "img", "source", "br"}


class Page(HTMLParser):
    """What a page holds, and whether its tags are balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.words, self.tags = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [
            value for name, value in attrs if name in ("src", "href", "srcset", "action")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return "\n".join(self.words)


@pytest.fixture(scope="module")
def made():
    klines = walk(2_000, seed=1)
    klines.attrs.update(interval="1h", server="local-abc", source="network", gaps=[])
    result = backtest(
        klines, sma_cross, balances={"USDT": 10_000}, rules=Rules(min_notional=5),
        params={"fast": 2, "slow": 6},
    )  # fmt: skip
    html = report.html(result)
    return result, html, Page(html)


def test_a_report_is_one_file_that_refers_to_nothing_else(made):
    _, html, page = made
    assert len(page.links) == 2
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert not re.search(r"https?:|@import|url\(", html)


def test_a_report_holds_a_picture_for_light_and_one_for_dark_pages(made):
    from matplotlib.image import imread

    _, html, page = made
    dark, light = (base64.b64decode(link.partition(",")[2]) for link in page.links)
    assert '<source media="(prefers-color-scheme:dark)"' in html
    grounds = []
    for data in (dark, light):
        import io

        pixels = imread(io.BytesIO(data))
        assert pixels.shape[1] == 11 * 144
        grounds.append(pixels[2, 2, :3].mean())
    assert grounds[0] < 0.1
    assert grounds[1] == 1.0


def test_a_report_tells_where_its_numbers_come_from(made):
    result, _, page = made
    assert (
        "2,000 bars, 2024-01-01 00:00 to 2024-03-24 08:00 UTC, from local-abc (network)"
        in page.text
    )
    assert "Start: 10,000.00 USDT" in page.text
    assert f"Rules: {result.rules}" in page.text
    assert "sma_cross(fast=2, slow=6) on BTCUSDT 1h" in page.words
    assert "Gaps" not in page.text


def test_a_report_shows_every_figure_of_the_card(made):
    result, _, page = made
    for line in repr(result).splitlines()[1:-1]:
        name, _, value = line.strip().rpartition("  ")
        assert name.strip() in page.words
        assert value.strip() in page.words


def test_a_report_has_a_table_of_months_that_multiply_to_the_year(made):
    result, html, _ = made
    table = re.search(r'<table class="months">.*?</table>', html)[0]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", table)
    assert cells[0] == "2024"
    assert cells[4:13] == [""] * 9
    monthly = result.equity.resample("MS").last()
    returns = pd.concat([pd.Series([10_000.0]), monthly]).pct_change().iloc[1:]
    assert cells[1:4] == [f"{part:.1%}" for part in returns]
    assert cells[13] == f"{result.stats()['return']:.1%}"


def test_a_report_lists_the_last_round_trips_and_fills(made):
    result, html, page = made
    assert f"Round trips (the last 20 of {len(result.trades)})" in page.words
    assert f"Fills (the last 200 of {len(result.fills)})" in page.words
    last = result.fills.iloc[-1]
    assert f"<td>{last.name:%Y-%m-%d %H:%M}</td>" in html
    assert f"<td>{last['fee']:,.8f} {last['fee_asset']}</td>" in html
    assert html.count("<tr>") == 2 + 21 + 201


def test_everything_in_a_report_is_escaped():
    klines = walk(60, seed=1)
    klines.attrs.update(symbol="BTC<b>USDT", server="<i>", interval='"&')
    result = backtest(
        klines,
        (klines["close"] > 0).rename("<script>alert(1)</script>"),
        balances={"<b>USDT": 10_000},
        rules=Rules("<u>"),
    )
    page = Page(report.html(result))
    assert {"script", "i", "b", "u"}.isdisjoint(page.tags)
    assert '<script>alert(1)</script> on BTC<b>USDT "&' in page.words
    assert "<script" not in result._repr_html_()


def test_a_report_says_what_did_not_go_smoothly():
    klines = market([100.0] * 8, volume=[1, 0, 0, 1, 1, 1, 1, 1])
    klines.attrs.update(
        server="production", source="cache", implied=True, gaps=[[3_600_000, 7_200_000]] * 4
    )
    wanted = klines["close"] * 0 + [1, 0.5, 0.01, 1, 1, 1, 1, 1]
    result = backtest(
        klines, wanted, balances={"BTC": 1, "USDT": 1000}, rules=Rules(min_notional=95)
    )
    text = "\n".join(report._provenance(result))
    assert "from production (cache, implied by a recording of longer bars)" in text
    span = "1970-01-01 01:00 to 1970-01-01 02:00"
    assert f"Gaps in the data: 4 ({span}, {span}, {span}, …)" in text
    assert "Start: 1,000.00 USDT and 1.00 BTC" in text
    assert "Orders rejected below a minimum: 1" in text
    assert "Orders canceled before anything was traded: 2" in text
    assert "Open at the end since 2024-01-01 00:00" in text


def test_months_of_several_years_stand_in_rows_of_years():
    klines = walk(800, seed=2, freq="1D", start="2022-11-20", volatility=0.02)
    table = report._months(backtest(klines, klines["close"] > 0, balances={"USDT": 100}))
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.split("<tr>")[2:]]
    assert [row[0] for row in rows] == ["2022", "2023", "2024", "2025"]
    assert rows[0][1:11] == [""] * 10
    assert all(rows[1])


def test_the_colour_of_a_month_grows_with_its_return_up_to_a_fifth():
    assert report._tinted(0.1) == '<td style="background:rgba(var(--up),0.20)">10.0%</td>'
    assert report._tinted(-0.7) == '<td style="background:rgba(var(--down),0.40)">-70.0%</td>'
    assert (report._tinted(None), report._tinted(0.0)) == ("<td></td>", "<td>0.0%</td>")


def test_an_account_that_lost_all_has_a_report_without_a_warning():
    klines = market(np.full(60, 100.0), freq="1D")
    wanted = klines["close"] * 0 + [1, 0] * 30
    result = backtest(klines, wanted, balances={"USDT": "0.0001"}, rules=Rules(fee="0.9"))
    assert result.equity.iloc[-1] < 1e-5
    assert "<h1>" in report.html(result)


def test_a_year_of_the_synthetic_market_makes_a_report(tmp_path):
    with bws.connect("local") as client:
        klines = bws.klines(
            "BTCUSDT", "1d", start="2024-01-01", end="2025-01-01", client=client, progress=False
        )
        rules = bws.Rules.binance("BTCUSDT", client=client)
    result = bws.backtest(klines, sma_cross, balances={"USDT": 10_000}, rules=rules)
    text = Page(result.save(tmp_path / "r.html").read_text("utf-8")).text
    assert "366 bars, 2024-01-01 00:00 to 2025-01-01 00:00 UTC, from local-" in text
    assert "Rules: Binance BTCUSDT: fee 0.1 % of what is received" in text
