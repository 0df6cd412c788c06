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
from ecg.formats import wfdb_record
from ecg.formats.stated import Stated
from ecg.record import EcgRecord, to_millivolt
from ecg.values import Value

#: A path, a recording, or samples [lead, sample] with `fs`, `leads` and `units` beside them.
Source = str | Path | EcgRecord | ArrayLike
#: Called after each recording with how many are done and how many there are.
Progress = Callable[[int, int], None]
MOST_WAIT_S = 60.0  # a service that asks for a longer wait is taken to be away
_AGAIN = (429, 503)
_DROPPED_WAIT_S = 0.1  # before a dropped connection is tried again; twice as long each time
_NO_ANSWER = "What came is no answer of this service: is the address right?"


class ServiceRefusal(Exception):
    """The service refused: `problem` is its problem document (RFC 9457), `status` the HTTP status.

    `code`, `field`, `expected` and `got` are those of the document, None where it has none.
    """

    def __init__(self, problem: object, status: int) -> None:
        problem = problem if isinstance(problem, dict) else {}
        super().__init__(problem, status)
        self.message: str = problem.get("detail") or problem.get("title") or f"The answer was HTTP {status}."
        self.code, self.field = problem.get("code"), problem.get("field")
        self.expected, self.got = problem.get("expected"), problem.get("got")
        self.problem: dict[str, Any] = problem
        self.status = status

    def __str__(self) -> str:
        return self.message


#: Why one recording of many has no answer.
Failure = EcgError | ServiceRefusal | httpx.RequestError


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
    if not isinstance(source, str | Path | EcgRecord):
        source = _as_record(source, stated)
    if isinstance(source, EcgRecord):
        body = io.BytesIO()
        np.save(body, source.signal, allow_pickle=False)
        settled = _settled(source, stated)
        parameters = settled | {name: value for name, value in stated.items() if name not in settled}
        return {"content": body.getvalue(), "params": parameters, "headers": {"Content-Type": "application/x-npy"}}
    try:
        files = [("file", file) for file in _files(Path(source))]
    except OSError as error:
        raise MalformedInput(
            f"The file cannot be read: {error.strerror or error}.", "source", "a file", str(source)
        ) from None
    return {"files": files, "data": {name: str(value) for name, value in stated.items()}}


def _settled(record: EcgRecord, stated: dict[str, Any]) -> dict[str, Any]:
    """Rate, leads and unit of a recording. Raises `InconsistentInput` where something else is stated beside it."""
    leads = stated.get("leads")
    beside = Stated(stated.get("fs"), None if leads is None else tuple(leads.split(",")), stated.get("units"))
    settled = {
        "fs": beside.settle_fs(record.fs_hz),
        "leads": ",".join(beside.settle_leads(record.leads)),
        "units": beside.settle_unit(record.unit),
    }
    return {name: value for name, value in settled.items() if value is not None}


def _as_record(samples: ArrayLike, stated: dict[str, Any]) -> EcgRecord:
    """The recording of bare samples; takes what is stated of them out of `stated`."""
    for name in ("fs", "leads"):
        if name not in stated:
            raise MalformedInput("Samples need their sampling rate and leads.", name, "stated beside them", None)
    leads = stated.pop("leads").split(",")
    record = EcgRecord.from_array(samples, stated.pop("fs"), leads)
    signal, unit = to_millivolt(record.signal, stated.pop("units", None))
    return EcgRecord.from_array(signal, record.fs_hz, leads, unit)


def _files(path: Path) -> list[tuple[str, bytes]]:
    """Name and bytes of a file, and of the signal files that a WFDB header names."""
    if not path.is_file():
        raise MalformedInput("No such file.", "source", "a path of a recording", str(path))
    found = [(path.name, path.read_bytes())]
    if path.suffix.lower() == ".hea":
        for named in wfdb_record.companions(found[0][1]):
            beside = path.parent / named.rpartition("/")[2]  # never elsewhere: a header could name any file
            if beside != path and beside.is_file():
                found.append((beside.name, beside.read_bytes()))
    return found


def _refusal(response: httpx.Response) -> ServiceRefusal:
    try:
        problem = response.json()
    except ValueError:  # not of the service itself: a proxy between
        problem = {}
    return ServiceRefusal(problem, response.status_code)


def _answer_or_wait(response: httpx.Response, attempt: int) -> Answer | float:
    """The answer, or how long to wait before the next attempt: what the service says, else twice as long each time.

    Raises `ServiceRefusal` when the refusal is final, asks for a wait beyond `MOST_WAIT_S`, or is no answer at all.
    """
    if response.is_success:
        try:
            return Answer.from_body(response.json())
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ServiceRefusal({"detail": _NO_ANSWER}, response.status_code) from None
    try:
        wait = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        wait = float(2**attempt)
    if not wait >= 0:  # also for NaN
        wait = float(2**attempt)
    if response.status_code not in _AGAIN or wait > MOST_WAIT_S:
        raise _refusal(response)
    return wait


def _wait_after(error: httpx.TransportError, attempt: int, attempts: int) -> float:
    """How long to wait after a connection that broke; raises the error after the last attempt and after a timeout."""
    if attempt + 1 == attempts or isinstance(error, httpx.TimeoutException):
        raise error
    return float(_DROPPED_WAIT_S * 2**attempt)


def _at_least_one(name: str, number: int) -> int:
    if number < 1:
        raise ValueError(f"{name} must be at least 1, not {number}")
    return number


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
        request = _request(source, _fields(leads, fs=fs, units=units, include=include and ",".join(include)))
        for attempt in range(self._attempts):
            try:
                response = self._http.post("/analyze", **request)
            except httpx.TransportError as error:
                time.sleep(_wait_after(error, attempt, self._attempts))
                continue
            outcome = _answer_or_wait(response, attempt)
            if isinstance(outcome, Answer):
                return outcome
            wait = outcome
            if attempt + 1 < self._attempts:
                time.sleep(wait)
        raise Overloaded(f"The service stayed busy: {_refusal(response).message}", retry_after_s=wait)

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
        request = _request(source, _fields(leads, fs=fs, units=units, include=include and ",".join(include)))
        for attempt in range(self._attempts):
            try:
                response = await self._http.post("/analyze", **request)
            except httpx.TransportError as error:
                await asyncio.sleep(_wait_after(error, attempt, self._attempts))
                continue
            outcome = _answer_or_wait(response, attempt)
            if isinstance(outcome, Answer):
                return outcome
            wait = outcome
            if attempt + 1 < self._attempts:
                await asyncio.sleep(wait)
        raise Overloaded(f"The service stayed busy: {_refusal(response).message}", retry_after_s=wait)

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
