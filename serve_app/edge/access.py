"""Who may call: API keys and tokens, scopes, limits and audit, as middleware of the routes that need a credential."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.serve.ray_errors import as_ecg_error
from ecg.access.audit import AuditLog
from ecg.access.keys import Key, KeyRing
from ecg.access.limiter import Limiter
from ecg.errors import AuditBroken, Forbidden, Unauthenticated
from serve_app.edge.problems import status_of
from serve_app.settings import AppSettings

if TYPE_CHECKING:
    from ecg.access.tokens import TokenVerifier

logger = logging.getLogger("ray.serve")
#: Scopes of which a caller needs one, by path; every other path is open to all, as health, pages and documents are.
SCOPES: dict[str, tuple[str, ...]] = {
    "/analyze": ("analyze",),
    "/analyze/bulk": ("analyze",),
    "/extract_features": ("analyze",),
    "/assess_quality": ("analyze",),
    "/data/v1": ("ingest",),
    "/data/v1/records/{recordId}": ("read", "ingest"),
    "/data/v1/stats": ("read",),
    "/data/v1/metrics": ("read",),
    "/health/activity": ("read",),
}
_MOST_SUBJECT = 128


class Access:
    """The keys of a service, the tokens it takes, their use in this replica, and the audit log.

    With neither keys nor tokens everybody may call.
    """

    def __init__(
        self, keys: KeyRing | None, tokens: "TokenVerifier | None", audit: AuditLog | None, limiter: Limiter
    ) -> None:
        self.keys = keys
        self.tokens = tokens
        self.audit = audit
        self.limiter = limiter

    @classmethod
    def of(cls, settings: AppSettings, limiter: Limiter) -> "Access":
        """As the settings say."""
        if not settings.needs_credential:
            return cls(None, None, None, limiter)
        keys = None if settings.keys_file is None else KeyRing(Path(settings.keys_file).expanduser().absolute())
        tokens = None
        if settings.oidc is not None:
            from ecg.access.tokens import TokenVerifier

            tokens = TokenVerifier(settings.oidc.rules())
        return cls(keys, tokens, AuditLog(settings.resolved_audit_folder()), limiter)

    def guard(self, path: str, action: str | None = None) -> list[Middleware]:
        """Middleware of the route of `path`; its uses are noted as `action` in the audit log, if that is not None."""
        if self.keys is None and self.tokens is None:
            return []
        return [Middleware(Guard, access=self, scopes=SCOPES[path], action=action)]

    async def caller(self, presented: str) -> Key:
        """Who presents a credential. Raises `Unauthenticated`."""
        if self.tokens is not None and presented.count(".") == 2:  # a key has no full stop
            # The issuer's public keys may have to be fetched.
            return await asyncio.to_thread(self.tokens.authenticate, presented)
        if self.keys is None:
            raise Unauthenticated("The token is missing or not valid.", "Authorization", "Bearer TOKEN")
        return self.keys.authenticate(presented)


class Guard:
    """Lets a request pass whose key has one of some scopes and is within its limits.

    The key is ``scope["state"]["key"]`` further in. Raises `Unauthenticated`, `Forbidden` and `QuotaExceeded`.
    """

    def __init__(self, app: ASGIApp, access: Access, scopes: tuple[str, ...], action: str | None) -> None:
        self._app = app
        self._access = access
        self._scopes = scopes
        self._action = action

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; where it is to be noted, its answer begins once the entry is on disk.

        A client that leaves before that is noted as ``cancelled``: what it asked for may be done all the same.
        """
        key = await self._key_of(scope)
        scope["state"]["key"] = key
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                await self._note(key, scope, str(message["status"]))
            await send(message)

        with self._access.limiter.place(key):
            if self._action is None:
                return await self._app(scope, receive, send)
            try:
                await self._app(scope, receive, noted)
            except asyncio.CancelledError:
                if not begun:
                    await self._note_leaving(key, scope)
                raise
            except Exception as error:
                refusal = as_ecg_error(error)
                await self._note(key, scope, "500" if refusal is None else str(status_of(refusal)))
                raise

    async def _key_of(self, scope: Scope) -> Key:
        stated = [value for name, value in scope["headers"] if name == b"authorization"]
        kind, _, presented = (stated[0] if len(stated) == 1 else b"").decode("latin-1").partition(" ")
        if kind.lower() != "bearer":
            raise Unauthenticated("This route needs an API key or a token.", "Authorization", "Bearer ecg_…")
        key = await self._access.caller(presented.strip())
        if "admin" not in key.scopes and not set(self._scopes) & set(key.scopes):
            raise Forbidden("This key has no right to this.", "scope", list(self._scopes), list(key.scopes))
        return key

    async def _note(self, key: Key, scope: Scope, outcome: str) -> None:
        """Write an entry, which is written whole even when the request is cancelled meanwhile."""
        await asyncio.shield(asyncio.to_thread(self._write, key, scope, outcome))

    async def _note_leaving(self, key: Key, scope: Scope) -> None:
        try:
            await self._note(key, scope, "cancelled")
        except (AuditBroken, OSError):  # the one who could be told has left
            logger.exception("a cancelled request is not in the audit log")

    def _write(self, key: Key, scope: Scope, outcome: str) -> None:
        subject = str(scope.get("path_params", {}).get("record_id") or scope["state"].get("subject") or "")
        subject = "".join(letter if letter.isprintable() else "?" for letter in subject[:_MOST_SUBJECT])
        if self._access.audit is not None and self._action is not None:
            self._access.audit.append(key.id, self._action, subject or None, outcome)


def origin_of(scope: Scope) -> str | None:
    """The origin that a request's key decides; None without a key, or with one that is of no origin."""
    key: Key | None = scope.get("state", {}).get("key")
    return None if key is None else key.origin


def readable_origin(scope: Scope) -> str | None:
    """The only origin whose recordings a request may read; None for all: without keys, and with the scope read."""
    key: Key | None = scope.get("state", {}).get("key")
    if key is None or {"read", "admin"} & set(key.scopes):
        return None
    return key.origin or ""
