import hashlib

ROW = "1733011200000,100.0,101.0,99.0,100.5,12.5,1733014799999,1250.0,10,6.0,600.0,0\n"


def test_an_import_is_listed_checked_and_removed(bws, tmp_path, cache_dir):
    file = tmp_path / "BTCUSDT-1h-2024-12.csv"
    file.write_text(ROW)
    assert bws("import", file).out == (
        f"{file}: 1 rows of BTCUSDT 1h, 2024-12-01 00:00 to 2024-12-01 00:00\n"
    )
    info = bws("cache", "info").out
    assert "production" in info
    assert "BTCUSDT" in info
    assert f"MB in {cache_dir}" in info
    assert bws("cache", "verify").out == f"1 series in {cache_dir} are sound\n"
    assert bws("cache", "clear", "BTCUSDT", "--interval", "1h").status == 0
    assert bws("cache", "info").out == f"nothing is cached in {cache_dir}\n"


def test_a_damaged_file_is_named_and_the_status_says_so(bws, tmp_path, cache_dir):
    file = tmp_path / "BTCUSDT-1h-2024-12.csv"
    file.write_text(ROW)
    bws("import", file)
    stored = next(cache_dir.rglob("*.parquet"))
    stored.write_bytes(b"PAR1 no more")
    ran = bws("cache", "verify")
    assert ran.status == 1
    assert ran.out.startswith(f"{stored}: damaged")


def test_options_name_what_a_path_does_not(bws, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(ROW)
    assert "does not tell its symbol" in bws("import", file).err
    assert bws("import", file, "--symbol", "ethusdt", "--interval", "1h").out.endswith(
        "1 rows of ETHUSDT 1h, 2024-12-01 00:00 to 2024-12-01 00:00\n"
    )


def test_files_without_rows_and_checksums_are_passed_over(bws, tmp_path):
    file = tmp_path / "BTCUSDT-trades-2024-12-01.csv"
    file.write_text("id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\n")
    beside = tmp_path / f"{file.name}.CHECKSUM"
    beside.write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n")
    assert bws("import", file, beside).out == f"{file}: 0 rows of BTCUSDT trades\n"


def test_another_cache_is_used_when_named(bws, tmp_path):
    assert bws("cache", "path", "--cache", tmp_path / "other").out == f"{tmp_path / 'other'}\n"


def test_gaps_are_listed_and_are_no_failure(bws, tmp_path, cache_dir):
    later = ROW.replace("1733011200000", "1733018400000").replace("1733014799999", "1733021999999")
    file = tmp_path / "BTCUSDT-1h-2024-12.csv"
    file.write_text(ROW + later)
    bws("import", file)
    ran = bws("cache", "verify")
    assert ran.status == 0
    said, whole = ran.out.splitlines()
    assert "bars are missing from 2024-12-01 01:00 to 2024-12-01 02:00" in said
    assert "`bwsresearch cache repair`" in said
    assert whole == f"1 series in {cache_dir} are sound, with 1 gaps"


def test_a_cache_is_pressed_trimmed_and_cleared_by_age(bws, tmp_path, cache_dir):
    file = tmp_path / "BTCUSDT-1h-2024-12.csv"
    file.write_text(ROW)
    bws("import", file)
    said = bws("cache", "compact").out
    assert said.startswith("production BTCUSDT 1h: 1 files of 0.00 MB are now 1 of 0.00 MB\n")
    assert bws("cache", "trim", "1").out == f"0.00 MB removed from {cache_dir}\n"
    assert "1 rows" in bws("cache", "info").out
    bws("cache", "clear", "--older-than", "2024-12-31")
    assert "1 rows" in bws("cache", "info").out
    assert bws("cache", "clear", "--older-than", "2025-01-01").status == 0
    assert bws("cache", "info").out == f"nothing is cached in {cache_dir}\n"


def test_a_damaged_file_is_repaired(bws, cache_dir):
    period = ("--start", "2024-01-01", "--end", "2024-01-02")
    bws("pull", "BTCUSDT", "--interval", "1h", "--server", "local", *period)
    ran = bws("cache", "repair", "--server", "local")
    assert ran.out == f"there is nothing to mend in {cache_dir}\n"
    stored = next(cache_dir.rglob("*.parquet"))
    stored.write_bytes(b"PAR1 no more")
    assert bws("cache", "verify").status == 1
    ran = bws("cache", "repair", "BTCUSDT", "--interval", "1h", "--server", "local")
    aside, fetched, summed = ran.out.splitlines()
    assert aside.startswith(f"damage: {stored} put aside in {cache_dir / '.damaged'}")
    assert fetched == "damage: BTCUSDT 1h 2024-01-01 00:00:00 to 2025-01-01 00:00:00 fetched, 8,784 rows"  # fmt: skip
    assert summed == "8,784 rows fetched in 10 requests"
    assert bws("cache", "verify").out == f"1 series in {cache_dir} are sound\n"
