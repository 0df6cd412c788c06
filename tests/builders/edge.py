"""The whole edge over a real inbox and no models, in the test's own process."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson

from deployments.serve.graph import Graph, Handles
from ecg.access.audit import AuditLog
from ecg.access.keys import KeyRing
from ecg.access.limiter import Limiter
from ecg.cardioai.inbox import Inbox
from ecg.cardioai.receipts import Limits
from ecg.store.database import open_database
from serve_app.edge.activity import Activity
from serve_app.edge.application import application
from serve_app.edge.inbox import InboxRoutes
from serve_app.settings import AppSettings
from tests.builders.messages import message, payload
from tests.deployments.fakes import handle

JSON = {"Content-Type": "application/json"}


class Edge:
    """The whole edge over a real inbox and no models, on one event loop."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.ring = KeyRing(folder / "keys.json")
        self.url = f"sqlite:///{folder / 'inbox.sqlite'}"
        chosen = {"keys_file": str(self.ring.path), "inbox_url": self.url} | settings
        self._settings = AppSettings.model_validate(chosen)

    def run(self, scenario: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
        async def with_client() -> Any:
            inbox = Inbox(open_database(self.url), None, Limits())
            try:
                graph = Graph(Handles(None, {}, handle()))
                routes = InboxRoutes(inbox.accept, inbox.record, inbox.stats, inbox.metrics, 1 << 20)
                transport = httpx.ASGITransport(
                    application(self._settings, graph, routes, Activity(self._settings.max_requests), Limiter())
                )
                async with httpx.AsyncClient(transport=transport, base_url="http://edge", headers=JSON) as client:
                    return await scenario(client)
            finally:
                await inbox.close()

        return asyncio.run(with_client())

    def key(self, *scopes: str, **limits: Any) -> dict[str, str]:
        """The header of a new key."""
        return {"Authorization": f"Bearer {self.ring.create('test', scopes, **limits)[1]}"}

    def audited(self) -> list[dict[str, Any]]:
        """The entries of the audit log, which is checked first."""
        log = AuditLog(self.folder / "audit")
        log.verify()
        return [orjson.loads(line) for line in log.export()]


def of(record_id: str, **changes: Any) -> bytes:
    return message(payload(str(uuid.uuid4()), record_id=record_id), **changes)
