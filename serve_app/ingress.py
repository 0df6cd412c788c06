"""`Ingress`: the HTTP routes. It validates, asks the graph, and composes one answer."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import orjson
from ray.serve.context import _get_serve_request_context
from ray.serve.handle import DeploymentHandle
from ray.serve.metrics import Counter, Histogram
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from deployments.serve.admission import Room
from deployments.serve.graph import Graph, Handles, check_ready
from deployments.serve.ray_errors import as_ecg_error
from deployments.serve.stage_metrics import LATENCY_BUCKETS_MS
from ecg._version import __version__
from ecg.errors import MalformedInput
from ecg.features import SCHEMA, SCHEMA_VERSION
from ecg.labels import LABELS
from ecg.pipeline import parse_include
from ecg.record import EcgRecord, check_duration
from ecg.report.encodings import JSON, negotiated
from serve_app import bodies, bulk, pages, problems
from serve_app.inbox import METRICS, PATH, RECORDS, STATS, InboxRoutes
from serve_app.settings import AppSettings

Handler = Callable[[Request], Awaitable[Response]]
logger = logging.getLogger("ray.serve")


class Ingress:
    """One route table; every refusal leaves as a problem document, every request is counted by route and outcome."""

    def __init__(self, settings: AppSettings, handles: Handles, inbox: DeploymentHandle) -> None:
        self._settings = settings
        self._room = Room(settings.max_requests, "The service is at its limit; try again shortly.")
        self._graph = Graph(handles, settings.max_model_requests)
        received = InboxRoutes(
            inbox.accept.remote, inbox.record.remote, inbox.stats.remote, inbox.metrics.remote, settings.max_body_bytes
        )
        self._routes = [
            Route("/analyze", self.analyze, methods=["POST"]),
            Route(bulk.PATH, bulk.BulkRoute(self._graph, settings).analyze, methods=["POST"]),
            Route("/extract_features", self.extract_features, methods=["POST"]),
            Route("/assess_quality", self.assess_quality, methods=["POST"]),
            Route("/health", self.health),
            Route("/health/ready", self.ready),
            Route("/labels", self.labels),
            Route("/features/schema", self.features_schema),
            *(Route(path, page) for path, page in pages.ROUTES.items()),
            Route(PATH, received.post_message, methods=["POST"]),
            Route(f"{PATH}/", received.post_message, methods=["POST"]),
            Route(RECORDS + "{record_id:path}", received.get_record),
            Route(STATS, received.get_stats),
            Route(METRICS, received.get_metrics),
        ]
        self._requests = Counter("ecg_requests", description="Requests", tag_keys=("route", "outcome"))
        self._latency = Histogram(
            "ecg_request_latency_ms",
            description="Time from the first byte to the answer, in milliseconds",
            boundaries=LATENCY_BUCKETS_MS,
            tag_keys=("route",),
        )

    async def __call__(self, request: Request) -> Response:
        """Answer a request; a fault of ours is logged under the request id and answered with 500."""
        # Serve takes the id from the request or makes one, and puts it into the response header.
        request_id = _get_serve_request_context().request_id
        start = time.perf_counter()
        route = "other"  # a free path would make a metric series each
        try:
            route, handler = self._match(request)
            # Those without a body, such as `/health`, are never turned away.
            with self._room.place() if request.method == "POST" else nullcontext():
                response = await handler(request)
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception as error:
            refusal = as_ecg_error(error)
            if refusal is None:
                logger.exception("request %s failed", request_id)
                response = problems.internal_problem(request_id)
            else:
                response = problems.problem(refusal, request_id, self._settings.retry_after_s)
        self._requests.inc(tags={"route": route, "outcome": str(response.status_code)})
        self._latency.observe((time.perf_counter() - start) * 1000, tags={"route": route})
        return response

    def _match(self, request: Request) -> tuple[str, Handler]:
        """Path template and handler for a request, its path parameters set; also without or with a trailing slash."""
        path = request.url.path
        scope = {**request.scope, "path": path if path.startswith("/data/") else path.rstrip("/") or "/"}
        allowed: set[str] = set()
        for route in self._routes:
            match, child = route.matches(scope)
            if match is Match.FULL:
                request.scope.update(child)
                return route.path, route.endpoint
            if match is Match.PARTIAL:
                allowed |= route.methods or set()
        if allowed:
            raise problems.MethodNotAllowed(
                "The route takes another method.", "method", sorted(allowed), request.method
            )
        raise problems.NotFound("No such route.", "path", [route.path for route in self._routes], path[:200])

    async def health(self, request: Request) -> Response:
        """Always 200 while the process lives."""
        watches = self._graph.models
        states = dict(zip(watches, await asyncio.gather(*(w.state() for w in watches.values())), strict=True))
        names = {state.state for state in states.values()}
        status = "degraded" if "failed" in names else "ready" if names == {"ready"} else "starting"
        models = {name: state.to_dict() for name, state in states.items()}
        return _json({"status": status, "models": models, "versions": {"ecg-serve": __version__}})

    async def ready(self, request: Request) -> Response:
        """200 when `/analyze` can answer with its clinical part, else 503."""
        check_ready("clinical", await self._graph.models["clinical"].state())
        return _json({"status": "ready"})

    async def analyze(self, request: Request) -> Response:
        """The whole answer, or the parts that `include` names, in the form that `Accept` asks for."""
        encoding = negotiated(request.headers.get("accept"))  # before any work is done for a form that there is not
        record, parameters = await self._record(request, bodies.PARAMETERS)
        report = await self._graph.report(record, parse_include(parameters.get("include"), self._graph.parts))
        media_type = encoding.media_type
        if encoding is JSON:
            return Response(report.to_json(), media_type=media_type)
        return Response(await asyncio.to_thread(report.encoded, media_type), media_type=media_type)

    async def extract_features(self, request: Request) -> Response:
        """The feature vector."""
        report = await self._part(request, "features")
        names = ("features", "processing_time", "warnings", "provenance")
        return _json({name: report[name] for name in names})

    async def assess_quality(self, request: Request) -> Response:
        """Signal quality, without any model."""
        report = await self._part(request, "quality")
        names = ("signal_quality", "quality", "processing_time", "warnings", "provenance")
        return _json({name: report[name] for name in names})

    async def labels(self, request: Request) -> Response:
        """The labels in logit order."""
        return _json({"labels": [{"index": i, **asdict(label)} for i, label in enumerate(LABELS)]})

    async def features_schema(self, request: Request) -> Response:
        """What each position of `features` is."""
        features = [{"index": i, **asdict(feature)} for i, feature in enumerate(SCHEMA)]
        return _json({"version": SCHEMA_VERSION, "dimension": len(SCHEMA), "features": features})

    async def _part(self, request: Request, part: str) -> dict[str, Any]:
        record, _ = await self._record(request, [name for name in bodies.PARAMETERS if name != "include"])
        return (await self._graph.report(record, frozenset({part}))).to_dict()

    async def _record(self, request: Request, allowed: Sequence[str]) -> tuple[EcgRecord, dict[str, str]]:
        """The recording of a request and the parameters stated beside it, of which only `allowed` are taken."""
        bodies.check_parameters(request, allowed)
        kind = bodies.content_type(request)
        body = await bodies.read_body(request, self._settings.max_body_bytes)
        parameters = dict(request.query_params)
        files: dict[str, bytes] = {}
        if kind == bodies.MULTIPART:
            files, texts = await bodies.uploaded_files(request, body)
            parameters |= texts
            unread = set(texts) - set(allowed)
            if unread:
                raise MalformedInput("Unknown form field.", sorted(unread)[0], list(allowed), None)
        record = await bodies.decode_aside(kind, body, parameters, files, self._settings.max_duration_s)
        check_duration(record.duration_s, self._settings.max_duration_s)
        return record, parameters


def _json(body: object) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
