"""A client of the running service: recordings in, typed answers out, with retries and concurrency.

It needs httpx (``pip install 'ecg-serve[client]'``)::

    with ecg.Client("http://127.0.0.1:7860") as client:
        answer = client.analyze("recording.hea")
        print(answer.rhythm, answer.measurements["qt_interval"].value)
"""

import asyncio
import io
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecg.errors import EcgError, MalformedInput, Overloaded
from ecg.record import EcgRecord
from ecg.values import Value

Source = str | Path | EcgRecord
#: Called after each recording with how many are done and how many there are.
Progress = Callable[[int, int], None]
MOST_WAIT_S = 60.0  # a service that asks for a longer wait is taken to be away
_AGAIN = (429, 503)


class ServiceRefusal(Exception):
    """The service refused: `problem` is its problem document (RFC 9457), `status` the HTTP status.

    `code`, `field`, `expected` and `got` are those of the document, None where it has none.
    """

    def __init__(self, problem: dict[str, Any], status: int) -> None:
        super().__init__(problem, status)
        self.message: str = problem.get("detail") or problem.get("title") or f"The answer was HTTP {status}."
        self.code, self.field = problem.get("code"), problem.get("field")
        self.expected, self.got = problem.get("expected"), problem.get("got")
        self.problem = problem
        self.status = status

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class LabelFinding:
    """What the rules say of one label or statement: present, absent, or open (None)."""

    name: str
    present: bool | None
    evidence: str
    not_excluded: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Answer:
    """One answer of ``POST /analyze``.

    Attributes
    ----------
    rhythm
        None when it is not decided.
    abnormalities
        Labels that count as found.
    measurements
        `Value` by name, with unit and spread, or the reason for its absence.
    findings, statements
        What the rules say, with evidence.
    probabilities
        By label; None where no trained model answered.
    features
        float64 [feature], NaN where a value is missing; None when there are none.
    grade
        Signal quality.
    warnings
        What to know before using the rest.
    """

    rhythm: str | None
    abnormalities: tuple[str, ...]
    measurements: dict[str, Value]
    findings: tuple[LabelFinding, ...]
    statements: tuple[LabelFinding, ...]
    probabilities: dict[str, float | None]
    features: NDArray[np.float64] | None
    grade: str | None
    warnings: tuple[str, ...]
    body: dict[str, Any]

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """The typed form of a JSON answer."""
        clinical = body.get("clinical_analysis") or {}
        measured = {k: Value(**_value_fields(v)) for k, v in (body.get("measurements") or {}).items() if "value" in v}
        features = body.get("features")
        return cls(
            rhythm=clinical.get("rhythm"),
            abnormalities=tuple(clinical.get("abnormalities") or ()),
            measurements=measured,
            findings=tuple(map(_finding, body.get("findings") or ())),
            statements=tuple(map(_finding, body.get("statements") or ())),
            probabilities={label["name"]: label["probability"] for label in body.get("labels") or ()},
            features=None if features is None else np.array(features, dtype=np.float64),  # None becomes NaN
            grade=body.get("signal_quality"),
            warnings=tuple(body.get("warnings") or ()),
            body=body,
        )

    def to_dict(self) -> dict[str, Any]:
        """The answer as it came."""
        return self.body


def _value_fields(wire: dict[str, Any]) -> dict[str, Any]:
    return {name: wire[name] for name in ("value", "unit", "spread", "reason")}


def _finding(wire: dict[str, Any]) -> LabelFinding:
    name = wire.get("label") or wire["name"]
    return LabelFinding(name, wire["present"], wire["evidence"], tuple(wire.get("not_excluded") or ()))


