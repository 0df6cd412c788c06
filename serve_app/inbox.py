"""`/data/v1`: CardioAI messages over HTTP."""

from collections.abc import Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ecg.errors import InputTooLarge, MalformedInput
from ecg.inbox.receipts import Receipt


class Inbox(Protocol):
    """The inbox as the routes need it: in this process, or behind a deployment's handle."""

    async def accept(self, body: bytes, fs_hz: float | None) -> Receipt:
        """Keep one message durably."""
        ...

    async def record(self, record_id: str) -> bytes:
        """State and result under a record id, JSON."""
        ...

    async def stats(self) -> bytes:
        """Counts, JSON."""
        ...

    async def metrics(self) -> str:
        """Counts, Prometheus text."""
        ...


def inbox_routes(inbox: Callable[[], Inbox], max_body_bytes: int) -> list[Route]:
    """The routes; `inbox` is asked at each request, so that it may be started after them.

    Refusals leave as `EcgError`; the application's handlers make the responses of them.
    """

    async def post_message(request: Request) -> Response:
        body = await _read(request, max_body_bytes)
        receipt = await inbox().accept(body, _fs_hz(request))
        # 200 and nothing else: the original sender takes every other status, 202 included, for a failure.
        return Response(receipt.json(), media_type="application/json")

    async def get_record(request: Request) -> Response:
        return Response(await inbox().record(request.path_params["record_id"]), media_type="application/json")

    async def get_stats(_: Request) -> Response:
        return Response(await inbox().stats(), media_type="application/json")

    async def get_metrics(_: Request) -> Response:
        return Response(await inbox().metrics(), media_type="text/plain; version=0.0.4")

    # Both slash forms are served and neither redirects: the original sender does not follow redirects.
    return [
        Route("/data/v1", post_message, methods=["POST"]),
        Route("/data/v1/", post_message, methods=["POST"]),
        Route("/data/v1/records/{record_id}", get_record),
        Route("/data/v1/stats", get_stats),
        Route("/data/v1/metrics", get_metrics),
    ]


async def _read(request: Request, max_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise InputTooLarge(f"The body has more than {max_bytes} bytes.", "body", f"<= {max_bytes}", int(declared))
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise InputTooLarge(f"The body has more than {max_bytes} bytes.", "body", f"<= {max_bytes}", size)
        chunks.append(chunk)
    return b"".join(chunks)


def _fs_hz(request: Request) -> float | None:
    stated = request.query_params.get("fs")
    if stated is None:
        return None
    try:
        return float(stated)
    except ValueError:
        raise MalformedInput("fs is not a number of Hz.", "fs", "> 0", stated[:32]) from None
