"""A client of the running service: recordings in, typed answers out, with retries and concurrency.

It needs httpx (``pip install 'ecg-serve[client]'``)::

    with ecg.Client("http://127.0.0.1:7860") as client:
        answer = client.analyze("recording.hea")
        print(answer.rhythm, answer.measurements["qt_interval"].value)
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import httpx
from numpy.typing import ArrayLike

from ecg.client.answer import Answer as Answer
from ecg.client.answer import LabelFinding as LabelFinding
from ecg.client.answer import ServiceRefusal as ServiceRefusal
from ecg.client.request import Source as Source
from ecg.client.request import request_of
from ecg.client.retries import Attempts
from ecg.errors import EcgError

#: Called after each recording with how many are done and how many there are.
Progress = Callable[[int, int], None]
#: Why one recording of many has no answer.
Failure = EcgError | ServiceRefusal | httpx.RequestError


def _at_least_one(name: str, number: int) -> int:
    if number < 1:
        raise ValueError(f"{name} must be at least 1, not {number}")
    return number


def _credential(key: str | None) -> dict[str, str]:
    """The header of an API key: the one given, or else that in the environment variable ``ECG_API_KEY``."""
    key = key or os.environ.get("ECG_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


class Client:
    """A synchronous client. A busy service is asked `attempts` times at most, and so is one whose connection breaks."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:7860",
        timeout_s: float = 120.0,
        attempts: int = 5,
        key: str | None = None,
    ) -> None:
        self._attempts = _at_least_one("attempts", attempts)
        self._http = httpx.Client(base_url=url, timeout=timeout_s, headers=_credential(key))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def analyze(
        self,
        source: Source,
        *,
        fs: float | None = None,
        leads: Sequence[str] | None = None,
        units: str | None = None,
        include: Sequence[str] | None = None,
    ) -> Answer:
        """The service's answer on a file, an `EcgRecord`, or samples [lead, sample].

        `fs`, `leads` and `units` (V, mV, uV, nV) are for samples, and for files that do not say them; `include` names
        the parts that are wanted. A dropped connection is tried again. Raises `ServiceRefusal` when the service
        refuses or what answers is another one, `Overloaded` when it stays busy, `httpx.TransportError` when it cannot
        be reached, `MalformedInput` for a source that is no recording.
        """
        request = request_of(source, fs, leads, units, include)
        attempts = Attempts(self._attempts)
        while True:
            try:
                outcome = attempts.answer_or_wait(self._http.post("/analyze", **request))
            except httpx.TransportError as error:
                outcome = attempts.wait_after(error)
            if isinstance(outcome, Answer):
                return outcome
            time.sleep(outcome)

    def analyze_array(self, signal: ArrayLike, fs: float, leads: Sequence[str], units: str | None = None) -> Answer:
        """`analyze` of samples [lead, sample]; without `units` their scale is unknown."""
        return self.analyze(signal, fs=fs, leads=leads, units=units)

    def analyze_many(
        self, sources: Iterable[Source], concurrency: int = 8, progress: Progress | None = None, **stated: Any
    ) -> Iterator[Answer | Failure]:
        """An answer, or why there is none, of each source, in their order: no failure ends the others."""
        listed = list(sources)

        def one(source: Source) -> Answer | Failure:
            try:
                return self.analyze(source, **stated)
            except (EcgError, ServiceRefusal, httpx.RequestError) as error:
                return error

        with ThreadPoolExecutor(concurrency) as pool:
            for done, outcome in enumerate(pool.map(one, listed), 1):
                if progress:
                    progress(done, len(listed))
                yield outcome


class AsyncClient:
    """`Client` for an event loop."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:7860",
        timeout_s: float = 120.0,
        attempts: int = 5,
        key: str | None = None,
    ) -> None:
        self._attempts = _at_least_one("attempts", attempts)
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, headers=_credential(key))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def analyze(
        self,
        source: Source,
        *,
        fs: float | None = None,
        leads: Sequence[str] | None = None,
        units: str | None = None,
        include: Sequence[str] | None = None,
    ) -> Answer:
        """As `Client.analyze`."""
        request = request_of(source, fs, leads, units, include)
        attempts = Attempts(self._attempts)
        while True:
            try:
                outcome = attempts.answer_or_wait(await self._http.post("/analyze", **request))
            except httpx.TransportError as error:
                outcome = attempts.wait_after(error)
            if isinstance(outcome, Answer):
                return outcome
            await asyncio.sleep(outcome)

    async def analyze_many(
        self, sources: Iterable[Source], concurrency: int = 8, progress: Progress | None = None, **stated: Any
    ) -> AsyncIterator[Answer | Failure]:
        """As `Client.analyze_many`."""
        listed = list(sources)
        places = asyncio.Semaphore(_at_least_one("concurrency", concurrency))

        async def one(source: Source) -> Answer | Failure:
            async with places:
                try:
                    return await self.analyze(source, **stated)
                except (EcgError, ServiceRefusal, httpx.RequestError) as error:
                    return error

        tasks = [asyncio.create_task(one(source)) for source in listed]
        try:
            for done, task in enumerate(tasks, 1):
                yield await task
                if progress:
                    progress(done, len(listed))
        finally:
            for task in tasks:
                task.cancel()