def _request(source: Source, fields: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of an HTTP request that carries a recording."""
    stated = {name: value for name, value in fields.items() if value is not None}
    if isinstance(source, EcgRecord):
        body = io.BytesIO()
        np.save(body, source.signal, allow_pickle=False)
        own = {"fs": source.fs_hz, "leads": ",".join(source.leads), "units": source.unit}
        parameters = {name: value for name, value in (own | stated).items() if value is not None}
        return {"content": body.getvalue(), "params": parameters, "headers": {"Content-Type": "application/x-npy"}}
    path = Path(source)
    if not path.is_file():
        raise MalformedInput("No such file.", "source", "a path of a recording", str(path))
    together = [path]
    if path.suffix == ".hea":  # a WFDB record is a header and its signal files
        together += sorted(p for p in path.parent.glob(f"{path.stem}.*") if p != path and p.suffix in (".dat", ".mat"))
    files = [("file", (p.name, p.read_bytes())) for p in together]
    return {"files": files, "data": {name: str(value) for name, value in stated.items()}}


def _refusal(response: httpx.Response) -> ServiceRefusal:
    try:
        problem = response.json()
    except ValueError:  # not of the service itself: a proxy between
        problem = {}
    return ServiceRefusal(problem, response.status_code)


def _wait_or_refuse(response: httpx.Response, attempt: int) -> float:
    """How long to wait before the next attempt: what the service says, else twice as long each time.

    Raises `ServiceRefusal` when the refusal is final, or asks for a wait beyond `MOST_WAIT_S`.
    """
    try:
        wait = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        wait = float(2**attempt)
    if response.status_code not in _AGAIN or wait > MOST_WAIT_S:
        raise _refusal(response)
    return wait


def _fields(leads: Sequence[str] | None, **others: object) -> dict[str, Any]:
    return {"leads": None if leads is None else ",".join(leads)} | others


def _credential(key: str | None) -> dict[str, str]:
    """The header of an API key: the one given, or else that in the environment variable ``ECG_API_KEY``."""
    key = key or os.environ.get("ECG_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


class Client:
    """A synchronous client. `attempts` bounds how often a busy service is asked again."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:7860",
        timeout_s: float = 120.0,
        attempts: int = 5,
        key: str | None = None,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_s, headers=_credential(key))
        self._attempts = attempts

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
        """The service's answer on a file or an `EcgRecord`.

        `fs`, `leads` and `units` are for files that do not say them; `include` names the parts that are wanted.
        Raises `ServiceRefusal` when the service refuses, `Overloaded` when it stays busy, `httpx.TransportError` when
        it cannot be reached.
        """
        request = _request(source, _fields(leads, fs=fs, units=units, include=include and ",".join(include)))
        for attempt in range(self._attempts):
            response = self._http.post("/analyze", **request)
            if response.is_success:
                return Answer.from_body(response.json())
            wait = _wait_or_refuse(response, attempt)
            if attempt + 1 < self._attempts:
                time.sleep(wait)
        raise Overloaded(f"The service stayed busy: {_refusal(response).message}", retry_after_s=wait)

    def analyze_array(self, signal: ArrayLike, fs: float, leads: Sequence[str], units: str | None = None) -> Answer:
        """The answer on samples [lead, sample]; `units` is ``"mV"`` or None."""
        return self.analyze(EcgRecord.from_array(signal, fs, leads, units))

    def analyze_many(
        self, sources: Iterable[Source], concurrency: int = 8, progress: Progress | None = None, **stated: Any
    ) -> Iterator[Answer | EcgError | ServiceRefusal]:
        """An answer, or the refusal, of each source, in their order."""
        listed = list(sources)

        def one(source: Source) -> Answer | EcgError | ServiceRefusal:
            try:
                return self.analyze(source, **stated)
            except (EcgError, ServiceRefusal) as error:
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
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, headers=_credential(key))
        self._attempts = attempts

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
        request = _request(source, _fields(leads, fs=fs, units=units, include=include and ",".join(include)))
        for attempt in range(self._attempts):
            response = await self._http.post("/analyze", **request)
            if response.is_success:
                return Answer.from_body(response.json())
            wait = _wait_or_refuse(response, attempt)
            if attempt + 1 < self._attempts:
                await asyncio.sleep(wait)
        raise Overloaded(f"The service stayed busy: {_refusal(response).message}", retry_after_s=wait)

    async def analyze_many(
        self, sources: Iterable[Source], concurrency: int = 8, progress: Progress | None = None, **stated: Any
    ) -> AsyncIterator[Answer | EcgError | ServiceRefusal]:
        """As `Client.analyze_many`."""
        listed = list(sources)
        places = asyncio.Semaphore(concurrency)

        async def one(source: Source) -> Answer | EcgError | ServiceRefusal:
            async with places:
                try:
                    return await self.analyze(source, **stated)
                except (EcgError, ServiceRefusal) as error:
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
