"""What the ingress replicas did of late, for the page's view of the service: load, outcomes, and the last refusals."""

import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.edge.status import json_response

PATH = "/health/activity"
#: So many refusals and faults are remembered, and so many answer times of each route.
LAST, TIMES = 50, 500
logger = logging.getLogger("ray.serve")


@dataclass(frozen=True)
class Counts:
    """What one replica counted since it began: outcomes by route and status, answer times in ms by route."""

    since: datetime
    most_in_progress: int
    in_progress: int
    outcomes: Counter[tuple[str, int]]
    times: dict[str, list[float]]
    last: list[dict[str, str | int | None]]


class Activity:
    """Counts since the replica began; nothing of a recording, of a caller or of a path that no route takes.

    `everywhere` gives the `Counts` of every ingress replica, this one among them; without it there is this one alone.
    """

    def __init__(self, most: int, everywhere: Callable[[], Awaitable[list[Counts]]] | None = None) -> None:
        self._since = datetime.now(UTC)
        self._most = most
        self._everywhere = everywhere
        self._in_progress = 0
        self._outcomes: Counter[tuple[str, int]] = Counter()
        self._times: dict[str, deque[float]] = {}
        self._last: deque[dict[str, str | int | None]] = deque(maxlen=LAST)

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
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._last.append({"at": at, "route": route, "status": status, "code": code, "request_id": request_id})

    def counts(self) -> Counts:
        """What this replica has counted so far."""
        times = {route: list(latest) for route, latest in self._times.items()}
        return Counts(self._since, self._most, self._in_progress, self._outcomes.copy(), times, list(self._last))

    async def show(self, request: Request) -> Response:
        """All of it as JSON, the latest refusal first; of this replica alone when the others do not answer."""
        counts = [self.counts()]
        if self._everywhere is not None:
            try:
                counts = await self._everywhere() or counts
            except Exception:
                logger.warning("no answer about the activity of the ingress replicas", exc_info=True)
        return json_response(together(counts))


def together(counts: Sequence[Counts]) -> dict[str, object]:
    """The document of `GET /health/activity` about one replica or several."""
    outcomes: Counter[tuple[str, int]] = Counter()
    times: dict[str, list[float]] = {}
    for each in counts:
        outcomes.update(each.outcomes)
        for route, latest in each.times.items():
            times.setdefault(route, []).extend(latest)
    last = sorted((entry for each in counts for entry in each.last), key=lambda entry: str(entry["at"]), reverse=True)
    return {
        "replicas": len(counts),
        "since": min(each.since for each in counts).isoformat(timespec="seconds"),
        "in_progress": sum(each.in_progress for each in counts),
        "most_in_progress": sum(each.most_in_progress for each in counts),
        "requests": [
            {"route": route, "status": status, "count": count} for (route, status), count in sorted(outcomes.items())
        ],
        "latency_ms": {route: _spread(latest) for route, latest in sorted(times.items())},
        "last": last[:LAST],
    }


def _spread(times: Sequence[float]) -> dict[str, float]:
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
