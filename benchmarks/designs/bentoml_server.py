"""Design (c): BentoML with our engine and its own batching; .npy in, the service's document out.

ECG_BENCH_WEIGHTS=DIR ECG_BENCH_PRECISION=auto bentoml serve benchmarks.designs.bentoml_server:Analyzer --port PORT
"""

import os
from typing import Any

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.designs.whole import Whole
from serve_app.edge.recordings import NPY, Upload


async def analyze(request: Request) -> Response:
    """Hands one body to the engine, which gathers batches."""
    service = bentoml.get_current_service()
    asked = [{"body": await request.body(), "parameters": dict(request.query_params)}]
    (document,) = await service.engine.to_async.analyze(asked)
    return Response(document, media_type="application/json")


web = Starlette(routes=[Route("/analyze", analyze, methods=["POST"])])


@bentoml.service(workers=1, traffic={"timeout": 120})  # type: ignore[misc]
class Engine:
    """Runs batches, in a process of its own."""

    def __init__(self) -> None:
        self._whole = Whole(os.environ["ECG_BENCH_WEIGHTS"], os.environ.get("ECG_BENCH_PRECISION", "auto"))

    @bentoml.api(batchable=True, max_batch_size=8, max_latency_ms=60_000)  # type: ignore[misc]
    def analyze(self, requests: list[dict[str, Any]]) -> list[str]:
        records = [Upload(NPY, {"body": bytes(r["body"])}).decode(r["parameters"]) for r in requests]
        return [document.decode() for document in self._whole.analyze(records)]


@bentoml.service(workers=1, traffic={"timeout": 120})  # type: ignore[misc]
@bentoml.asgi_app(web)  # type: ignore[misc]
class Analyzer:
    """The HTTP side: bodies stay bytes until the engine has them."""

    engine = bentoml.depends(Engine)
