"""`GraphInbox`: the durable inbox with the deployed graph as its analysis."""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress

from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.serve.inbox_scaling import WAITING
from deployments.serve.ray_errors import as_ecg_error
from ecg.cardioai.inbox import Inbox
from ecg.cardioai.receipts import Limits, Receipt
from ecg.errors import Overloaded, StoreUnavailable
from ecg.record import EcgRecord
from ecg.store.database import Engine, open_database
from ecg.store.worker import Patience

#: Seconds between two tries to open a store that does not answer.
EVERY_S = 5.0
#: The deployment that analyses (`Ingress.document`). After so long without an answer it is asked whether it is there,
#: and has as long to say so.
GRAPH, GRAPH_THERE_S = "Ingress", 10.0
log = logging.getLogger(__name__)


class GraphInbox:
    """The inbox as it is deployed: its worker hands complete recordings to the graph that also answers `/analyze`.

    The graph is another application's when `graph_application` names one. While that is not deployed, recordings wait.

    A store that does not answer at the start is tried again until it does: the application, and `/analyze` with it,
    must not wait for a database. Until then every method raises `StoreUnavailable`, and senders keep their messages.
    """

    def __init__(
        self, url: str, incomplete_after_s: float, keep_days: float | None, graph_application: str | None
    ) -> None:
        self._url = url
        self._patience = Patience(incomplete_after_s=incomplete_after_s)
        self._keep_days = keep_days
        self._graph_application = graph_application
        self._graph: DeploymentHandle | None = None
        self._open: Inbox | None = None
        self._opening: asyncio.Task[None] | None = None
        try:
            self._open = self._inbox(open_database(url))
        except StoreUnavailable:
            log.warning("The inbox's store does not answer; it is tried every %g s.", EVERY_S)
            self._opening = asyncio.get_running_loop().create_task(self._open_later())

    async def accept(self, body: bytes, fs_hz: float | None, origin: str | None = None) -> Receipt:
        """As `Inbox.accept`."""
        return await self._opened.accept(body, fs_hz, origin)

    async def record(self, record_id: str, origin: str | None = None) -> bytes:
        """As `Inbox.record`."""
        return await self._opened.record(record_id, origin)

    async def stats(self) -> bytes:
        """As `Inbox.stats`."""
        return await self._opened.stats()

    async def metrics(self) -> str:
        """As `Inbox.metrics`."""
        return await self._opened.metrics()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What Serve scales this deployment by (`deployments.serve.inbox_scaling`)."""
        return {WAITING: float(await self._open.waiting())} if self._open is not None else {}

    def check_health(self) -> None:
        """Raise when a background thread of the inbox has ended: Serve then replaces this replica.

        Without a store there is none yet; another replica would have none, either.
        """
        if self._opening is not None and self._opening.done():
            self._opening.result()
        if self._open is not None:
            self._open.check_health()

    async def __del__(self) -> None:
        """Called by Serve when the replica drains: what was accepted is finished first."""
        if self._opening is not None:
            self._opening.cancel()
            with suppress(asyncio.CancelledError):
                await self._opening
        if self._open is not None:
            await self._open.close()

    @property
    def _opened(self) -> Inbox:
        if self._open is None:
            raise StoreUnavailable("The durable store does not answer.", retry_after_s=EVERY_S)
        return self._open

    def _inbox(self, engine: Engine) -> Inbox:
        return Inbox(engine, self._analysed, Limits(), self._patience, self._keep_days)

    async def _analysed(self, record: EcgRecord) -> bytes:
        """The graph's JSON document. Raises `Overloaded` when there is no graph, which no recording fails for."""
        if self._graph is None:  # by name: the ingress, which has this deployment's handle, cannot be bound to it
            name = self._graph_application or serve.get_replica_context().app_name
            self._graph = DeploymentHandle(GRAPH, name)
        asked = self._graph.document.remote(record)
        answer = asyncio.ensure_future(_awaited(asked))
        try:
            while not (await asyncio.wait({answer}, timeout=GRAPH_THERE_S))[0]:
                await _check_there(self._graph)  # a call of a deployment that is not there waits for ever
            return await answer
        except Exception as error:
            refusal = as_ecg_error(error)
            if refusal is None or refusal is error:
                raise
            raise refusal from None
        finally:
            if not answer.done():
                asked.cancel()
                answer.cancel()

    async def _open_later(self) -> None:
        while self._open is None:
            await asyncio.sleep(EVERY_S)
            with suppress(StoreUnavailable):
                self._open = self._inbox(await asyncio.to_thread(open_database, self._url))
        log.warning("The inbox's store answers.")


async def _awaited(asked: Awaitable[bytes]) -> bytes:
    return await asked


async def _check_there(graph: DeploymentHandle) -> None:
    asked = graph.is_there.remote()
    try:
        async with asyncio.timeout(GRAPH_THERE_S):
            await asked
    except TimeoutError:
        asked.cancel()
        raise Overloaded("The analysis is not deployed; its recordings wait.") from None
