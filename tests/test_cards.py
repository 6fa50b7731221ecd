from bwsresearch.cards import html_card, text_card

LINES = {"return": "12.34%", "fees, USDT": "1,234.50"}


def test_a_text_card_is_aligned_on_both_sides():
    assert text_card("sma on BTCUSDT", LINES, "daily") == (
        "sma on BTCUSDT\n"
        "  return        12.34%\n"
        "  fees, USDT  1,234.50\n"
        "  (daily)"
    )  # fmt: skip
    assert text_card("nothing", {}) == "nothing"


def test_an_html_card_escapes_everything():
    html = html_card("<b>title</b>", {"<i>": "<script>x</script>"}, "a < b & c")
    for tag in ("<b>", "<i>", "<script>", "a < b"):
        assert tag not in html
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert "a &lt; b &amp; c" in html


def test_an_html_card_takes_its_colours_from_the_page():
    html = html_card("title", LINES, "note")
    assert "color:#" not in html
    assert "background:#" not in html
    assert html.count("<tr") == 2
    assert "note" in html
    assert "note" not in html_card("title", LINES)
