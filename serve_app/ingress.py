"""`Ingress`: the HTTP routes. It validates, asks the stages, and composes one answer."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import orjson
from ray.serve.handle import DeploymentHandle
from ray.serve.metrics import Counter, Histogram
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from deployments.stage_metrics import LATENCY_BUCKETS_MS
from ecg import __version__
from ecg.errors import ModelNotReady
from ecg.features import SCHEMA, SCHEMA_VERSION
from ecg.labels import LABELS
from ecg.pipeline import Stages, compose, parse_include
from ecg.record import EcgRecord
from ecg.report import Report
from serve_app import bodies, pages, problems
from serve_app.model_watch import ModelWatch
from serve_app.settings import AppSettings

Handler = Callable[[Request], Awaitable[Response]]
logger = logging.getLogger("ray.serve")


class Ingress:
    """One route table; every refusal leaves as a problem document, every request is counted by route and outcome."""

    def __init__(
        self,
        settings: AppSettings,
        preprocess: DeploymentHandle,
        clinical: DeploymentHandle,
        features: DeploymentHandle,
        measure: DeploymentHandle,
    ) -> None:
        self._settings = settings
        self._watches = {"clinical": ModelWatch(clinical), "features": ModelWatch(features)}
        self._models = {"clinical": clinical, "features": features}
        self._stages = Stages(
            examine=measure.examine.remote,
            prepare=preprocess.prepare.remote,
            clinical=lambda segments: self._infer("clinical", segments),
            features=lambda segments: self._infer("features", segments),
        )
        self._routes: dict[str, dict[str, Handler]] = {
            "/health": {"GET": self.health},
            "/health/ready": {"GET": self.ready},
            "/analyze": {"POST": self.analyze},
            "/extract_features": {"POST": self.extract_features},
            "/assess_quality": {"POST": self.assess_quality},
            "/labels": {"GET": self.labels},
            "/features/schema": {"GET": self.features_schema},
            **{path: {"GET": page} for path, page in pages.ROUTES.items()},
        }
        self._requests = Counter("ecg_requests", description="Requests", tag_keys=("route", "outcome"))
        self._latency = Histogram(
            "ecg_request_latency_ms",
            description="Time from the first byte to the answer, in milliseconds",
            boundaries=LATENCY_BUCKETS_MS,
            tag_keys=("route",),
        )

    async def __call__(self, request: Request) -> Response:
        """Answer a request; a fault of ours is logged under the request id and answered with 500."""
        request_id = request.headers.get("x-request-id", "")[:64] or uuid.uuid4().hex
        path = request.url.path.rstrip("/") or "/"
        start = time.perf_counter()
        try:
            response = await self._handler(path, request.method)(request)
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception as error:
            refusal = problems.known(error)
            if refusal is None:
                logger.exception("request %s failed", request_id)
                response = problems.internal_problem(request_id)
            else:
                response = problems.problem(refusal, request_id, self._settings.retry_after_s)
        route = path if path in self._routes else "other"  # a free path would make a metric series each
        self._requests.inc(tags={"route": route, "outcome": str(response.status_code)})
        self._latency.observe((time.perf_counter() - start) * 1000, tags={"route": route})
        response.headers["X-Request-ID"] = request_id
        return response

    def _handler(self, path: str, method: str) -> Handler:
        methods = self._routes.get(path)
        if methods is None:
            raise problems.NotFound("No such route.", "path", sorted(self._routes), path[:200])
        handler = methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise problems.MethodNotAllowed("The route takes another method.", "method", sorted(methods), method[:20])
        return handler

    async def health(self, request: Request) -> Response:
        """Always 200 while the process lives."""
        states = dict(zip(self._watches, await self._states(), strict=True))
        names = {state.state for state in states.values()}
        status = "degraded" if "failed" in names else "ready" if names == {"ready"} else "starting"
        models = {name: state.to_dict() for name, state in states.items()}
        return _json({"status": status, "models": models, "versions": {"ecg-serve": __version__}})

    async def ready(self, request: Request) -> Response:
        """200 when `/analyze` can answer with its clinical part, else 503."""
        state = await self._watches["clinical"].state()
        if state.state != "ready":
            raise ModelNotReady(
                state.detail or "The clinical model is still loading.", "clinical", "ready", state.state
            )
        return _json({"status": "ready"})

    async def analyze(self, request: Request) -> Response:
        """The whole answer, or the parts that `include` names."""
        include = parse_include(request.query_params.get("include"))
        return _json((await self._report(request, include)).to_dict())

    async def extract_features(self, request: Request) -> Response:
        """The feature vector."""
        report = (await self._report(request, frozenset({"features"}))).to_dict()
        names = ("features", "processing_time", "warnings", "provenance")
        return _json({name: report[name] for name in names})

    async def assess_quality(self, request: Request) -> Response:
        """Signal quality, without any model."""
        report = (await self._report(request, frozenset({"quality"}))).to_dict()
        names = ("signal_quality", "quality", "processing_time", "warnings", "provenance")
        return _json({name: report[name] for name in names})

    async def labels(self, request: Request) -> Response:
        """The labels in logit order."""
        return _json({"labels": [{"index": i, **asdict(label)} for i, label in enumerate(LABELS)]})

    async def features_schema(self, request: Request) -> Response:
        """What each position of `features` is."""
        features = [{"index": i, **asdict(feature)} for i, feature in enumerate(SCHEMA)]
        return _json({"version": SCHEMA_VERSION, "dimension": len(SCHEMA), "features": features})

    async def _report(self, request: Request, include: frozenset[str]) -> Report:
        record = await self._record(request)
        return await compose(record, self._stages, include)

    async def _record(self, request: Request) -> EcgRecord:
        bodies.check_parameters(request)
        kind = bodies.content_type(request)
        body = await bodies.read_body(request, self._settings.max_body_bytes)
        parameters = dict(request.query_params)
        files: dict[str, bytes] = {}
        if kind == bodies.MULTIPART:
            files, texts = await bodies.uploaded_files(request, body)
            parameters |= texts
        record = await asyncio.to_thread(bodies.decode, kind, body, parameters, files)
        bodies.check_duration(record, self._settings.max_duration_s)
        return record

    async def _infer(self, part: str, segments: Any) -> Any:
        state = await self._watches[part].ready_or_state()
        if state.state != "ready":
            raise ModelNotReady(state.detail or "the model is still loading.", part, "ready", state.state)
        return await self._models[part].infer.remote(segments)

    async def _states(self) -> list[Any]:
        return await asyncio.gather(*(watch.state() for watch in self._watches.values()))


def _json(body: Any) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
