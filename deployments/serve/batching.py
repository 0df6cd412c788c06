"""`Batcher`: one forward pass at a time; what arrives meanwhile makes up the next."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from deployments.serve.priority import forward_thread
from ecg.errors import EcgError
from ecg.models.contract import ModelResult

Segments = NDArray[np.float32]
Forward = Callable[[list[Segments]], list[ModelResult]]


class Batcher:
    """Gathers recordings for a forward pass in a thread of its own.

    No request waits for a batch to fill: a lone one starts at once, and under load the queue that builds up behind the
    running pass fills the next one. (`serve.batch` waits out a timeout, and does not run in local testing mode.)

    Parameters
    ----------
    forward
        One result a recording. Runs in the batcher's thread, never twice at a time.
    max_segments
        Most segments in one pass; a longer recording makes a pass alone.

    A pass that fails is made again with each half of its recordings, so that one which breaks it fails alone.
    """

    def __init__(self, forward: Forward, max_segments: int) -> None:
        self.max_segments = max_segments
        #: Batches that failed altogether since the last one that did not.
        self.failed_in_a_row = 0
        self._forward = forward
        self._waiting: deque[tuple[Segments, asyncio.Future[ModelResult]]] = deque()
        self._thread = forward_thread()
        self._running: asyncio.Task[None] | None = None

    async def submit(self, segments: Segments) -> ModelResult:
        """The result of one recording."""
        future: asyncio.Future[ModelResult] = asyncio.get_running_loop().create_future()
        self._waiting.append((segments, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while batch := self._take():
                recordings = [segments for segments, _ in batch]
                outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._outcomes, recordings)
                if all(isinstance(outcome, Exception) for outcome in outcomes):
                    self.failed_in_a_row += 1
                else:
                    self.failed_in_a_row = 0
                for (_, future), outcome in zip(batch, outcomes, strict=True):
                    if future.done():
                        continue
                    if isinstance(outcome, Exception):
                        future.set_exception(outcome)
                    else:
                        future.set_result(outcome)
        finally:
            self._running = None

    def _outcomes(self, recordings: list[Segments]) -> Sequence[ModelResult | Exception]:
        """What comes of each recording; called in the batcher's thread."""
        try:
            return self._forward(recordings)
        except EcgError as error:  # a refusal, which holds for all
            return [error] * len(recordings)
        except Exception as error:  # noqa: BLE001  handed to whoever waits for it
            failed = error
        if len(recordings) == 1:
            return [failed]
        half = len(recordings) // 2
        return [*self._outcomes(recordings[:half]), *self._outcomes(recordings[half:])]

    def _take(self) -> list[tuple[Segments, "asyncio.Future[ModelResult]"]]:
        """The recordings of the next pass, first come first; those whose caller has gone are dropped."""
        batch: list[tuple[Segments, asyncio.Future[ModelResult]]] = []
        size = 0
        while self._waiting:
            segments, future = self._waiting[0]
            if batch and size + len(segments) > self.max_segments:
                break
            self._waiting.popleft()
            if not future.done():
                batch.append((segments, future))
                size += len(segments)
        return batch
