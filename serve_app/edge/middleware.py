"""The middleware of the edge. Each is plain ASGI, so that a streamed answer passes through unbuffered."""

import asyncio
import logging
import time
from contextlib import ExitStack, nullcontext

from ray.serve.metrics import Counter, Histogram
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.serve.admission import AdmissionLimit
from deployments.serve.ray_errors import as_ecg_error
from deployments.serve.stage_metrics import LATENCY_BUCKETS_MS
from serve_app.edge import problems
from serve_app.edge.activity import Activity
from serve_app.edge.front import REQUEST_ID, usable_id
from serve_app.edge.inbox import PATH as MESSAGES

logger = logging.getLogger("ray.serve")


def request_id(scope: Scope) -> str:
    """The id of a request that has passed `RequestId`."""
    return str(scope["state"]["request_id"])


class RequestId:
    """Gives a request its id: the caller's, where that is short and plain, or else a new one.

    Serve has set the header before and repeats it in its answer; where nobody has, the answer is given it here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with ``scope["state"]["request_id"]`` set."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        set_before = any(name == REQUEST_ID for name, _ in scope["headers"])
        found = usable_id(scope)
        scope.setdefault("state", {})["request_id"] = found

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start" and not set_before:
                MutableHeaders(scope=message)["X-Request-ID"] = found
            await send(message)

        await self._app(scope, receive, with_id)


class Observed:
    """Counts requests by route and outcome and measures the time until the answer begins, in metrics and `Activity`.

    `Activity` hears nothing of the questions that the page asks by itself.
    """

    def __init__(self, app: ASGIApp, activity: Activity) -> None:
        self._app = app
        self._activity = activity
        self._requests = Counter("ecg_requests", description="Requests", tag_keys=("route", "outcome"))
        self._latency = Histogram(
            "ecg_request_latency_ms",
            description="Time from the first byte to the answer, in milliseconds",
            boundaries=LATENCY_BUCKETS_MS,
            tag_keys=("route",),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a client that leaves before its answer begins counts as ``cancelled``."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        start = time.perf_counter()
        shown = not scope["path"].startswith(("/health", "/static"))

        def count(outcome: str) -> tuple[str, float]:
            # A path that no route takes would make a metric series of its own for every caller's invention.
            route = getattr(scope.get("route"), "path", "other")
            spent_ms = (time.perf_counter() - start) * 1000
            self._requests.inc(tags={"route": route, "outcome": outcome})
            self._latency.observe(spent_ms, tags={"route": route})
            return route, spent_ms

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route, spent_ms = count(str(message["status"]))
                if shown:
                    problem = scope["state"].get("problem")
                    self._activity.note(route, message["status"], spent_ms, problem, request_id(scope))
            await send(message)

        try:
            with self._activity.in_progress() if shown and scope["method"] == "POST" else nullcontext():
                await self._app(scope, receive, counted)
        except asyncio.CancelledError:
            count("cancelled")
            raise


class Problems:
    """Makes problem documents of everything that is raised further in; a fault of this program is logged."""

    def __init__(self, app: ASGIApp, retry_after_s: int) -> None:
        self._app = app
        self._retry_after_s = retry_after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. What fails after the answer has begun is raised, so that the server cuts the connection."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            refusal = as_ecg_error(error)
            scope["state"]["problem"] = "internal_error" if refusal is None else refusal.code
            await self._response(error, request_id(scope))(scope, receive, send)

    def _response(self, error: Exception, identity: str) -> Response:
        if isinstance(error, ClientDisconnect):
            return Response(status_code=400)
        return problems.response_to(error, identity, self._retry_after_s)


class SafeHeaders:
    """Keeps answers out of caches and out of other sites' pages, and their bytes from being taken for another type.

    What a route sets itself stays.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
                headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            await send(message)

        await self._app(scope, receive, with_headers)


class Admission:
    """Refuses a request with a body when as many as `limit` allows are in progress.

    A message is refused at `messages`, too, so that an inbox that does not answer cannot take all places. A place is
    held until the answer begins: a stream of bulk answers has a limit of its own. Requests without a body, such as
    `/health`, are never refused.
    """

    def __init__(self, app: ASGIApp, limit: AdmissionLimit, messages: AdmissionLimit) -> None:
        self._app = app
        self._limit = limit
        self._messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or raise `Overloaded`."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        with ExitStack() as held:
            if scope["path"].rstrip("/") == MESSAGES:
                held.enter_context(self._messages.place())
            held.enter_context(self._limit.place())

            async def until_it_begins(message: Message) -> None:
                if message["type"] == "http.response.start":
                    held.close()
                await send(message)

            await self._app(scope, receive, until_it_begins)


class OnlyMethods:
    """Refuses other methods than a route has, after the credential was asked for. Raises `MethodNotAllowed`."""

    def __init__(self, app: ASGIApp, allowed: list[str]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or raise."""
        if scope["method"] not in self._allowed:
            raise problems.other_method(self._allowed, scope["method"])
        await self._app(scope, receive, send)


class PlainPath:
    """Takes a path with a final slash for the same path without it, and redirects nobody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            scope["path"] = scope["path"].rstrip("/") or "/"
        await self._app(scope, receive, send)
