def test_it_goes_from_a_socket_to_a_report(bws, tmp_path, real_data):
    out = tmp_path / "report.html"
    ran = bws("demo", "--data", real_data / "klines/api/BTCUSDT/1h.jsonl.gz", "--out", out)
    assert ran.status == 0, ran.err
    lines = dict(line.split(None, 1) for line in ran.out.splitlines())
    assert list(lines) == ["exchange", "pulled", "again", "backtest", "report"]
    assert lines["pulled"].startswith("72,866 bars of BTCUSDT 1h from the network")
    assert lines["again"].startswith("72,866 bars of BTCUSDT 1h from the cache")
    assert lines["pulled"].endswith("gaps: 27")
    assert lines["report"] == str(out)
    assert out.read_text().startswith("<!doctype html>")
