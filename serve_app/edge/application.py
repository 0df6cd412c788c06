"""The edge as one chain: middleware from the outside in, then routes."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from deployments.serve.admission import AdmissionLimit
from deployments.serve.graph import Graph
from serve_app import pages
from serve_app.edge import bulk
from serve_app.edge.access import Access
from serve_app.edge.activity import PATH as ACTIVITY
from serve_app.edge.activity import Activity, Noted
from serve_app.edge.analysis import AnalysisRoutes
from serve_app.edge.inbox import METRICS, PATH, RECORDS, STATS, InboxRoutes
from serve_app.edge.middleware import Admission, Metrics, PlainPath, Problems, RequestId, SafeHeaders
from serve_app.edge.problems import MethodNotAllowed, NotFound
from serve_app.edge.same_site import SameSite
from serve_app.edge.status import StatusRoutes, features_schema, labels
from serve_app.settings import AppSettings


def application(settings: AppSettings, graph: Graph, inbox: InboxRoutes, activity: Activity) -> Starlette:
    """The ASGI application of one ingress replica, which counts in `activity`."""
    routes = _routes(settings, graph, inbox, Access.of(settings), activity)
    limit = AdmissionLimit(settings.max_requests, "The service is at its limit; try again shortly.", "requests")
    chain = [
        Middleware(RequestId),
        Middleware(Metrics),
        Middleware(Noted, activity=activity),
        Middleware(SafeHeaders),
        Middleware(Problems, retry_after_s=settings.retry_after_s),
        Middleware(SameSite, settings=settings),
        Middleware(Admission, limit=limit),
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
    kept = [
        Route(PATH, inbox.post_message, methods=["POST"], middleware=access.guard(PATH, "send")),
        Route(
            RECORDS + "{record_id:path}",
            inbox.get_record,
            middleware=access.guard(RECORDS + "{recordId}", "read"),
        ),
        Route(STATS, inbox.get_stats, middleware=access.guard(STATS)),
        Route(METRICS, inbox.get_metrics, middleware=access.guard(METRICS)),
    ]
    return [
        *(
            Route(path, handler, methods=["POST"], middleware=access.guard(path))
            for path, handler in (
                ("/analyze", analysis.analyze),
                (bulk.PATH, bulk.BulkRoute(graph, settings).analyze),
                ("/extract_features", analysis.extract_features),
                ("/assess_quality", analysis.assess_quality),
            )
        ),
        Route("/health", status.health),
        Route("/health/ready", status.ready),
        Route(ACTIVITY, activity.show, middleware=access.guard(ACTIVITY)),
        Route("/labels", labels),
        Route("/features/schema", features_schema),
        *([] if settings.demo else kept),  # a public demo keeps nothing
        *(Route(path, page) for path, page in pages.ROUTES.items()),
    ]


async def _unrouted(request: Request, error: Exception) -> Response:
    """Raises the refusal of a request that no route takes, from which `Problems` makes the document."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
        raise MethodNotAllowed("The route takes another method.", "method", allowed, request.method)
    paths = [route.path for route in request.app.routes]
    raise NotFound("No such route.", "path", paths, request.url.path[:200])
