"""API keys: a file of hashes, scopes and limits, read anew when it has changed."""

import fcntl
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from ecg.atomic_write import replacing
from ecg.errors import Forbidden, KeysUnreadable, MalformedInput, Unauthenticated, UnknownKey

SCOPES = ("analyze", "ingest", "read", "admin")
_PREFIX = "ecg"
_MAX_NAME = 64
_NO_HASH = "0" * 64


@dataclass(frozen=True)
class Key:
    """One API key as it is kept; of its secret only SHA-256, which is enough for 256 random bits.

    Attributes
    ----------
    id
        Public part of the key, which stands in listings and in the audit log.
    name
        Who has it; chosen by the operator.
    scopes
        Some of `SCOPES`; ``admin`` includes all.
    origin
        The origin of everything that is sent with this key, whatever a message says; None for keys that send nothing.
    rate_hz, concurrency
        Requests a second and at a time; None without limit.
    created, revoked
        Seconds since 1970; `revoked` is None while the key is valid.
    secret_sha256, former_sha256, former_until
        Hash of the secret, and of the one before the last rotation with the time until which that is taken.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    origin: str | None
    rate_hz: float | None
    concurrency: int | None
    created: float
    revoked: float | None
    secret_sha256: str
    former_sha256: str | None = None
    former_until: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= _MAX_NAME or not self.name.isprintable():
            raise MalformedInput("A key's name is short printable text.", "name", f"1..{_MAX_NAME} characters")
        if not self.scopes or not set(self.scopes) <= set(SCOPES):
            raise MalformedInput("Unknown scope.", "scopes", list(SCOPES), list(self.scopes))
        if self.rate_hz is not None and not 0 < self.rate_hz < float("inf"):
            raise MalformedInput("A rate is a positive number a second.", "rate", "> 0", str(self.rate_hz))
        if self.concurrency is not None and self.concurrency < 1:
            raise MalformedInput("A key needs room for one request.", "concurrency", ">= 1", self.concurrency)

    def allow(self, scope: str) -> None:
        """Raise `Forbidden` unless the key has the scope."""
        if scope not in self.scopes and "admin" not in self.scopes:
            raise Forbidden(f"This key may not {scope}.", "scope", scope, list(self.scopes))


class KeyRing:
    """The keys of a file, which is made with the first key, readable by its owner only.

    Several processes may use one file: writers take turns, and a change counts in every process from its next call.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def listed(self) -> list[Key]:
        """All keys, in the order of their creation. Raises `KeysUnreadable` when the file is no key file."""
        self._refresh()
        return list(self._keys.values())

    def authenticate(self, presented: str) -> Key:
        """The valid key that was presented. Raises `Unauthenticated`, without saying what is wrong with it.

        Raises `KeysUnreadable` when the file is no key file, for keys that it held before as well.
        The time does not depend on how much of a secret is right, nor on whether a key of that id exists.
        """
        self._refresh()
        prefix, _, rest = presented.partition("_")
        key_id, _, secret = rest.partition("_")
        digest = _sha256(secret)
        key = self._keys.get(key_id)
        current = hmac.compare_digest(digest, _NO_HASH if key is None else key.secret_sha256)
        former = hmac.compare_digest(digest, (key.former_sha256 if key else None) or _NO_HASH)
        matches = current or (former and key is not None and time.time() < key.former_until)
        if key is not None and matches and prefix == _PREFIX and key.revoked is None:
            return key
        raise Unauthenticated("The API key is missing or not valid.", "Authorization", "Bearer ecg_…")

    def create(
        self,
        name: str,
        scopes: tuple[str, ...],
        origin: str | None = None,
        rate_hz: float | None = None,
        concurrency: int | None = None,
    ) -> tuple[Key, str]:
        """A new key, and the text that its holder presents: it is shown once and kept nowhere."""
        secret = secrets.token_urlsafe(32)
        key_id = secrets.token_hex(6)
        key = Key(key_id, name, scopes, origin, rate_hz, concurrency, time.time(), None, _sha256(secret))
        with self._changing():
            self._keys[key_id] = key
        return key, f"{_PREFIX}_{key_id}_{secret}"

    def rotate(self, key_id: str, overlap_s: float = 0.0) -> str:
        """A new secret for a key; the old one is taken for `overlap_s` more. Raises `UnknownKey`."""
        secret = secrets.token_urlsafe(32)
        with self._changing():
            key = self._valid(key_id)
            until = time.time() + overlap_s
            changed = replace(key, secret_sha256=_sha256(secret), former_sha256=key.secret_sha256, former_until=until)
            self._keys[key_id] = changed
        return f"{_PREFIX}_{key_id}_{secret}"

    def revoke(self, key_id: str) -> Key:
        """End a key for good; it stays in the list, so that the audit log can be read. Raises `UnknownKey`."""
        with self._changing():
            self._keys[key_id] = replace(self._valid(key_id), revoked=time.time())
        return self._keys[key_id]

    def _valid(self, key_id: str) -> Key:
        key = self._keys.get(key_id)
        if key is None or key.revoked is not None:
            raise UnknownKey("No valid key has that id.", "id", None, key_id[:_MAX_NAME])
        return key

    def _refresh(self) -> None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._stamp, self._keys = None, {}
            return
        except OSError:
            raise _unreadable() from None
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        if stamp == self._stamp:
            return
        try:
            stored = orjson.loads(self.path.read_bytes())
            if not isinstance(stored, list):
                raise TypeError
            entries = [Key(**entry | {"scopes": tuple(entry["scopes"])}) for entry in stored]
        except (orjson.JSONDecodeError, TypeError, KeyError, OSError, MalformedInput):
            raise _unreadable() from None
        self._stamp, self._keys = stamp, {key.id: key for key in entries}

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The file for this process alone; what the block leaves in `_keys` takes its place."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._stamp = None
            self._refresh()
            yield
            with replacing(self.path) as draft:
                _write_private(draft, orjson.dumps([asdict(key) for key in self._keys.values()]))
            self._stamp = None
        finally:
            os.close(lock)


def _unreadable() -> KeysUnreadable:
    """Without the file's path, which every caller of the service would be told."""
    return KeysUnreadable("The API keys cannot be read.", "keys", "a file of `ecg keys`")


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
