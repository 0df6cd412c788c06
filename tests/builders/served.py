"""The whole edge behind a port of this process: real HTTP, inbox and measurement; models that are tables of numbers."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.service import free_port
from deployments.serve.graph import Graph, Handles
from deployments.serve.model_state import ModelState
from ecg.access.limiter import Limiter
from ecg.cardioai.inbox import Inbox
from ecg.cardioai.receipts import Limits
from ecg.models.contract import ModelResult
from ecg.pipeline import Examination, examine
from ecg.record import EcgRecord
from ecg.store.database import open_database
from serve_app.edge.activity import Activity
from serve_app.edge.application import application
from serve_app.edge.front import CleanHead
from serve_app.edge.inbox import InboxRoutes
from serve_app.settings import AppSettings
from tests.deployments.fakes import handle
from tests.golden.answers import model_results

LIMIT_S = 30


def _model(name: str) -> Any:
    """A model that answers every recording alike."""

    async def state() -> ModelState:
        return ModelState("ready", "golden@sha256:0", True, "golden", "float32")

    async def infer(segments: Any) -> ModelResult:
        return model_results(0)[name]

    return handle(state=state, infer=infer)


async def _examined(record: EcgRecord, findings: bool, features: bool = False) -> Examination:
    return await asyncio.to_thread(examine, record, findings, features)


def _application(settings: AppSettings, graph: Graph, routes: InboxRoutes, replicas: int) -> ASGIApp:
    limiter = Limiter()
    limiter.replicas = replicas
    app = application(settings, graph, routes, Activity(settings.max_requests), limiter)

    async def with_health_check(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/-/healthz":  # of Serve, for HAProxy
            await PlainTextResponse("success")(scope, receive, send)
        else:
            await app(scope, receive, send)

    return with_health_check


@contextmanager
def served(folder: Path, port: int | None = None, replicas: int = 1, **settings: Any) -> Iterator[str]:
    """The address of an edge with these settings, its inbox in `folder`; one of `replicas` that share limits."""
    store = f"sqlite:///{folder / 'inbox.sqlite'}"
    chosen = AppSettings.model_validate({"inbox_url": store} | settings)
    port = port or free_port()
    config = uvicorn.Config("", port=port, log_level="warning", lifespan="off", timeout_keep_alive=30)
    server = uvicorn.Server(config)

    async def run() -> None:
        inbox = Inbox(open_database(store), None, Limits())
        try:
            models = {name: _model(name) for name in ("clinical", "features")}
            graph = Graph(Handles(None, models, handle(examine=_examined)))
            routes = InboxRoutes(inbox.accept, inbox.record, inbox.stats, inbox.metrics, chosen.max_body_bytes)
            config.app = CleanHead(_application(chosen, graph, routes, replicas))
            await server.serve()
        finally:
            await inbox.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        waited = threading.Event()
        for _ in range(LIMIT_S * 50):
            if server.started or not thread.is_alive():
                break
            waited.wait(0.02)
        assert server.started
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(LIMIT_S)
        assert not thread.is_alive()
