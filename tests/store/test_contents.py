import gzip
import hashlib
import zipfile

import pytest

from bwsresearch.errors import ArchiveError
from bwsresearch.store.contents import content, rows
from bwsresearch.tables import AGG_TRADES, KLINES, TRADES, BadRow

KLINE = b"1733011200000,100.0,101.0,99.0,100.5,12.5,1733014799999,1250.0,10,6.0,600.0,0\n"
TEXT = KLINE + KLINE.replace(b"1733011", b"1733014", 1).replace(b"1733014799", b"1733018399")
TRADE = b"1,61837.63,0.02,1236.7526,1723161255342,True,True\n"
AGG = b"1,0.5,7,10,12,1723161255342,true,true\n"


def checksum(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{digest}  {path.name}\n")


def zipped(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def said(path):
    with pytest.raises(ArchiveError) as refused:
        content(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# ---- the bytes -----------------------------------------------------------------------------------


def test_plain_gz_and_zip_hold_the_same(tmp_path):
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.gz"
    plain.write_bytes(TEXT)
    packed.write_bytes(gzip.compress(TEXT))
    for path in (plain, packed, zipped(tmp_path / "a.zip", **{"a.csv": TEXT})):
        found = content(path)
        assert found.text == TEXT.strip()
        assert (found.is_csv, found.is_verified) == (True, False)
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(b"[1]")
    assert not content(lines).is_csv


def test_a_folder_inside_a_zip_is_no_file(tmp_path):
    assert content(zipped(tmp_path / "a.zip", **{"x/": b"", "x/a.csv": TEXT})).text == TEXT.strip()


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.zip"])
def test_a_checksum_that_agrees_verifies(name, tmp_path):
    path = tmp_path / name
    if name == "a.zip":
        zipped(path, **{"a.csv": TEXT})
    else:
        path.write_bytes(gzip.compress(TEXT) if name.endswith("gz") else TEXT)
    checksum(path)
    assert content(path).is_verified
    beside = path.with_name(f"{name}.CHECKSUM")
    beside.write_text(beside.read_text().upper().split()[0])
    assert content(path).is_verified


def test_a_checksum_that_does_not_agree_refuses(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT)
    checksum(path)
    path.write_bytes(TEXT + KLINE)
    assert "has SHA-256" in said(path)
    assert "a.csv.CHECKSUM says" in said(path)
    (tmp_path / "a.csv.CHECKSUM").write_bytes(b"\xff\xfe  a.csv")
    assert "fetch it again" in said(path)


@pytest.mark.parametrize("blank", ["", " \n"])
def test_an_empty_checksum_refuses(blank, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT)
    (tmp_path / "a.csv.CHECKSUM").write_text(blank)
    assert "a.csv.CHECKSUM is empty; fetch it again, or remove it" in said(path)


def test_what_cannot_be_read_is_named(tmp_path):
    assert "cannot be read (No such file or directory); check the path" in said(tmp_path / "a.csv")
    assert "is a folder; give the files in it" in said(tmp_path)


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_named(data, tmp_path):
    (tmp_path / "a.csv").write_bytes(data)
    assert "is empty; fetch it again" in said(tmp_path / "a.csv")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(data))
    assert "is empty; fetch it again" in said(tmp_path / "a.csv.gz")


def test_damaged_packages_are_named(tmp_path):
    path = tmp_path / "a.csv.gz"
    whole = gzip.compress(TEXT * 50)
    for data in (whole[:-1], whole[: len(whole) // 2], whole[:5], b"x", whole + b"x"):
        path.write_bytes(data)
        assert "is damaged or cut off" in said(path)
    path = zipped(tmp_path / "a.zip", **{"a.csv": TEXT * 50})
    whole = path.read_bytes()
    for data in (whole[:-1], whole[: len(whole) // 2], b"", b"x", whole[:60] + b"!!" + whole[62:]):
        path.write_bytes(data)
        assert "is damaged or cut off" in said(path)


def test_a_zip_must_hold_one_file(tmp_path):
    both = zipped(tmp_path / "a.zip", **{"a.csv": TEXT, "b.csv": TEXT})
    assert "holds 2 files, must hold one; unpack it first" in said(both)
    assert "holds 0 files" in said(zipped(tmp_path / "b.zip"))


def test_an_encrypted_zip_is_named(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.csv": TEXT})
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag in the file's own header, and in the directory
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "encrypted" in said(path)


# ---- the rows ------------------------------------------------------------------------------------


def read(schema, data, tmp_path, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(data)
    return {key: values.tolist() for key, values in rows(schema, content(path)).items()}


def wrong(schema, data, tmp_path, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadRow) as refused:
        rows(schema, content(path))
    return refused.value


def test_klines_are_read_from_csv(tmp_path):
    found = read(KLINES, TEXT, tmp_path)
    assert {name: values[0] for name, values in found.items()} == {
        "open_time": 1733011200000000,
        "open": 100.0,
        "high": 101.0,
        "low": 99.0,
        "close": 100.5,
        "volume": 12.5,
        "close_time": 1733014799999000,
        "quote_volume": 1250.0,
        "trades": 10,
        "taker_buy_volume": 6.0,
        "taker_buy_quote_volume": 600.0,
    }
    assert found["open_time"][1] == 1733014200000000


def test_trades_are_read_from_csv(tmp_path):
    assert read(TRADES, TRADE, tmp_path) == {
        "time": [1723161255342000],
        "id": [1],
        "price": [61837.63],
        "qty": [0.02],
        "quote_qty": [1236.7526],
        "is_buyer_maker": [True],
    }


def test_aggregates_are_read_from_csv(tmp_path):
    assert read(AGG_TRADES, AGG, tmp_path) == {
        "time": [1723161255342000],
        "id": [1],
        "price": [0.5],
        "qty": [7.0],
        "first_id": [10],
        "last_id": [12],
        "is_buyer_maker": [True],
    }


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("True", True),
        ("true", True),
        ("TRUE", True),
        ("1", True),
        ("False", False),
        ("false", False),
        ("FALSE", False),
        ("0", False),
    ],
)
def test_flags_are_read_in_every_spelling(word, value, tmp_path):
    found = read(TRADES, TRADE.replace(b"True", word.encode(), 1), tmp_path)
    assert found["is_buyer_maker"] == [value]


@pytest.mark.parametrize(
    "dressed",
    [
        b"open_time,open,high,low,close,volume,close_time,quote_volume,count,a,b,ignore\n" + TEXT,
        b'"Open time","Open","High","Low","Close","V","Close time","Q","N","A","B","Ignore"\r\n'
        + TEXT.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + TEXT,
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.rstrip(),
        b"\n" + TEXT + b"\n\n",
        TEXT.replace(b"1733011200000", b'"1733011200000"'),
        TEXT.replace(b"1733011200000", b"1733011200000000")
        .replace(b"1733014799999", b"1733014799999999")
        .replace(b"1733014200000", b"1733014200000000")
        .replace(b"1733018399999", b"1733018399999999"),
        TEXT.replace(b",0\n", b",123.45\n"),
    ],
    ids=["header", "quoted", "bom", "crlf", "no end", "blank", "quotes", "us", "ignore"],
)
def test_the_same_rows_are_read_from_every_dress(dressed, tmp_path):
    assert read(KLINES, dressed, tmp_path) == read(KLINES, TEXT, tmp_path)


def test_a_header_alone_is_no_rows(tmp_path):
    header = b"id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch"
    for data in (header, header + b"\n", header + b"\r\n"):
        assert read(TRADES, data, tmp_path)["id"] == []


@pytest.mark.parametrize("amount", ["0.1", "9007199254740993", "123456789012.12345678", "1e-8"])
def test_amounts_of_csv_are_the_float_of_their_text(amount, tmp_path):
    found = read(TRADES, TRADE.replace(b"61837.63", amount.encode()), tmp_path)
    assert found["price"] == [float(amount)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"100.5", b"abc", "'abc'"),
        (b"100.5", b"", "''"),
        (b"100.5", b"nan", "close is nan, must be a finite number"),
        (b"100.5", b"inf", "close is inf, must be a finite number"),
        (b",10,", b",1.5,", "'1.5'"),
        (b"1733014200000", b"17330142000x0", "17330142000x0"),
        (b",0\n", b"\n", "Expected 12 columns, got 11"),
        (b",0\n", b",0,0\n", "Expected 12 columns, got 13"),
        (b"100.5,12.5", b"100.5;12.5", "Expected 12 columns, got 11"),
    ],
)
@pytest.mark.parametrize("header", [b"", b"a,b,c,d,e,f,g,h,i,j,k,l\n"])
def test_a_wrong_row_of_csv_is_named_by_its_number(header, old, new, said, tmp_path):
    first, second = TEXT.splitlines(keepends=True)
    error = wrong(KLINES, header + first + second.replace(old, new, 1), tmp_path)
    assert error.row == 1
    assert said in error.what
    assert "\n" not in error.what


def test_a_wrong_row_far_down_is_named_by_its_number(tmp_path):
    line = b"%d,61837.63,0.02,1236.7526,1723161255342,True,True\n"
    lines = [line % i for i in range(60_000)]
    lines[54_321] = lines[54_321].replace(b"0.02", b"?")
    assert len(b"".join(lines)) > 2**21  # the reader's blocks are 1 MiB
    assert wrong(TRADES, b"".join(lines), tmp_path).row == 54_321


def test_a_damaged_first_row_is_not_taken_for_a_header(tmp_path):
    assert wrong(KLINES, b"x" + TEXT, tmp_path).row == 0
    assert wrong(KLINES, b",".join([b"-", *[b"1"] * 11]) + b"\n" + TEXT, tmp_path).row == 0


ROWS = (
    b'[1733011200000,"100.0","101.0","99.0","100.5","12.5",1733014799999,"1250.0",10,"6","600","0"]',
    b'[1733014800000,"100.5","101.0","99.0","100.5","12.5",1733018399999,"1250.0",10,"6","600","0"]',
)
OBJECT = (
    b'{"id":%d,"price":"1.5","qty":"2","quoteQty":"3","time":1733011200000,"isBuyerMaker":true}'
)


@pytest.mark.parametrize(
    "text",
    [
        b"\n".join(ROWS),
        b"\r\n".join(ROWS) + b"\r\n",
        b"\n\n".join(ROWS),
        b"[" + b",".join(ROWS) + b"]",
        b" [\n  " + b",\n  ".join(ROWS) + b"\n]\n",
    ],
)
def test_klines_are_read_from_lines_and_arrays(text, tmp_path):
    assert read(KLINES, text, tmp_path, "a.json")["open"] == [100.0, 100.5]


def test_trades_are_read_from_lines_and_arrays(tmp_path):
    lines = [OBJECT % 1, OBJECT % 2]
    assert read(TRADES, b"\n".join(lines), tmp_path, "a.jsonl")["id"] == [1, 2]
    assert read(TRADES, b"[" + b",".join(lines) + b"]", tmp_path, "a.json")["id"] == [1, 2]
    assert read(TRADES, b"[]", tmp_path, "a.json")["id"] == []
    aggregate = b'{"a":7,"p":"1.5","q":"2","f":1,"l":2,"T":1733011200000,"m":false,"M":true}'
    assert read(AGG_TRADES, aggregate, tmp_path, "a.jsonl")["id"] == [7]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (ROWS[1][:-1], "truncated"),
        (ROWS[1].replace(b'"101.0"', b'"x"'), 'high is "x", must be a finite number'),
        (b"{}", "Expected `array`, got `object`"),
        (b"[1, 2", "length 12"),
        (b"# a remark", "malformed"),
        (b"[1,2]", "length 12"),
    ],
)
def test_a_wrong_line_of_json_is_named_by_its_number(broken, said, tmp_path):
    lines = [ROWS[0], ROWS[0], broken, ROWS[1]]
    error = wrong(KLINES, b"\n".join(lines), tmp_path, "a.jsonl")
    assert (error.row, said in error.what) == (2, True)


def test_a_message_of_the_exchange_is_not_taken_for_rows(tmp_path):
    error = wrong(KLINES, b'{"id":1,"status":200,"result":[]}', tmp_path, "a.json")
    assert "Expected `array`, got `object`" in error.what
