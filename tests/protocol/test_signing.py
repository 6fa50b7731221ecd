import base64
import copy
import json
import pickle
import traceback

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from bwsresearch.protocol.signing import Key, Public, payload, payloads, urlencoded, verify

# web-socket-api.md, "SIGNED request example (HMAC)".
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ORDER = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01000000",
    "price": "52000.00",
    "recvWindow": "100",
    "timestamp": "1645423376532",
    "apiKey": API_KEY,
}
WIDE = ORDER | {
    "symbol": "１２３４５６",
    "side": "BUY",
    "quantity": "1.00000000",
    "price": "0.10000000",
    "recvWindow": "5000",
}
DOCUMENTED = [
    (ORDER, "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
    (WIDE, "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"),
]

RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
CURVE = ec.generate_private_key(ec.SECP256R1())


def pem(key, password=None):
    locked = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked
    ).decode()


KEYS = {
    "HMAC": Key(API_KEY, SECRET),
    "RSA": Key(API_KEY, pem(RSA)),
    "ED25519": Key(API_KEY, pem(ED25519)),
}
each_key = pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)


@pytest.mark.parametrize(("params", "signature"), DOCUMENTED)
def test_the_documented_requests_have_the_documented_signatures(params, signature):
    key = Key(API_KEY, SECRET)
    assert key.sign(payload(params)) == signature
    assert verify(key.public(), payloads(params), signature) == "raw"


def test_the_recorded_payloads_have_their_signatures(real_data):
    text = (real_data / "doc_examples" / "signature_vectors.json").read_text()
    rows = [row for row in json.loads(text) if row["scheme"] == "HMAC"]
    assert len(rows) == 2
    for row in rows:
        assert Key("k", row["secretKey"]).sign(row["payload"]) == row["signature"]


def test_the_payload_is_sorted_raw_text_without_the_signature():
    params = {"symbol": "Ａ", "b": "x y", "a": '["A","B"]', "signature": "s", "flag": "true"}
    assert payload(params) == 'a=["A","B"]&b=x y&flag=true&symbol=Ａ'
    assert urlencoded(params) == "a=%5B%22A%22%2C%22B%22%5D&b=x+y&flag=true&symbol=%EF%BC%A1"


def test_two_forms_are_tried_only_where_they_differ():
    assert [form for form, _ in payloads(ORDER)] == ["raw"]
    assert [form for form, _ in payloads(WIDE)] == ["raw", "urlencoded"]


@each_key
@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
def test_a_signature_tells_the_form_that_it_covers(key, params):
    raw, encoded = key.sign(payload(params)), key.sign(urlencoded(params))
    public = key.public()
    assert verify(public, payloads(params), raw) == "raw"
    same = payload(params) == urlencoded(params)
    assert verify(public, payloads(params), encoded) == ("raw" if same else "urlencoded")
    assert verify(public, payloads(params), key.sign(payload(params) + "&")) is None


@each_key
def test_the_type_of_a_key_is_found_in_its_secret(key):
    assert KEYS[key.scheme] is key
    assert key.public().scheme == key.scheme


STRANGERS = [
    Key(API_KEY, "x"),
    Key(API_KEY, pem(rsa.generate_private_key(65537, 2048))),
    Key(API_KEY, pem(ed25519.Ed25519PrivateKey.generate())),
]


@each_key
def test_nobody_else_s_signature_is_taken(key):
    others = [other for other in KEYS.values() if other is not key]
    for stranger in STRANGERS + others:
        signature = stranger.sign(payload(ORDER))
        assert verify(key.public(), payloads(ORDER), signature) is None


@each_key
@given(st.text(st.characters()))
def test_any_text_may_come_as_a_signature(key, text):
    assert verify(key.public(), payloads(ORDER), text) is None


def test_the_case_of_hex_does_not_matter_and_that_of_base64_does():
    text = payload(ORDER)
    assert KEYS["HMAC"].public().covers(text, KEYS["HMAC"].sign(text).upper())
    for scheme in ("RSA", "ED25519"):
        signature = KEYS[scheme].sign(text)
        assert not KEYS[scheme].public().covers(text, signature.swapcase())


def test_a_signature_with_anything_behind_it_is_none():
    key = KEYS["ED25519"]
    signature = key.sign("a=1")
    assert len(base64.b64decode(signature)) == 64
    for changed in (signature + "\n", " " + signature, signature + "!!!!", signature[:-2]):
        assert not key.public().covers("a=1", changed)


