"""The bulk route over a graph that is slow, full or abandoned."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from starlette.requests import Request

from ecg import local
from ecg.errors import InputTooLarge, Overloaded
from ecg.pipeline import ALL
from ecg.record import EcgRecord
from ecg.report import Report
from serve_app.edge import recordings
from serve_app.edge.bulk import BulkRoute
from serve_app.settings import AppSettings
from tests.e2e.payloads import as_json


class SlowGraph:
    """Answers when it is let, refuses the first `refusals` calls, and remembers what it was asked."""

    parts = ALL

    def __init__(self, report: Report, refusals: int = 0) -> None:
        self._report = report
        self.refusals = refusals
        self.allowed = asyncio.Event()
        self.running = self.most = self.started = self.cancelled = 0

    async def require(self, include: frozenset[str]) -> None:
        pass

    async def report(self, record: EcgRecord, include: frozenset[str]) -> Report:
        if self.refusals:
            self.refusals -= 1
            raise Overloaded("full", None, None, None, 0.001)
        self.started += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.allowed.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return self._report


@pytest.fixture(scope="module")
def report(sinus: EcgRecord) -> Report:
    return local.analyze(sinus, include=frozenset({"quality"}))


def bulk_request(record: EcgRecord, count: int) -> Request:
    return request_of(b"\n".join([as_json(record)["content"]] * count))


def request_of(body: bytes, content_type: bytes = b"application/x-ndjson") -> Request:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/analyze/bulk",
        "query_string": b"include=quality",
        "headers": [(b"content-type", content_type)],
        "state": {"request_id": "mine"},
    }

    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.Event().wait()  # a client that stays
        raise AssertionError

    return Request(scope, receive)


def route(graph: SlowGraph, **settings: Any) -> BulkRoute:
    return BulkRoute(graph, AppSettings(bulk_concurrency=3, **settings))  # type: ignore[arg-type]


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def lines_of(response: Any) -> AsyncIterator[bytes]:
    iterator: AsyncIterator[bytes] = response.body_iterator
    return iterator


def test_many_short_lines_take_no_more_memory_than_their_bytes(report: Report) -> None:
    request = request_of(b"1\n" * 1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(InputTooLarge):
            asyncio.run(route(SlowGraph(report)).analyze(request))
        assert tracemalloc.get_traced_memory()[1] < 8e6  # the body has 2 MB; a million objects would take 150
    finally:
        tracemalloc.stop()


def test_recordings_are_counted_and_not_their_files() -> None:
    """A form of 20 recordings in two files each was refused for its 40 files."""
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n1\r\n'
    names = [b"r%d.%s" % (number, ending) for number in range(20) for ending in (b"hea", b"dat")]
    body = b"".join(part % name for name in names) + b"--x--\r\n"

    def uploads(most: int) -> list[recordings.Upload]:
        request = request_of(body, b"multipart/form-data; boundary=x")
        kinds = recordings.BULK_CONTENT_TYPES
        return asyncio.run(recordings.receive(request, kinds, recordings.BULK_PARAMETERS, 1 << 20, most))[0]

    assert [sorted(upload.files) for upload in uploads(20)] == [[f"r{n}.dat", f"r{n}.hea"] for n in range(20)]
    with pytest.raises(InputTooLarge, match="Too many recordings"):
        uploads(19)


def test_no_more_than_the_bound_is_in_progress(sinus: EcgRecord, report: Report) -> None:
    async def scenario() -> tuple[int, list[int]]:
        graph = SlowGraph(report)
        response = await route(graph).analyze(bulk_request(sinus, 8))
        lines = lines_of(response)
        first = asyncio.ensure_future(anext(lines))
        await until(lambda: graph.started == 3)
        graph.allowed.set()
        indices = [orjson.loads(await first)["index"]] + [orjson.loads(line)["index"] async for line in lines]
        return graph.most, indices

    most, indices = asyncio.run(asyncio.wait_for(scenario(), 30))
    assert most == 3
    assert indices == list(range(8))


def test_a_full_service_is_waited_for_and_the_item_not_failed(sinus: EcgRecord, report: Report) -> None:
    async def scenario() -> list[int]:
        graph = SlowGraph(report, refusals=7)
        graph.allowed.set()
        response = await route(graph).analyze(bulk_request(sinus, 2))
        return [orjson.loads(line)["status"] async for line in lines_of(response)]

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) == [200, 200]


def test_a_service_that_stays_full_fails_the_item_with_its_reason(sinus: EcgRecord, report: Report) -> None:
    async def scenario() -> list[dict[str, Any]]:
        graph = SlowGraph(report, refusals=10**6)
        response = await route(graph, bulk_patience_s=0.01).analyze(bulk_request(sinus, 2))
        return [orjson.loads(line) async for line in lines_of(response)]

    answers = asyncio.run(asyncio.wait_for(scenario(), 30))
    assert [(answer["status"], answer["problem"]["code"]) for answer in answers] == [(503, "overloaded")] * 2


def test_work_stops_and_room_is_made_when_the_client_goes(sinus: EcgRecord, report: Report) -> None:
    async def scenario() -> tuple[int, int]:
        graph = SlowGraph(report)
        bulk = route(graph, bulk_requests=1)
        request = bulk_request(sinus, 8)
        response = await bulk.analyze(request)
        with pytest.raises(Overloaded):
            await bulk.analyze(bulk_request(sinus, 1))

        async def nothing(message: Any) -> None:
            pass

        answering = asyncio.ensure_future(response(request.scope, request.receive, nothing))
        await until(lambda: graph.started == 3)
        answering.cancel()
        await asyncio.wait({answering})
        await until(lambda: graph.running == 0)
        await bulk.analyze(bulk_request(sinus, 1))  # there is room again
        return graph.started, graph.cancelled

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) == (3, 3)
