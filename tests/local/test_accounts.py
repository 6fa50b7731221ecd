"""Accounts from a file: what it says, and what is said of it when it is wrong."""

import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from bwsresearch.exchange.keyring import PERMISSIONS
from bwsresearch.exchange.trading.accounts import Commission
from bwsresearch.local import accounts_of

NAME, SECRET = "n" * 64, "hide-me" * 9
KEY = f"""
[[account.key]]
api_key = "{NAME}"
secret = "{SECRET}"
"""
ALICE = """
[[account]]
name = "alice"
balances = { BTC = "10", USDT = 1000000, ETH = 0.1 }
"""


@pytest.fixture
def accounts(tmp_path):
    def read(text):
        path = tmp_path / "accounts.toml"
        path.write_text(text)
        return accounts_of(path)

    return read


def test_an_account_has_what_the_file_says(accounts):
    (alice,) = accounts(ALICE + KEY)
    assert alice.name == "alice"
    assert alice.balances == {"BTC": 10 * 10**8, "USDT": 10**14, "ETH": 10**7}
    assert alice.commission == Commission()
    (key,) = alice.keys
    assert (key.api_key, key.account, key.permissions) == (NAME, "alice", PERMISSIONS)
    assert key.public.scheme == "HMAC"


def test_fees_and_permissions_can_be_chosen(accounts):
    text = 'fees = { maker = "0", taker = "0.0005", in_bnb = true }'
    (alice,) = accounts(ALICE + text + KEY + 'permissions = ["TRADE"]')
    assert alice.commission == Commission(maker=0, taker=50_000, in_bnb=True)
    assert alice.keys[0].permissions == {"TRADE"}


def test_a_public_key_lies_beside_the_file(accounts, tmp_path, monkeypatch):
    public = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    (tmp_path / "alice.pem").write_bytes(public)
    monkeypatch.chdir("/")
    for path in ("alice.pem", str(tmp_path / "alice.pem")):
        key = f'[[account.key]]\napi_key = "{NAME}"\ntype = "ED25519"\npublic_key = "{path}"'
        (alice,) = accounts(ALICE + key)
        assert alice.keys[0].public.scheme == "ED25519"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "required field `account`"),
        ("account = []", "length >= 1"),
        ("[[account]]\nnme = 'x'", "unknown field `nme`"),
        ("[[account]]\nname = ''", "length >= 1"),
        (ALICE + "[[account.key]]\napi_key = 'short'", "matching regex"),
        (ALICE + KEY + "type = 'DSA'", "Invalid enum value 'DSA'"),
        (
            ALICE + KEY + "type = 'RSA'",
            "a key of account alice has type RSA, which needs public_key",
        ),
        (ALICE + KEY.replace("secret", "public_key"), "has type HMAC, which needs secret"),
        (ALICE + KEY + "permissions = ['ALL']", "Invalid enum value 'ALL'"),
        (ALICE + KEY + "type = 'RSA'\npublic_key = 'gone.pem'", r"gone\.pem: No such file"),
        (ALICE.replace('"10"', '"-1"'), "BTC is -1, must be 0 or more"),
        (ALICE.replace('"10"', '"nan"'), "BTC is NaN, must be 0 or more"),
        (ALICE.replace('"10"', '"1.123456789"'), "BTC is 1.123456789, has at most 8 decimals"),
        (ALICE + "fees = { maker = 0.1, takr = 0.1 }", "unknown field `takr`"),
        ("[[account", r"Expected '\]\]' at the end"),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_nothing_secret(accounts, tmp_path, text, match):
    with pytest.raises(ValueError, match=match) as caught:
        accounts(text)
    assert str(caught.value).startswith(f"{tmp_path / 'accounts.toml'}: ")
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in told.stack if frame.filename != __file__]
    for shown in (str(caught.value), *(str(frame.locals) for frame in ours)):
        assert SECRET not in shown
        assert NAME not in shown


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.toml: No such file"):
        accounts_of(Path(tmp_path / "nowhere.toml"))
