"""`Ingress`: the deployment that runs the edge's ASGI application."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.serve.graph import Graph, Handles
from ecg.access.limiter import Limiter
from ecg.errors import StoreUnavailable
from ecg.record import EcgRecord
from serve_app.edge.activity import Activity, Counts
from serve_app.edge.application import application
from serve_app.edge.inbox import InboxRoutes
from serve_app.settings import AppSettings

#: A replica that is frozen or ends is not waited for longer.
_FANOUT_S = 2.0
#: How often each replica counts how many they are.
_COUNT_EVERY_S = 5.0
#: The inbox is not waited for longer; where it begins with its first message, that takes ten seconds on a busy machine.
INBOX_S = 30.0
logger = logging.getLogger("ray.serve")


class Ingress:
    """One replica of the edge. Serve sends what `__call__` returns, which is the application itself."""

    def __init__(self, settings: AppSettings, handles: Handles, inbox: DeploymentHandle) -> None:
        self._graph = graph = Graph(handles, settings.max_model_requests)
        received = InboxRoutes(
            _bounded(inbox.accept.remote),
            _bounded(inbox.record.remote),
            _bounded(inbox.stats.remote),
            _bounded(inbox.metrics.remote),
            settings.max_body_bytes,
        )
        self._activity = Activity(settings.max_requests, self._everywhere)
        self._limiter = Limiter()
        #: What the first request of any kind begins, and what has begun: a constructor may stand outside the loop.
        self._to_begin: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._begun: list[asyncio.Task[None]] = []
        apart = settings.inbox_application is not None  # it begins by itself
        if settings.has_store and not settings.demo and not apart:  # for what it had accepted when it last ended
            self._to_begin.append(partial(_wake, inbox))
        if settings.needs_credential:
            self._to_begin.append(self._share_limits)
        self._answer = _Application(application(settings, graph, received, self._activity, self._limiter))

    async def document(self, record: EcgRecord) -> bytes:
        """As `Graph.document`, for the inbox."""
        return await self._graph.document(record)

    async def activity(self) -> Counts:
        """What this replica did of late."""
        return self._activity.counts()

    async def is_there(self) -> bool:
        """That this replica serves."""
        return True

    async def _everywhere(self) -> list[Counts]:
        return [answer for answer in await _all_replicas("activity") if isinstance(answer, Counts)]

    async def _share_limits(self) -> None:
        """Keep the limits of each key shared out among all ingress replicas, for as long as this one lives."""
        counted = True
        while True:
            try:
                self._limiter.replicas = max(1, sum(answer is True for answer in await _all_replicas("is_there")))
                counted = True
            except Exception:  # the number from before is better than none
                if counted:
                    logger.warning("the ingress replicas cannot be counted", exc_info=True)
                counted = False
            await asyncio.sleep(_COUNT_EVERY_S)

    async def __call__(self, request: Request) -> Response:
        """The answer to any request: the application, which Serve runs with the scope and channels of this request."""
        while self._to_begin:
            self._begun.append(asyncio.create_task(self._to_begin.pop()()))
        return self._answer


async def _all_replicas(method: str) -> list[object]:
    """What a method of each ingress replica answers, or the exception that it ends in."""
    context = serve.get_replica_context()
    replicas = serve.get_deployment_handle(context.deployment, context.app_name).broadcast(method)
    return list(await replicas.results_async(timeout_s=_FANOUT_S, return_exceptions=True))


def _bounded(method: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """A method of the inbox's handle that raises `StoreUnavailable` when no answer comes.

    A call of a deployment that has no replica, or that was never deployed, waits for ever.
    """

    async def call(*arguments: Any) -> Any:
        asked = method(*arguments)
        try:
            async with asyncio.timeout(INBOX_S):
                return await asked
        except TimeoutError:
            asked.cancel()
            raise StoreUnavailable(f"The inbox has not answered for {INBOX_S:g} s.", retry_after_s=INBOX_S) from None

    return call


async def _wake(inbox: DeploymentHandle) -> None:
    try:
        await inbox.stats.remote()
    except Exception:  # as long as the store does not answer, it is asked by every message
        logger.warning("the inbox does not answer", exc_info=True)


class _Application(Response):
    """An ASGI application in the form that Serve takes from a deployment (docs/decisions/0050)."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
