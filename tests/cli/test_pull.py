def test_a_second_pull_comes_from_the_cache(bws):
    args = ["pull", "BTCUSDT", "ethusdt", "--start", "2024-01-01", "--end", "2024-01-03",
            "--server", "local"]  # fmt: skip
    span = "48 rows of [2024-01-01, 2024-01-03), from"
    assert bws(*args).out == f"BTCUSDT 1h: {span} network\nETHUSDT 1h: {span} network\n"
    assert bws(*args).out == f"BTCUSDT 1h: {span} cache\nETHUSDT 1h: {span} cache\n"
    assert bws(*args, "--refresh").out.startswith(f"BTCUSDT 1h: {span} network\n")


def test_trades_are_pulled_by_kind(bws):
    ran = bws(
        "pull", "XRPUSDT", "--kind", "agg_trades", "--server", "local",
        "--start", "2024-01-01T00:00", "--end", "2024-01-01T00:05",
    )  # fmt: skip
    assert ran.status == 0
    assert ran.out.startswith("XRPUSDT agg_trades: ")
    assert ran.out.endswith(" rows of [2024-01-01, 2024-01-01 00:05), from network\n")


def test_several_intervals_are_pulled_at_once(bws):
    args = ["pull", "BTCUSDT", "--server", "local", "--interval", "1h", "--interval", "1d",
            "--start", "2024-01-01", "--end", "2024-01-03"]  # fmt: skip
    span = "rows of [2024-01-01, 2024-01-03), from"
    assert bws(*args).out == f"BTCUSDT 1h: 48 {span} network\nBTCUSDT 1d: 2 {span} network\n"


def test_trades_have_no_interval(bws):
    ran = bws("pull", "BTCUSDT", "--kind", "trades", "--interval", "1h", "--period", "1h")
    assert ran.status == 2
    assert "trades have no interval; leave --interval out" in ran.err
