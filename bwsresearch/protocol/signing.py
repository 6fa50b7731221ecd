"""Signatures, both ends: a client's `Key` signs, an exchange's `Public` part verifies.

What is signed is the payload: every parameter but the signature, sorted by name, `name=value` joined
by `&`, in UTF-8, values as they are on the wire. Some clients sign the percent-encoded form instead;
`verify` tells which form it was. Source: web-socket-api.md "SIGNED request example".
"""

import base64
import binascii
import hmac
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Final, Literal, NoReturn, Self, TypeAlias, TypeVar
from urllib.parse import urlencode

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

__all__ = ["Form", "Key", "Public", "Scheme", "payload", "payloads", "urlencoded", "verify"]

Scheme: TypeAlias = Literal["HMAC", "RSA", "ED25519"]
Form: TypeAlias = Literal["raw", "urlencoded"]
Material: TypeAlias = "str | bytes | PathLike[str]"
"""An HMAC secret, the text of a PEM, or the path of a PEM file."""

_PEM: Final = b"-----BEGIN "
_PADDING: Final = padding.PKCS1v15()
_HASH: Final = hashes.SHA256()
_OTHER: Final = "the PEM is a key of another kind; the exchange takes RSA and Ed25519"

T = TypeVar(
    "T",
    bound="bytes | RSAPrivateKey | Ed25519PrivateKey | RSAPublicKey | Ed25519PublicKey",
)


def payload(params: Mapping[str, str]) -> str:
    """Return what is to be signed, as documented."""
    return "&".join([f"{name}={value}" for name, value in _signed(params)])


def urlencoded(params: Mapping[str, str]) -> str:
    """Return what python-binance and the exchange's own SDK sign: it differs for unsafe letters."""
    return urlencode(_signed(params), errors="surrogatepass")


def payloads(params: Mapping[str, str]) -> Iterator[tuple[Form, str]]:
    """Yield the forms that a signature may cover, the documented one first."""
    raw = payload(params)
    yield "raw", raw
    if (other := urlencoded(params)) != raw:
        yield "urlencoded", other


def _signed(params: Mapping[str, str]) -> list[tuple[str, str]]:
    return [pair for pair in sorted(params.items()) if pair[0] != "signature"]


class _Guarded:
    """Keeps what must not leave: no repr shows it, no pickle holds it, copies are the same."""

    __slots__ = ("_secret", "scheme")

    scheme: Scheme
    _secret: "bytes | RSAPrivateKey | Ed25519PrivateKey | RSAPublicKey | Ed25519PublicKey"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} holds a secret and cannot be pickled")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class Key(_Guarded):
    """An API key with what signs for it: an HMAC secret, or an RSA or Ed25519 private key.

    Args:
        api_key: what the exchange calls the key.
        secret: the HMAC secret; or a PEM private key as text or bytes; or the path of a PEM file, a
            Path or a str that ends in ".pem".
        password: of an encrypted PEM.

    Raises:
        ValueError: when the secret is none of these.
        OSError: when the file cannot be read.
    """

    __slots__ = ("api_key",)

    def __init__(
        self, api_key: str, secret: Material, *, password: str | bytes | None = None
    ) -> None:
        self.api_key = api_key.strip()
        if not self.api_key:
            raise ValueError("api_key is empty; copy it from the exchange's API management")
        found = _private(secret, password)
        del api_key, secret, password  # an error's traceback holds this frame
        self.scheme, self._secret = _scheme(found)

    def sign(self, payload: str) -> str:
        """Return the signature of a payload: hex of HMAC, base64 of the others."""
        data = payload.encode(errors="surrogatepass")
        match self._secret:
            case bytes() as secret:
                return hmac.digest(secret, data, "sha256").hex()
            case RSAPrivateKey() as key:
                return base64.b64encode(key.sign(data, _PADDING, _HASH)).decode()
            case Ed25519PrivateKey() as key:
                return base64.b64encode(key.sign(data)).decode()
            case _:
                raise AssertionError("a Key signs")

    def public(self) -> "Public":
        """Return the part that an exchange keeps."""
        match self._secret:
            case RSAPrivateKey() | Ed25519PrivateKey() as key:
                return Public(
                    key.public_key().public_bytes(
                        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                    )
                )
            case bytes() as secret:
                return Public(secret)
            case _:
                raise AssertionError("a Key has a public part")

    def __repr__(self) -> str:
        scheme = getattr(self, "scheme", "of unknown scheme")  # asked for in a traceback
        return f"<Key {scheme} {self.api_key[:4]}…>"


