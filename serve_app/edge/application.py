"""The edge as one chain: middleware from the outside in, then routes."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deployments.serve.admission import AdmissionLimit
from deployments.serve.graph import Graph
from ecg.access.limiter import Limiter
from serve_app import pages
from serve_app.edge import bulk
from serve_app.edge.access import Access
from serve_app.edge.activity import PATH as ACTIVITY
from serve_app.edge.activity import Activity
from serve_app.edge.analysis import AnalysisRoutes
from serve_app.edge.inbox import METRICS, PATH, RECORDS, STATS, InboxRoutes
from serve_app.edge.middleware import Admission, Observed, OnlyMethods, PlainPath, Problems, RequestId, SafeHeaders
from serve_app.edge.problems import NotFound, other_method
from serve_app.edge.same_site import SameSite
from serve_app.edge.status import StatusRoutes, features_schema, labels
from serve_app.pages import Handler
from serve_app.settings import AppSettings


def application(
    settings: AppSettings, graph: Graph, inbox: InboxRoutes, activity: Activity, limiter: Limiter
) -> Starlette:
    """The ASGI application of one ingress replica, which counts in `activity` and asks `limiter` for room for a key."""
    routes = _routes(settings, graph, inbox, Access.of(settings, limiter), activity)
    limit = AdmissionLimit(settings.max_requests, "The service is at its limit; try again shortly.", "requests")
    messages = AdmissionLimit(max(1, settings.max_requests // 2), "The inbox is at its limit.", "messages")
    chain = [
        Middleware(RequestId),
        Middleware(Observed, activity=activity),
        Middleware(SafeHeaders),
        Middleware(Problems, retry_after_s=settings.retry_after_s),
        Middleware(SameSite, settings=settings),
        Middleware(Admission, limit=limit, messages=messages),
        Middleware(PlainPath),
    ]
    app = Starlette(routes=routes, middleware=chain, exception_handlers={HTTPException: _unrouted})
    app.router.redirect_slashes = False  # a sender that follows no redirects is answered on either path
    return app


def _routes(
    settings: AppSettings, graph: Graph, inbox: InboxRoutes, access: Access, activity: Activity
) -> list[BaseRoute]:
    analysis = AnalysisRoutes(graph, settings)
    status = StatusRoutes(graph)
    shown = pages.GUARDED_ROUTES if settings.needs_credential else pages.ROUTES
    kept = [
        _guarded(access, PATH, inbox.post_message, "POST", action="send"),
        _guarded(access, RECORDS + "{recordId}", inbox.get_record, "GET", action="read"),
        _guarded(access, STATS, inbox.get_stats, "GET"),
        _guarded(access, METRICS, inbox.get_metrics, "GET"),
    ]
    return [
        _guarded(access, "/analyze", analysis.analyze, "POST"),
        _guarded(access, bulk.PATH, bulk.BulkRoute(graph, settings).analyze, "POST"),
        _guarded(access, "/extract_features", analysis.extract_features, "POST"),
        _guarded(access, "/assess_quality", analysis.assess_quality, "POST"),
        Route("/health", status.health),
        Route("/health/ready", status.ready),
        _guarded(access, ACTIVITY, activity.show, "GET"),
        Route("/labels", labels),
        Route("/features/schema", features_schema),
        *([] if settings.demo else kept),  # a public demo keeps nothing
        *(Route(path, page) for path, page in shown.items()),
    ]


def _guarded(access: Access, path: str, handler: Handler, method: str, action: str | None = None) -> Route:
    """The route of `path`, a path of the API document, behind what `access` asks for.

    The credential is asked for before the method is looked at: without one every request is answered 401.
    """
    guard = access.guard(path, action)
    pattern = path.replace("{recordId}", "{record_id:path}")
    if not guard:
        return Route(pattern, handler, methods=[method])
    allowed = ["GET", "HEAD"] if method == "GET" else [method]
    route = Route(pattern, handler, middleware=[*guard, Middleware(OnlyMethods, allowed=allowed)])
    route.methods = None  # the router lets all of them through
    return route


async def _unrouted(request: Request, error: Exception) -> Response:
    """Raises the refusal of a request that no route takes, from which `Problems` makes the document."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        raise other_method(sorted((error.headers or {}).get("Allow", "").split(", ")), request.method)
    paths = [route.path for route in request.app.routes]
    raise NotFound("No such route.", "path", paths, request.url.path[:200])
