"""`POST /analyze/bulk`: many recordings in one request, one line of NDJSON for each, in their order."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack
from functools import partial

import orjson
from ray.serve.metrics import Counter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.serve.admission import AdmissionLimit
from deployments.serve.graph import Graph
from ecg.errors import InputTooLarge, Overloaded
from ecg.pipeline import parse_include
from ecg.record import EcgRecord
from ecg.report import Report
from serve_app.edge import problems
from serve_app.edge.middleware import request_id
from serve_app.edge.recordings import BULK_CONTENT_TYPES, BULK_PARAMETERS, NDJSON, Upload, receive
from serve_app.settings import AppSettings

PATH = "/analyze/bulk"


class _Stream(StreamingResponse):
    """A stream of lines that is closed, and `done` called, however the answer ends: also by the client's leaving."""

    def __init__(self, lines: AsyncGenerator[bytes, None], done: Callable[[], None]) -> None:
        super().__init__(lines, media_type=NDJSON)
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
        self._limit = AdmissionLimit(settings.bulk_requests, "Enough bulk requests are in progress.", "bulk")
        self._items = Counter("ecg_bulk_items", description="Recordings of bulk requests", tag_keys=("outcome",))

    async def analyze(self, request: Request) -> Response:
        """Starts the answer, or refuses the whole request when nothing in it can be read."""
        include = parse_include(request.query_params.get("include"), self._graph.parts)
        settings = self._settings
        # Counted from here: the body of a request is the memory that the limit is about.
        with ExitStack() as held:
            held.enter_context(self._limit.place())
            await self._graph.require(include)
            uploads, parameters = await receive(
                request, BULK_CONTENT_TYPES, BULK_PARAMETERS, settings.max_bulk_bytes, settings.max_bulk_items
            )

            async def answer(index: int, upload: Upload) -> bytes:
                return await self._line(upload, index, parameters, include, request_id(request.scope))

            return _Stream(self._lines(deque(enumerate(uploads)), answer), held.pop_all().close)

    async def _lines(
        self, waiting: deque[tuple[int, Upload]], answer: Callable[[int, Upload], Awaitable[bytes]]
    ) -> AsyncGenerator[bytes, None]:
        """The answers in order. At most `bulk_concurrency` are begun and not yet taken by the client.

        Takes from `waiting`, so that the bytes of a recording are freed once it is answered.
        """
        begun: deque[asyncio.Future[bytes]] = deque()
        try:
            while waiting or begun:
                while waiting and len(begun) < self._settings.bulk_concurrency:
                    begun.append(asyncio.ensure_future(answer(*waiting.popleft())))
                yield await begun[0]
                begun.popleft()
        finally:  # a client that has gone no longer wants the rest
            for future in begun:
                future.cancel()

    async def _line(
        self, upload: Upload, index: int, parameters: dict[str, str], include: frozenset[str], request: str
    ) -> bytes:
        """The line of one recording: its report, or the problem document of what it did wrong."""
        try:
            record = await asyncio.to_thread(self._decode, upload, parameters)
            report = await self._patiently(partial(self._graph.report, record, include))
            status, part, document = 200, "report", report.to_json()
        except Exception as error:  # noqa: BLE001  whatever it is, the other recordings are answered
            response = problems.response_to(error, f"{request}/{index}", self._settings.retry_after_s)
            status, part, document = response.status_code, "problem", bytes(response.body)
        self._items.inc(tags={"outcome": str(status)})
        head = orjson.dumps({"index": index, "name": upload.name, "status": status})
        return b'%s,"%s":%s}\n' % (head[:-1], part.encode(), document)

    def _decode(self, upload: Upload, parameters: dict[str, str]) -> EcgRecord:
        most = self._settings.max_body_bytes
        if upload.size > most:
            raise InputTooLarge("The recording is too large.", "body", most, upload.size)
        return upload.decode(parameters, self._settings.max_duration_s)

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
