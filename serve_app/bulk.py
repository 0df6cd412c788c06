"""`POST /analyze/bulk`: many recordings in one request, one line of NDJSON for each, in their order."""

import asyncio
import io
import logging
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import PurePosixPath

import orjson
from ray.serve.context import _get_serve_request_context
from ray.serve.metrics import Counter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.serve.graph import Graph
from deployments.serve.ray_errors import as_ecg_error
from ecg.errors import InputTooLarge, MalformedInput, Overloaded
from ecg.pipeline import parse_include
from ecg.record import EcgRecord, check_duration
from ecg.report import Report
from serve_app import bodies, problems
from serve_app.settings import AppSettings

PATH = "/analyze/bulk"
MEDIA_TYPE = "application/x-ndjson"
logger = logging.getLogger("ray.serve")
CONTENT_TYPES = (MEDIA_TYPE, bodies.MULTIPART)


@dataclass(frozen=True)
class Item:
    """One recording of the request: its files by name, one of them the body that `kind` describes."""

    name: str | None
    kind: str
    files: dict[str, bytes]


class _Stream(StreamingResponse):
    """A stream of lines that is closed, and `done` called, however the answer ends: also by the client's leaving."""

    def __init__(self, lines: AsyncGenerator[bytes, None], done: Callable[[], None]) -> None:
        super().__init__(lines, media_type=MEDIA_TYPE)
        self._lines = lines
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._done()
            await self._lines.aclose()


class BulkRoute:
    """Analyses the recordings of a request a few at a time and streams the answers while it goes on.

    What one recording does wrong concerns no other: its line holds a problem document. When the service is at its limit
    an item waits and tries again, so that a bulk request takes what capacity is left and is not cut to pieces.
    """

    def __init__(self, graph: Graph, settings: AppSettings) -> None:
        self._graph = graph
        self._settings = settings
        self._running = 0
        self._items = Counter("ecg_bulk_items", description="Recordings of bulk requests", tag_keys=("outcome",))

    async def analyze(self, request: Request) -> Response:
        """Starts the answer, or refuses the whole request when nothing in it can be read."""
        include = parse_include(request.query_params.get("include"), self._graph.parts)
        if self._running >= self._settings.bulk_requests:
            raise Overloaded("Enough bulk requests are in progress.", "bulk", self._settings.bulk_requests, None)
        # Counted from here: the body of a request is the memory that the limit is about.
        self._running += 1
        try:
            await self._graph.require(include)
            items, parameters = await self._items_of(request)
        except BaseException:
            self._finished()
            raise
        request_id = _get_serve_request_context().request_id

        async def answer(index: int, item: Item) -> bytes:
            return await self._line(index, item, parameters, include, request_id)

        return _Stream(self._lines(items, answer), self._finished)

    def _finished(self) -> None:
        self._running -= 1

    async def _items_of(self, request: Request) -> tuple[deque[Item], dict[str, str]]:
        bodies.check_parameters(request)
        kind = bodies.content_type(request, CONTENT_TYPES)
        body = await bodies.read_body(request, self._settings.max_bulk_bytes)
        parameters = {name: value for name, value in request.query_params.items() if name != "filename"}
        if kind == MEDIA_TYPE:
            found = _lines_of(body)
        else:
            files, texts = await bodies.uploaded_files(request, body, self._settings.max_bulk_items)
            parameters |= texts
            found = _recordings_of(files)
        most = self._settings.max_bulk_items
        items = deque(islice(found, most + 1))
        if not items:
            raise MalformedInput("The request holds no recording.", "body", "at least one", 0)
        if len(items) > most:
            raise InputTooLarge("Too many recordings in one request.", "body", most, f"> {most}")
        return items, parameters

    async def _lines(
        self, items: deque[Item], answer: Callable[[int, Item], Awaitable[bytes]]
    ) -> AsyncGenerator[bytes, None]:
        """The answers in order. At most `bulk_concurrency` items are begun and not yet taken by the client."""
        begun: deque[asyncio.Future[bytes]] = deque()
        index = 0
        try:
            while items or begun:
                while items and len(begun) < self._settings.bulk_concurrency:
                    begun.append(asyncio.ensure_future(answer(index, items.popleft())))
                    index += 1
                yield await begun[0]
                begun.popleft()
        finally:  # what a client that has gone no longer wants is not computed
            for future in begun:
                future.cancel()

    async def _line(
        self, index: int, item: Item, parameters: dict[str, str], include: frozenset[str], request_id: str
    ) -> bytes:
        try:
            record = await asyncio.to_thread(_decode, item, parameters, self._settings)
            report = await self._patiently(partial(self._graph.report, record, include))
            status, part, document = 200, "report", report.to_json()
        except Exception as error:
            refusal = as_ecg_error(error)
            item_id = f"{request_id}/{index}"
            if refusal is None:
                logger.exception("request %s failed", item_id)
                response = problems.internal_problem(item_id)
            else:
                response = problems.problem(refusal, item_id, self._settings.retry_after_s)
            status, part, document = response.status_code, "problem", bytes(response.body)
        self._items.inc(tags={"outcome": str(status)})
        head = orjson.dumps({"index": index, "name": item.name, "status": status})
        return b'%s,"%s":%s}\n' % (head[:-1], part.encode(), document)

    async def _patiently(self, attempt: Callable[[], Awaitable[Report]]) -> Report:
        """What `attempt` gives, made again while the service is at its limit, for `bulk_patience_s` at most."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._settings.bulk_patience_s
        delay_s = 0.05
        while True:
            try:
                return await attempt()
            except Overloaded as error:
                # Items of one request must not come back all at the same moment.
                wait_s = (error.retry_after_s or delay_s) * random.uniform(0.5, 1.5)
                if clock() + wait_s > deadline:
                    raise
            await asyncio.sleep(wait_s)
            delay_s = min(2 * delay_s, 2.0)


def _lines_of(body: bytes) -> Iterator[Item]:
    for line in io.BytesIO(body):  # one at a time: a body of many lines is refused before they are all objects
        if line.strip():
            yield Item(None, bodies.JSON, {"body.json": line})


def _recordings_of(files: dict[str, bytes]) -> Iterator[Item]:
    """Each file a recording, but the signal files of a WFDB header, which have its stem, belong to it."""
    stems = {PurePosixPath(name).stem for name in files if name.lower().endswith(".hea")}
    together: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        stem = PurePosixPath(name).stem
        together.setdefault(stem if stem in stems else name, {})[name] = content
    for name, members in together.items():
        yield Item(name, bodies.MULTIPART, members)


def _decode(item: Item, parameters: dict[str, str], settings: AppSettings) -> EcgRecord:
    size = sum(map(len, item.files.values()))
    if size > settings.max_body_bytes:
        raise InputTooLarge("The recording is too large.", "body", settings.max_body_bytes, size)
    record = bodies.decode(item.kind, next(iter(item.files.values())), parameters, item.files, settings.max_duration_s)
    check_duration(record.duration_s, settings.max_duration_s)
    return record
