"""`/data/v1`: CardioAI messages over HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from ecg.cardioai.receipts import Receipt
from ecg.errors import MalformedInput, UnknownFormat
from serve_app.edge.access import origin_of, readable_origin
from serve_app.edge.bodies import check_parameters, read_body
from serve_app.edge.recordings import JSON, MULTIPART

PATH = "/data/v1"  # also with a final slash
RECORDS = f"{PATH}/records/"
STATS = f"{PATH}/stats"
METRICS = f"{PATH}/metrics"


@dataclass(frozen=True)
class InboxRoutes:
    """The handlers, over an inbox given as callables: methods of one in this process, or of a deployment's handle.

    Refusals leave as `EcgError`; `serve_app.edge.problems` makes responses of them.
    """

    accept: Callable[[bytes, float | None, str | None], Awaitable[Receipt]]
    record: Callable[[str, str | None], Awaitable[bytes]]
    stats: Callable[[], Awaitable[bytes]]
    metrics: Callable[[], Awaitable[str]]
    max_body_bytes: int

    async def post_message(self, request: Request) -> Response:
        """`POST /data/v1[/]?fs=`: 200 with a receipt once the message is on disk.

        200 and nothing else: the original sender takes every other status, 202 included, for a failure.
        """
        check_parameters(request.query_params, ("fs",))
        _refuse_forms(request)
        body = await read_body(request, self.max_body_bytes)
        receipt = await self.accept(body, _fs_hz(request), origin_of(request.scope))
        request.state.subject = receipt.sequence_id or receipt.message_id
        return Response(receipt.json(), media_type=JSON)

    async def get_record(self, request: Request) -> Response:
        """`GET /data/v1/records/{recordId}`: state and result."""
        found = await self.record(request.path_params["record_id"].rstrip("/"), readable_origin(request.scope))
        return Response(found, media_type=JSON)

    async def get_stats(self, _: Request) -> Response:
        """`GET /data/v1/stats`: counts by origin and route, states, quarantine, oldest waiting."""
        return Response(await self.stats(), media_type=JSON)

    async def get_metrics(self, _: Request) -> Response:
        """`GET /data/v1/metrics`: the same counts for Prometheus."""
        return Response(await self.metrics(), media_type="text/plain; version=0.0.4")


def _refuse_forms(request: Request) -> None:
    """Refuse the content types that a form on any web page can send without asking first."""
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated in ("text/plain", MULTIPART, "application/x-www-form-urlencoded"):
        raise UnknownFormat("Messages are JSON.", "Content-Type", JSON, stated)


def _fs_hz(request: Request) -> float | None:
    stated = request.query_params.get("fs")
    if stated is None:
        return None
    try:
        return float(stated)
    except ValueError:
        raise MalformedInput("fs is not a number of Hz.", "fs", "> 0", stated[:32]) from None
