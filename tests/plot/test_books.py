from bwsresearch import plot, tables


def test_depth_is_drawn_from_a_book():
    bids = [(99.5, 1.0), (99.0, 2.0)]
    asks = [(100.5, 3.0), (101.0, 4.0), (102.0, 1.0)]
    book = tables.depth_frame(bids, asks, {"symbol": "BTCUSDT"})
    ax = plot.depth(plot.figure(6, 3).subplots(), book)
    assert ax.get_title("left") == "BTCUSDT depth"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("price, quote", "cumulated qty, base")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["bids (2)", "asks (3)"]
    assert ax.lines[0].get_xydata().tolist() == [[99.5, 1.0], [99.0, 3.0]]
    assert ax.lines[1].get_xydata().tolist() == [[100.5, 3.0], [101.0, 7.0], [102.0, 8.0]]
    assert ax.get_ylim()[0] == 0.0
    ax.figure.canvas.draw()
