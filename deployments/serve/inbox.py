"""`GraphInbox`: the durable inbox with the deployed graph as its analysis."""

import asyncio
import logging
from contextlib import suppress

from deployments.serve.graph import Graph, Handles
from deployments.serve.graph_elsewhere import GraphElsewhere
from deployments.serve.inbox_scaling import WAITING
from ecg.cardioai.inbox import Inbox
from ecg.cardioai.receipts import Limits, Receipt
from ecg.errors import StoreUnavailable
from ecg.store.database import Engine, open_database
from ecg.store.worker import Patience

#: Seconds between two tries to open a store that does not answer.
EVERY_S = 5.0
log = logging.getLogger(__name__)


class GraphInbox:
    """The inbox as it is deployed: its worker hands complete recordings to the graph that also answers `/analyze`.

    `analysis` is the working deployments of its own application, or the name of the one that has them; while that one
    is not deployed, recordings wait.

    A store that does not answer at the start is tried again until it does: where there is one application, `/analyze`
    must not wait for a database. Until then every method raises `StoreUnavailable`, and senders keep their messages.
    """

    def __init__(self, url: str, incomplete_after_s: float, keep_days: float | None, analysis: Handles | str) -> None:
        self._url = url
        self._patience = Patience(incomplete_after_s=incomplete_after_s)
        self._keep_days = keep_days
        graph = GraphElsewhere.of(analysis) if isinstance(analysis, str) else Graph(analysis)
        self._analyse = graph.document
        self._open: Inbox | None = None
        self._opening: asyncio.Task[None] | None = None
        self._counting: asyncio.Future[int] | None = None
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
        with suppress(StoreUnavailable):
            if self._counting is None or self._counting.done():
                self._counting = asyncio.ensure_future(self._opened.waiting())
            # Serve gives up after ten seconds; a store that hangs has one count to answer then, not one of every time.
            return {WAITING: float(await asyncio.shield(self._counting))}
        return {}

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
        return Inbox(engine, self._analyse, Limits(), self._patience, self._keep_days)

    async def _open_later(self) -> None:
        while self._open is None:
            await asyncio.sleep(EVERY_S)
            with suppress(StoreUnavailable):
                self._open = self._inbox(await asyncio.to_thread(open_database, self._url))
        log.warning("The inbox's store answers.")
