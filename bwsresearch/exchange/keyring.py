"""The API keys that an exchange knows: whose they are, what they may do, and whether they signed.

Source: web-socket-api.md "Request security"; errors.md -1021, -1022, -2014, -2015.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from bwsresearch.protocol.credentials import Credentials
from bwsresearch.protocol.messages import Refusal
from bwsresearch.protocol.request import Security
from bwsresearch.protocol.signing import Form, Public, verify

__all__ = ["PERMISSIONS", "ApiKey", "Keyring", "Signed"]

PERMISSIONS: Final = frozenset({"TRADE", "USER_DATA", "USER_STREAM"})


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of one account; `public` None is a key that only a connection in this process has."""

    api_key: str = field(repr=False)
    account: str
    public: Public | None
    permissions: frozenset[str] = PERMISSIONS

    def name(self, salt: str) -> str:
        """Return what a journal calls the key: nothing that leads back to it."""
        return hashlib.sha256(f"{salt}/{self.api_key}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified request: by which key, and what its signature covered."""

    key: ApiKey
    form: Form | str


@dataclass(slots=True)
class Keyring:
    """All keys by their text; `is_strict` takes the documented payload alone."""

    keys: dict[str, ApiKey] = field(default_factory=dict, repr=False)
    is_strict: bool = False

    def add(self, key: ApiKey) -> None:
        """Let a key in.

        Raises:
            ValueError: when it is known already.
        """
        if key.api_key in self.keys:
            raise ValueError(f"an API key of account {key.account} is there twice; give each once")
        self.keys[key.api_key] = key

    def verified(
        self, credentials: Credentials, security: Security, session_key: str | None, now_ms: int
    ) -> Signed:
        """Return who sent a request.

        The checks in their order: form of the key, whether it is known and may do this, the time, the
        signature. `session_key` vouches for a request without key and signature.

        Raises:
            Refusal: -2014, -2015, -1021 or -1022.
        """
        credentials.check_key()
        key = self.keys.get(credentials.api_key or session_key or "")
        if key is None or not _permits(key, security):
            raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
        credentials.check_time(now_ms)
        if credentials.signature is None:
            return Signed(key, "session")
        form = None
        if key.public is not None:
            offered = credentials.payloads(is_strict=self.is_strict)
            form = verify(key.public, offered, credentials.signature)
        if form is None:
            raise Refusal(-1022, "Signature for this request is not valid.")
        return Signed(key, form)

    def logging_on(self, credentials: Credentials, now_ms: int) -> Signed:
        """Return who logs on; only Ed25519 keys may.

        Raises:
            Refusal: as `verified`; -2028 for a key of another kind.
        """
        signed = self.verified(credentials, "SIGNED", None, now_ms)
        scheme = "HMAC" if signed.key.public is None else signed.key.public.scheme
        if scheme != "ED25519":
            # Received from the exchange with an HMAC key; not in its documents.
            name = "HMAC-SHA-256" if scheme == "HMAC" else scheme
            raise Refusal(-2028, f"{name} API key is not supported.")
        return signed


def _permits(key: ApiKey, security: Security) -> bool:
    return security not in PERMISSIONS or security in key.permissions