def test_a_private_key_may_be_text_bytes_or_a_file(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text(pem(ED25519))
    signature = KEYS["ED25519"].sign("a=1")
    for secret in (pem(ED25519), pem(ED25519).encode(), "\n" + pem(ED25519), path, f" {path}\n"):
        assert Key(API_KEY, secret).sign("a=1") == signature


def test_a_password_opens_an_encrypted_key():
    locked = pem(RSA, b"open sesame")
    for password in ("open sesame", b"open sesame"):
        assert Key(API_KEY, locked, password=password).sign("a=1") == KEYS["RSA"].sign("a=1")


def test_whitespace_around_a_copied_key_does_not_matter():
    key = Key(f" {API_KEY}\n", f"{SECRET}\n")
    assert (key.api_key, key.sign("a=1")) == (API_KEY, KEYS["HMAC"].sign("a=1"))


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


WRONG = {
    "no key": (lambda: Key(" ", SECRET), "api_key is empty"),
    "no secret": (lambda: Key(API_KEY, " "), "the secret is empty"),
    "a public key": (lambda: Key(API_KEY, public_pem(RSA)), "the PEM is no private key"),
    "a broken PEM": (
        lambda: Key(API_KEY, pem(RSA)[:200] + "\n-----END PRIVATE KEY-----"),
        "the PEM is no private key",
    ),
    "another curve": (lambda: Key(API_KEY, pem(CURVE)), "takes RSA and Ed25519"),
    "no password": (lambda: Key(API_KEY, pem(RSA, b"p")), "an encrypted PEM needs it"),
    "a wrong password": (
        lambda: Key(API_KEY, pem(RSA, b"p"), password="q"),
        "or the password is wrong",
    ),
    "a password too many": (
        lambda: Key(API_KEY, pem(RSA), password="open sesame"),
        "password= is for an encrypted PEM",
    ),
    "a private key at the exchange": (lambda: Public(pem(RSA)), "keeps no private ones"),
    "another curve at the exchange": (lambda: Public(public_pem(CURVE)), "takes RSA and Ed25519"),
}


@pytest.mark.parametrize(("make", "msg"), WRONG.values(), ids=WRONG)
def test_a_wrong_secret_is_named_in_one_line(make, msg):
    with pytest.raises(ValueError, match=msg) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_pem_is_no_hmac_secret(tmp_path):
    path = tmp_path / "key.txt"
    path.write_text(SECRET)
    with pytest.raises(ValueError, match=r"key\.txt is no PEM file") as caught:
        Key(API_KEY, path)
    assert SECRET not in str(caught.value)


def test_the_exchange_keeps_public_keys_in_files(tmp_path):
    path = tmp_path / "public.pem"
    path.write_bytes(public_pem(RSA))
    assert Public(path).covers("a=1", KEYS["RSA"].sign("a=1"))


@each_key
def test_no_repr_shows_a_key_or_a_secret(key):
    for text in (repr(key), repr(key.public()), repr([key]), f"{key}"):
        assert API_KEY not in text
        assert SECRET not in text
    assert repr(key) == f"<Key {key.scheme} vmPU…>"


@each_key
def test_a_key_is_copied_by_reference_and_never_pickled(key):
    for one in (key, key.public()):
        assert copy.copy(one) is one
        assert copy.deepcopy([one])[0] is one
        with pytest.raises(TypeError, match="holds a secret and cannot be pickled"):
            pickle.dumps(one)
        assert not hasattr(one, "__dict__")


def given_as_argument(secret, password):
    """Stand for a caller's frame, which holds what the caller gave."""
    Key(API_KEY, secret, password=password)


@pytest.mark.parametrize("secret", [pem(RSA, b"p"), pem(CURVE), pem(RSA)])
def test_a_traceback_with_its_variables_shows_the_secret_only_in_the_callers_own_frames(secret):
    with pytest.raises(ValueError) as caught:
        given_as_argument(secret, "my password")
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert told.__cause__ is told.__context__ is None
    ours = [frame for frame in told.stack if "/protocol/signing.py" in frame.filename]
    assert ours
    for frame in ours:
        shown = str(frame.locals)
        assert "my password" not in shown
        assert API_KEY not in shown
        assert secret.splitlines()[1] not in shown
