import base64
import io
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

import bwsresearch as bws
from bwsresearch.backtesting import Rules, backtest, report
from bwsresearch.backtesting.report import activity, performance, provenance
from bwsresearch.backtesting.report.labels import written

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
    assert len(page.links) == 8
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert {"script", "link", "iframe", "a", "form"}.isdisjoint(page.tags)
    assert not re.search(r"https?:|@import|url\(|\bon\w+=", html)


def test_a_report_has_each_picture_for_light_and_for_dark_pages(made):
    _, html, page = made
    assert html.count('<source media="screen and (prefers-color-scheme:dark)"') == 4
    for dark, light in zip(page.links[::2], page.links[1::2], strict=True):
        pixels = [
            imread(io.BytesIO(base64.b64decode(link.partition(",")[2]))) for link in (dark, light)
        ]
        assert pixels[0].shape == pixels[1].shape
        assert pixels[0].shape[1] == 11 * 144
        assert pixels[0][2, 2, :3].mean() < 0.1
        assert pixels[1][2, 2, :3].mean() == 1.0


def test_a_report_tells_where_its_numbers_come_from(made):
    result, _, page = made
    span = "2,000 bars, 2024-01-01 00:00 to 2024-03-24 08:00 UTC"
    assert f"{span}, from local-abc (network)" in page.words
    facts = provenance.lines(result)
    assert facts["data"] == span
    assert facts["source"] == "local-abc (network)"
    assert facts["start"] == "10,000.00 USDT"
    assert facts["rules"] == str(result.rules)
    assert facts["strategy"] == "sma_cross(fast=2, slow=6) on BTCUSDT 1h"
    assert facts["orders"] == f"{len(result.orders)} sent: {len(result.fills)} filled"
    assert re.match(r"bwsresearch [^ ]+.*, numpy \d.*, pandas \d.*, Python 3", facts["software"])
    assert {*facts, *facts.values()} <= set(page.words)
    assert "gaps in the data" not in facts


def test_a_report_shows_every_figure_with_the_conventions(made):
    result, _, page = made
    stats = result.stats()
    for name, value in stats.items():
        words, text = written(name, float(value), "USDT")
        assert words in page.words
        assert text in page.words
    assert f"Conventions: {stats.attrs['conventions']}." in page.words
    assert page.text.count(f"{stats['return']:.2%}") >= 2  # among the cards and in the table


def test_a_figure_that_nobody_named_is_shown_with_its_own_name():
    assert written("new_thing_days", 0.25, "USDT") == ("new thing days", "6.0 hours")
    assert written("sharpe", float("nan"), "USDT") == ("Sharpe", "–")
    assert written("fees", 12.5, "USDT") == ("fees, USDT", "12.50")
    assert written("trades", 1234.0, "USDT") == ("trades", "1,234")


def test_a_report_has_a_table_of_months_that_multiply_to_the_year(made):
    result, html, _ = made
    table = re.search(r'<table class="wide months">.*?</table>', html)[0]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", table)
    assert cells[0] == "2024"
    assert cells[4:13] == [""] * 9
    monthly = result.equity.resample("MS").last()
    returns = pd.concat([pd.Series([10_000.0]), monthly]).pct_change().iloc[1:]
    assert cells[1:4] == [f"{part:.1%}" for part in returns]
    assert cells[13] == f"{result.stats()['return']:.1%}"


def test_a_report_lists_the_deepest_drawdowns():
    klines = walk(400, seed=3)
    result = backtest(klines, klines["close"] > 0, balances={"USDT": 100}, rules=Rules(fee=0))
    rows = re.findall(r"<tr>(.*?)</tr>", performance.drawdowns(result))[1:]
    cells = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in rows]
    depths = [float(row[0].rstrip("%")) for row in cells]
    assert len(cells) == 5
    assert depths == sorted(depths)
    assert cells[0][0] == f"{result.stats()['max_drawdown']:.2%}"
    for _, peak, trough, recovered, days in cells:
        assert peak < trough < recovered
        if recovered != "not yet":
            lasted = pd.Timestamp(recovered) - pd.Timestamp(peak)
            assert float(days) == pytest.approx(lasted / pd.Timedelta("1D"), abs=0.06)
    assert sum(recovered == "not yet" for *_, recovered, _ in cells) <= 1


def test_a_report_lists_the_last_trades_and_fills(made):
    result, html, page = made
    assert f"Trades (the last 100 of {len(result.trades)})" in page.words
    assert f"Fills (the last 200 of {len(result.fills)})" in page.words
    last = result.fills.iloc[-1]
    assert f"<td>{last.name:%Y-%m-%d %H:%M}</td>" in html
    assert f"<td>{last['fee']:,.8f} {last['fee_asset']}</td>" in html
    assert "Orders not filled" not in page.text


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
    facts = provenance.lines(result)
    assert facts["source"] == "production (cache, implied by a recording of longer bars)"
    span = "1970-01-01 01:00 to 1970-01-01 02:00"
    assert facts["gaps in the data"] == f"4 ({span}, {span}, {span}, …)"
    assert facts["start"] == "1,000.00 USDT and 1.00 BTC"
    assert facts["orders"] == "4 sent: 1 filled, 1 rejected, 2 canceled"
    assert facts["open at the end"].startswith("a trade since 2024-01-01 00:00, ")
    page = Page(provenance.lead(result) + activity.unfilled(result))
    assert f"Gaps in the data: {facts['gaps in the data']}" in page.words
    assert "Orders not filled: 3 of 4" in page.words
    assert "rejected: NOTIONAL" in page.words
    assert "canceled: replaced before a trade" in page.words


def test_a_report_tells_what_the_run_says_of_the_future(made):
    result, _, _ = made
    told = SimpleNamespace(
        **{name: getattr(result, name) for name in NEEDED}, lookahead="bar <7> knew bar 8"
    )
    assert '<p class="note">Look-ahead: bar &lt;7&gt; knew bar 8</p>' in provenance.lead(told)


NEEDED = (
    "klines", "orders", "trades", "start", "title", "rules", "base_asset", "quote_asset",
)  # fmt: skip


def test_months_of_several_years_stand_in_rows_of_years():
    klines = walk(800, seed=2, freq="1D", start="2022-11-20", volatility=0.02)
    table = performance.months(backtest(klines, klines["close"] > 0, balances={"USDT": 100}))
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.split("<tr>")[2:]]
    assert [row[0] for row in rows] == ["2022", "2023", "2024", "2025"]
    assert rows[0][1:11] == [""] * 10
    assert all(rows[1])


def test_the_colour_of_a_month_grows_with_its_return_up_to_a_fifth():
    tinted = performance._tinted
    assert tinted(0.1) == '<td style="background:rgba(var(--up),0.20)">10.0%</td>'
    assert tinted(-0.7) == '<td style="background:rgba(var(--down),0.40)">-70.0%</td>'
    assert (tinted(np.nan), tinted(0.0)) == ("<td></td>", "<td>0.0%</td>")


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
    assert "Binance BTCUSDT: fee 0.1 % of what is received" in text


def test_a_year_of_minutes_makes_a_report_below_two_megabytes():
    klines = walk(525_600, seed=4, freq="1min", volatility=6e-4)
    wanted = pd.Series(np.arange(525_600) // 90 % 2, index=klines.index)
    result = backtest(klines, wanted, balances={"USDT": 10_000})
    html = report.html(result)
    assert len(result.fills) == 5_839
    assert 200_000 < len(html) < 2_000_000
