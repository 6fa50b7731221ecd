"""Keys from arguments and the environment, and nothing of them in what is said when they are wrong."""

import traceback

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

import bwsresearch as bws
from bwsresearch.local import default
from bwsresearch.local.keys import key_of

NAME, SECRET = "n" * 64, "s3cr3t" * 10


@pytest.fixture(autouse=True)
def _no_default(monkeypatch):
    monkeypatch.setattr(default, "_default", [])


@pytest.fixture(scope="module")
def pem():
    return (
        ed25519.Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


@pytest.fixture
def pem_file(pem, tmp_path):
    path = tmp_path / "key"  # no suffix is needed
    path.write_text(pem)
    return path


def scheme(client):
    key = client.aio.access.key
    return None if key is None else (key.api_key, key.scheme)


def test_without_anything_there_is_no_key():
    assert scheme(bws.connect("testnet")) is None


def test_keys_are_taken_from_arguments(pem, pem_file):
    assert scheme(bws.connect("testnet", api_key=NAME, api_secret=SECRET)) == (NAME, "HMAC")
    for given in (pem, pem.encode(), pem_file, str(pem_file), f"  {pem}\n"):
        client = bws.connect("testnet", api_key=NAME, private_key=given)
        assert scheme(client) == (NAME, "ED25519")


def test_keys_are_taken_from_the_environment(monkeypatch, pem, pem_file):
    monkeypatch.setenv("BWS_API_KEY", NAME)
    monkeypatch.setenv("BWS_API_SECRET", SECRET)
    assert scheme(bws.connect("testnet")) == (NAME, "HMAC")
    assert scheme(bws.connect("testnet", api_key="other")) == ("other", "HMAC")
    assert scheme(bws.connect("testnet", private_key=pem)) == (NAME, "ED25519")
    default._default.clear()
    assert scheme(default.default_client()) == (NAME, "HMAC")
    monkeypatch.setenv("BWS_API_SECRET", "")
    for value in (str(pem_file), pem):
        monkeypatch.setenv("BWS_PRIVATE_KEY", value)
        assert scheme(bws.connect("testnet")) == (NAME, "ED25519")
    assert scheme(bws.connect("testnet", api_secret=SECRET)) == (NAME, "HMAC")


def test_wrong_combinations_are_named(monkeypatch, pem, tmp_path):
    def refused(match, **given):
        with pytest.raises(ValueError, match=match) as caught:
            bws.connect("testnet", **given)
        told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        ours = [frame for frame in told.stack if frame.filename != __file__]
        shown = str(caught.value) + "".join(f"{frame.line} {frame.locals}" for frame in ours)
        for secret in (SECRET, "s3cr3t", pem.splitlines()[1]):
            assert secret not in shown
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    refused("^a secret is given without api_key", api_secret=SECRET)
    refused("^a secret is given without api_key", private_key=pem)
    refused("^api_key is given without a secret; pass api_secret= or private_key=", api_key=NAME)
    both = {"api_key": NAME, "api_secret": SECRET, "private_key": pem}
    refused("^api_secret and private_key are given both", **both)
    broken = pem.replace(pem.splitlines()[1][:12], "A" * 12)
    refused("^private_key is neither PEM text nor", api_key=NAME, private_key=broken[:-40])
    refused(
        r"^private_key is neither PEM text nor the path of a PEM file \(No such file",
        api_key=NAME, private_key=pem.splitlines()[1],
    )  # fmt: skip
    refused("^private_key is neither", api_key=NAME, private_key=tmp_path)
    refused("^private_key is neither", api_key=NAME, private_key=SECRET)
    refused("^private_key is no PEM, which begins", api_key=NAME, private_key=SECRET.encode())
    (tmp_path / "text").write_text(SECRET)
    refused("text is no PEM file", api_key=NAME, private_key=tmp_path / "text")
    refused("^api_secret: the secret is empty", api_key=NAME, api_secret="  ")
    monkeypatch.setenv("BWS_API_KEY", NAME)
    refused("^BWS_API_KEY is set without a secret")
    monkeypatch.setenv("BWS_PRIVATE_KEY", SECRET)
    refused("^BWS_PRIVATE_KEY is neither PEM text nor the path")
    monkeypatch.setenv("BWS_API_SECRET", SECRET)
    refused("^BWS_API_SECRET and BWS_PRIVATE_KEY are both set; unset one")
    default._default.clear()
    with pytest.raises(ValueError, match="are both set"):
        default.default_client()


def test_a_fault_is_text_and_the_key_none():
    assert key_of(None, None, None) == (None, "")
    key, fault = key_of(None, SECRET, None)
    assert key is None
    assert SECRET not in fault


@pytest.mark.parametrize("window", [0, -1, 60_001, "x"])
def test_an_impossible_window_is_refused_at_once(window):
    with pytest.raises(ValueError, match=r"^recv_window is"):
        bws.connect("testnet", recv_window=window)
    assert bws.connect("testnet", recv_window="1500.5").aio.access.recv_window == "1500.5"
