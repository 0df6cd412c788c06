"""`Batcher`: one forward pass at a time; what arrives meanwhile makes up the next."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deployments.serve.priority import forward_thread
from ecg.errors import EcgError
from ecg.models.contract import ModelResult

Segments = NDArray[np.float32]
Forward = Callable[[list[Segments]], list[ModelResult]]


class Observer(Protocol):
    """Hears what becomes of the recordings."""

    def waited(self, seconds: float) -> None:
        """A recording has waited so long for its pass."""

    def batch(self, segments: int, most: int) -> None:
        """A pass begins with so many segments, of at most so many."""

    def abandoned(self) -> None:
        """Whoever asked for a recording had gone before its pass."""


@dataclass(frozen=True)
class _Waiting:
    segments: Segments
    future: "asyncio.Future[ModelResult]"
    since: float


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
    observer
        Hears of waits and batches, in the event loop.

    A pass that fails is made again with each half of its recordings, so that one which breaks it fails alone.
    """

    def __init__(self, forward: Forward, max_segments: int, observer: Observer | None = None) -> None:
        self.max_segments = max_segments
        #: Batches that failed altogether since the last one that did not.
        self.failed_in_a_row = 0
        self._forward = forward
        self._observer = observer
        self._waiting: deque[_Waiting] = deque()
        self._thread = forward_thread()
        self._running: asyncio.Task[None] | None = None

    async def submit(self, segments: Segments) -> ModelResult:
        """The result of one recording."""
        future: asyncio.Future[ModelResult] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(segments, future, time.monotonic()))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while batch := self._take():
                recordings = [waiting.segments for waiting in batch]
                if self._observer is not None:
                    self._observer.batch(sum(map(len, recordings)), self.max_segments)
                outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._outcomes, recordings)
                if all(isinstance(outcome, Exception) for outcome in outcomes):
                    self.failed_in_a_row += 1
                else:
                    self.failed_in_a_row = 0
                for waiting, outcome in zip(batch, outcomes, strict=True):
                    if waiting.future.done():
                        continue
                    if isinstance(outcome, Exception):
                        waiting.future.set_exception(outcome)
                    else:
                        waiting.future.set_result(outcome)
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

    def _take(self) -> list[_Waiting]:
        """The recordings of the next pass, first come first; those whose caller has gone are dropped."""
        batch: list[_Waiting] = []
        size = 0
        while self._waiting:
            first = self._waiting[0]
            if batch and size + len(first.segments) > self.max_segments:
                break
            self._waiting.popleft()
            if not first.future.done():
                batch.append(first)
                size += len(first.segments)
                if self._observer is not None:
                    self._observer.waited(time.monotonic() - first.since)
            elif self._observer is not None:
                self._observer.abandoned()
        return batch