class Public(_Guarded):
    """What an exchange keeps of a key to verify with: the HMAC secret, or a PEM public key.

    Raises:
        ValueError: when it is neither.
        OSError: when the file cannot be read.
    """

    __slots__ = ()

    def __init__(self, secret: Material) -> None:
        found = _public(secret)
        del secret  # an error's traceback holds this frame
        self.scheme, self._secret = _scheme(found)

    def __repr__(self) -> str:
        return f"<Public {getattr(self, 'scheme', 'of unknown scheme')}>"

    def covers(self, payload: str, signature: str) -> bool:
        """Return whether a signature is this key's for a payload, in constant time.

        The hex of HMAC may be in either case, base64 may not. Malformed text is no signature.
        """
        data = payload.encode(errors="surrogatepass")
        if isinstance(self._secret, bytes):
            right = hmac.digest(self._secret, data, "sha256").hex()
            given = signature.lower().encode(errors="surrogatepass")
            return hmac.compare_digest(right.encode(), given)
        try:
            given = base64.b64decode(signature, validate=True)
            if isinstance(self._secret, RSAPublicKey):
                self._secret.verify(given, data, _PADDING, _HASH)
            elif isinstance(self._secret, Ed25519PublicKey):
                self._secret.verify(given, data)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def verify(public: Public, payloads: Iterable[tuple[Form, str]], signature: str) -> Form | None:
    """Return the form of the payload that a signature covers, None when it covers none."""
    return next((form for form, text in payloads if public.covers(text, signature)), None)


def _scheme(found: "T | str") -> "tuple[Scheme, T]":
    """Return the scheme of what was found; a str is the fault instead.

    Faults are handed up rather than raised where they are found: no frame of a traceback, no cause
    and no context may hold a secret.
    """
    match found:
        case str():
            raise ValueError(found)
        case RSAPrivateKey() | RSAPublicKey():
            return "RSA", found
        case Ed25519PrivateKey() | Ed25519PublicKey():
            return "ED25519", found
        case _:
            return "HMAC", found


def _text(secret: Material) -> bytes | str:
    """Return a secret's bytes, of a file when it names one."""
    if isinstance(secret, str) and secret.strip().endswith(".pem"):
        secret = Path(secret.strip())
    if isinstance(secret, str):
        text = secret.encode(errors="surrogatepass")
    elif isinstance(secret, bytes):
        text = secret
    else:
        text = Path(secret).expanduser().read_bytes().strip()
        if not text.startswith(_PEM):
            return f"{Path(secret).name} is no PEM file: it does not begin with {_PEM.decode()}…"
    return text.strip() or "the secret is empty; give the HMAC secret, or a PEM key or its path"


def _private(
    secret: Material, password: str | bytes | None
) -> bytes | RSAPrivateKey | Ed25519PrivateKey | str:
    text = _text(secret)
    if isinstance(text, str) or not text.startswith(_PEM):
        return text
    word = password.encode() if isinstance(password, str) else password
    try:
        key = serialization.load_pem_private_key(text, word)
    except TypeError:
        return "password= is for an encrypted PEM, and an encrypted PEM needs it"
    except (ValueError, UnsupportedAlgorithm):
        return "the PEM is no private key, or the password is wrong"
    return key if isinstance(key, RSAPrivateKey | Ed25519PrivateKey) else _OTHER


def _public(secret: Material) -> bytes | RSAPublicKey | Ed25519PublicKey | str:
    text = _text(secret)
    if isinstance(text, str) or not text.startswith(_PEM):
        return text
    try:
        key = serialization.load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        return "the PEM is no public key; an exchange keeps no private ones"
    return key if isinstance(key, RSAPublicKey | Ed25519PublicKey) else _OTHER
