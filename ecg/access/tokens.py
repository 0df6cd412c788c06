"""OIDC bearer tokens: who signed them, for whom, until when, and which scopes they give."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import orjson
import urllib3

from ecg.access.keys import SCOPES, Key
from ecg.access.token_rules import TokenRules
from ecg.errors import Unauthenticated

#: In a token, each scope of `ecg.access.keys.SCOPES` has this before it.
SCOPE_PREFIX = "ecg:"
#: Claims that hold scopes: a text with spaces (RFC 8693), or a list of texts, as several issuers write it.
_SCOPE_CLAIMS = ("scope", "scp", "roles")
_KINDS = ("jwt", "at+jwt", "application/at+jwt")
_MOST_TOKEN_LETTERS = 8192
_MOST_SUBJECT = 64
_MOST_KEY_SET_BYTES = 1 << 20
_KEYS_FRESH_S = 300.0
_KEYS_USABLE_S = 3600.0
#: A key id that is not known makes the set be read again, but not more often than this.
_RELOAD_PAUSE_S = 10.0


class TokenVerifier:
    """Checks tokens against rules; safe for threads, and blocking where the public keys must be read."""

    def __init__(self, rules: TokenRules) -> None:
        self.rules = rules
        self._keys = _KeySet(rules.jwks)

    def authenticate(self, presented: str) -> Key:
        """The caller of a valid token, in the form of a key: id ``oidc:SUBJECT``, of the subject's own origin.

        Raises `Unauthenticated`, without saying what is wrong with the token, and `Unauthenticated` as well while the
        issuer's keys cannot be read.
        """
        rules = self.rules
        try:
            claims = self._claims(presented)
            lifetime_s = float(claims["exp"]) - float(claims["iat"])
            subject = claims["sub"]
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise _refused() from None
        if not 0 < lifetime_s <= rules.most_lifetime_s:
            raise _refused()
        if not isinstance(subject, str) or not 0 < len(subject) <= _MOST_SUBJECT or not subject.isprintable():
            raise _refused()
        scopes = _scopes(claims)
        if not scopes:
            raise _refused()
        return Key(
            id=f"oidc:{subject}",
            name=subject,
            scopes=scopes,
            origin=f"oidc:{subject}",
            rate_hz=rules.rate_hz,
            concurrency=rules.concurrency,
            created=float(claims["iat"]),
            revoked=None,
            secret_sha256="",
        )

    def _claims(self, presented: str) -> dict[str, Any]:
        if len(presented) > _MOST_TOKEN_LETTERS or not presented.isascii():
            raise jwt.InvalidTokenError
        head = jwt.get_unverified_header(presented)
        kind = head.get("typ", "JWT")
        if "crit" in head or not isinstance(kind, str) or kind.lower() not in _KINDS:
            raise jwt.InvalidTokenError  # an extension that must be understood, or another kind of token
        key_id, algorithm = head.get("kid"), head.get("alg")
        if not isinstance(key_id, str) or algorithm not in self.rules.algorithms:
            raise jwt.InvalidTokenError
        return jwt.decode(
            presented,
            self._keys.key(key_id, algorithm),
            algorithms=[algorithm],
            audience=self.rules.audience,
            issuer=self.rules.issuer,
            leeway=self.rules.skew_s,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )


def _refused() -> Unauthenticated:
    return Unauthenticated("The token is missing or not valid.", "Authorization", "Bearer TOKEN")


def _scopes(claims: Mapping[str, Any]) -> tuple[str, ...]:
    given: set[str] = set()
    for name in _SCOPE_CLAIMS:
        stated = claims.get(name, [])
        listed = stated.split() if isinstance(stated, str) else stated
        if isinstance(listed, list):
            given |= {item for item in listed if isinstance(item, str)}
    return tuple(scope for scope in SCOPES if SCOPE_PREFIX + scope in given)


class _KeySet:
    """The issuer's public keys, read again when they are old or a token names one that is not there."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = self._tried_at = float("-inf")

    def key(self, key_id: str, algorithm: str) -> jwt.PyJWK:
        """The key of that id. Raises `jwt.InvalidKeyError` when there is none, or it is for another algorithm."""
        with self._lock:
            self._refresh(key_id)
            found = self._keys.get(key_id)
        if found is None or found.algorithm_name != algorithm:
            raise jwt.InvalidKeyError
        return found

    def _refresh(self, key_id: str) -> None:
        now = time.monotonic()
        old = now - self._read_at > _KEYS_FRESH_S
        if (old or key_id not in self._keys) and now - self._tried_at >= _RELOAD_PAUSE_S:
            self._tried_at = now
            # Where they cannot be read, the keys from before are good for a while.
            with suppress(OSError, ValueError, urllib3.exceptions.HTTPError, jwt.PyJWTError):
                self._keys, self._read_at = _public_keys(_read(self._source)), now
        if now - self._read_at > _KEYS_USABLE_S:
            self._keys = {}


def _read(source: str) -> bytes:
    if urlsplit(source).scheme not in ("http", "https"):
        path = Path(source).expanduser()
        if path.stat().st_size > _MOST_KEY_SET_BYTES:
            raise ValueError
        return path.read_bytes()
    with urllib3.PoolManager(timeout=urllib3.Timeout(connect=3.0, read=3.0), retries=False) as pool:
        answer = pool.request("GET", source, redirect=False, preload_content=False)
        body = answer.read(_MOST_KEY_SET_BYTES + 1)
        if answer.status != 200 or len(body) > _MOST_KEY_SET_BYTES:
            raise ValueError
        return bytes(body)


def _public_keys(content: bytes) -> dict[str, jwt.PyJWK]:
    """By id, the keys of a set that can check a signature; symmetric ones and those for encryption are left out."""
    document = orjson.loads(content)
    keys: dict[str, jwt.PyJWK] = {}
    for entry in document["keys"] if isinstance(document, dict) and isinstance(document.get("keys"), list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("kty") == "oct":
            continue
        if entry.get("use", "sig") != "sig":
            continue
        public = {name: value for name, value in entry.items() if name != "d"}
        try:
            keys[entry["kid"]] = jwt.PyJWK(public)
        except jwt.PyJWTError:
            continue  # of a kind that is not known here
    return keys
