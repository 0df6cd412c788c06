"""`Inbox`: the whole inbox behind an asynchronous face, with a worker that feeds the analysis."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from ecg.cardioai.assemble import load
from ecg.cardioai.receipts import Limits, Receipt
from ecg.cardioai.receiver import Receiver
from ecg.cardioai.upkeep import give_up_waiting, prune
from ecg.cardioai.views import prometheus, record_view, stats, waiting
from ecg.errors import AnalysisLost, Overloaded, StoreUnavailable
from ecg.record import EcgRecord
from ecg.store.database import Engine
from ecg.store.worker import DEFAULT_PATIENCE, Patience, Worker

UPKEEP_EVERY_S = 30.0
THREADS = 32
MAX_IN_PROGRESS = 128  # bodies held at once; a sender beyond it is asked to come again


class Inbox:
    """Accepts messages, answers about recordings, and runs one worker where it is given an analysis.

    Parameters
    ----------
    engine
        The store, as `open_database` gives it; `close` ends it.
    analyse
        Turns a record into the JSON document to keep; awaited on the loop this object is created on. None when
        workers run elsewhere.
    limits, patience
        How much is taken, and how long is waited.
    keep_days
        How long finished recordings, results and quarantined messages are kept; None for ever.
    """

    def __init__(
        self,
        engine: Engine,
        analyse: Callable[[EcgRecord], Coroutine[Any, Any, bytes]] | None,
        limits: Limits,
        patience: Patience = DEFAULT_PATIENCE,
        keep_days: float | None = None,
    ) -> None:
        self._receiver = Receiver(engine, limits)
        self._engine = engine
        # Commits are shared by all messages in progress: the more wait at once, the fewer syncs each needs.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="inbox")
        self._in_progress = 0
        self._incomplete_after_s = patience.incomplete_after_s
        self._keep_s = None if keep_days is None else keep_days * 86_400.0
        self._stop = threading.Event()
        self._background = [threading.Thread(target=self._upkeep, name="inbox-upkeep", daemon=True)]
        if analyse is not None:
            loop = asyncio.get_running_loop()

            def wait_for(record: EcgRecord) -> bytes:
                answer = asyncio.run_coroutine_threadsafe(analyse(record), loop)
                try:
                    return answer.result(patience.analysis_s)
                except TimeoutError:
                    answer.cancel()
                    raise AnalysisLost(f"No analysis within {patience.analysis_s:g} s.") from None

            worker = Worker(self._engine, partial(load, limits=limits), wait_for, patience)
            self._background.append(
                threading.Thread(target=worker.run, args=(self._stop,), name="inbox-worker", daemon=True)
            )
        for thread in self._background:
            thread.start()

    async def accept(self, body: bytes, fs_hz: float | None, origin: str | None = None) -> Receipt:
        """Keep one message, of `origin` whatever it says if that is not None; the receipt means that it is on disk.

        Raises what `Receiver.accept` raises."""
        if self._in_progress >= MAX_IN_PROGRESS:
            raise Overloaded(f"{self._in_progress} messages are in progress.", "queue", f"< {MAX_IN_PROGRESS}")
        self._in_progress += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._receiver.accept, body, "http", fs_hz, origin)
        finally:
            self._in_progress -= 1

    async def record(self, record_id: str, origin: str | None = None) -> bytes:
        """State and result under a record id, of `origin` alone if that is not None, JSON."""
        return await asyncio.to_thread(record_view, self._engine, record_id, origin)

    async def stats(self) -> bytes:
        """Counts, JSON."""
        return (await asyncio.to_thread(stats, self._engine)).json()

    async def waiting(self) -> int:
        """How many complete recordings have no result yet."""
        return await asyncio.to_thread(waiting, self._engine)

    async def metrics(self) -> str:
        """Counts, Prometheus text."""
        return prometheus(await asyncio.to_thread(stats, self._engine))

    def check_health(self) -> None:
        """Raise when a background thread has ended: Serve then replaces this replica."""
        ended = [thread.name for thread in self._background if not thread.is_alive()]
        if ended:
            raise RuntimeError(f"ended: {', '.join(ended)}")

    async def close(self) -> None:
        """Finish what was accepted and the recording in work, then stop."""
        self._stop.set()
        await asyncio.to_thread(self._receiver.close)
        for thread in self._background:
            await asyncio.to_thread(thread.join)
        self._threads.shutdown()
        self._engine.dispose()

    def _upkeep(self) -> None:
        while not self._stop.wait(UPKEEP_EVERY_S):
            try:
                give_up_waiting(self._engine, self._incomplete_after_s)
                if self._keep_s is not None:
                    prune(self._engine, self._keep_s)
            except StoreUnavailable:
                continue
