"""What an ingress replica did of late, for the page's view of the service: load, outcomes, and the last refusals."""

import time
from collections import Counter, deque
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.edge.status import json_response

PATH = "/health/activity"
#: So many refusals and faults are remembered, and so many answer times of each route.
LAST, TIMES = 50, 500


class Activity:
    """Counts since the replica began; nothing of a recording, of a caller or of a path that no route takes."""

    def __init__(self, most: int) -> None:
        self._since = datetime.now(UTC)
        self._most = most
        self._in_progress = 0
        self._outcomes: Counter[tuple[str, int]] = Counter()
        self._times: dict[str, deque[float]] = {}
        self._last: deque[dict[str, object]] = deque(maxlen=LAST)

    def begin(self) -> None:
        """A request with a body has come."""
        self._in_progress += 1

    def end(self) -> None:
        """It has been answered, or its client has gone."""
        self._in_progress -= 1

    def note(self, route: str, status: int, milliseconds: float, code: str | None, request_id: str) -> None:
        """An answer has begun; `code` is that of its problem document."""
        self._outcomes[route, status] += 1
        self._times.setdefault(route, deque(maxlen=TIMES)).append(milliseconds)
        if status >= 400:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            self._last.append({"at": at, "route": route, "status": status, "code": code, "request_id": request_id})

    async def show(self, request: Request) -> Response:
        """All of it as JSON, the latest refusal first."""
        return json_response(
            {
                "since": self._since.isoformat(timespec="seconds"),
                "in_progress": self._in_progress,
                "most_in_progress": self._most,
                "requests": [
                    {"route": route, "status": status, "count": count}
                    for (route, status), count in sorted(self._outcomes.items())
                ],
                "latency_ms": {route: _spread(times) for route, times in sorted(self._times.items())},
                "last": list(reversed(self._last)),
            }
        )


def _spread(times: "deque[float]") -> dict[str, float]:
    """Median and 95th percentile of the latest answers."""
    ordered = sorted(times)
    return {
        "median": round(ordered[len(ordered) // 2], 1),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
    }


class Noted:
    """Notes every request in an `Activity`, but the page's own questions."""

    def __init__(self, app: ASGIApp, activity: Activity) -> None:
        self._app = app
        self._activity = activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["path"].startswith(("/health", "/static")):
            return await self._app(scope, receive, send)
        start = time.perf_counter()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                spent = (time.perf_counter() - start) * 1000
                state = scope["state"]
                self._activity.note(route, message["status"], spent, state.get("problem"), state["request_id"])
            await send(message)

        counted = scope["method"] == "POST"
        if counted:
            self._activity.begin()
        try:
            await self._app(scope, receive, noted)
        finally:
            if counted:
                self._activity.end()
