"""`Ingress`: the deployment that runs the edge's ASGI application."""

from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.serve.graph import Graph, Handles
from serve_app.edge.application import application
from serve_app.edge.inbox import InboxRoutes
from serve_app.settings import AppSettings


class Ingress:
    """One replica of the edge. Serve sends what `__call__` returns, which is the application itself."""

    def __init__(self, settings: AppSettings, handles: Handles, inbox: DeploymentHandle) -> None:
        graph = Graph(handles, settings.max_model_requests)
        received = InboxRoutes(
            inbox.accept.remote, inbox.record.remote, inbox.stats.remote, inbox.metrics.remote, settings.max_body_bytes
        )
        self._answer = _Application(application(settings, graph, received))

    async def __call__(self, request: Request) -> Response:
        """The answer to any request: the application, which Serve runs with the scope and channels of this request."""
        return self._answer


class _Application(Response):
    """An ASGI application in the form that Serve takes from a deployment (docs/decisions/0050)."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
