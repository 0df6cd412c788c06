"""What the ingress replicas did of late, for the page's view of the service: load, outcomes, and the last refusals."""

import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from serve_app.edge.status import json_response

PATH = "/health/activity"
#: So many refusals and faults are remembered, and so many answer times of each route.
LAST, TIMES = 50, 500
logger = logging.getLogger("ray.serve")


@dataclass
class Counts:
    """What one replica counted since it began: outcomes by route and status, the latest answer times in ms by route."""

    most_in_progress: int
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    in_progress: int = 0
    outcomes: Counter[tuple[str, int]] = field(default_factory=Counter)
    times: dict[str, deque[float]] = field(default_factory=dict)
    last: deque[dict[str, str | int | None]] = field(default_factory=lambda: deque(maxlen=LAST))


class Activity:
    """Counts since the replica began; nothing of a recording, of a caller or of a path that no route takes.

    `everywhere` gives the `Counts` of every ingress replica, this one among them; without it there is this one alone.
    """

    def __init__(self, most: int, everywhere: Callable[[], Awaitable[list[Counts]]] | None = None) -> None:
        self._everywhere = everywhere
        self._counts = Counts(most)

    @contextmanager
    def in_progress(self) -> Iterator[None]:
        """A request with a body, from when it came until it was answered or its client has gone."""
        self._counts.in_progress += 1
        try:
            yield
        finally:
            self._counts.in_progress -= 1

    def note(self, route: str, status: int, milliseconds: float, code: str | None, request_id: str) -> None:
        """An answer has begun; `code` is that of its problem document."""
        self._counts.outcomes[route, status] += 1
        self._counts.times.setdefault(route, deque(maxlen=TIMES)).append(milliseconds)
        if status >= 400:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._counts.last.append(
                {"at": at, "route": route, "status": status, "code": code, "request_id": request_id}
            )

    def counts(self) -> Counts:
        """What this replica has counted so far: a copy, which another thread may send while this one counts on."""
        return deepcopy(self._counts)

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
