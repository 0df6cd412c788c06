"""A client of the service in Ray's local testing mode: no cluster, no socket, the same classes and the same builder."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from ray import serve
from ray.serve.handle import DeploymentHandle

from serve_app.app import build
from serve_app.settings import AppSettings


class LocalService:
    """Sends requests to the edge's ASGI application, on one event loop."""

    def __init__(self, handle: DeploymentHandle, loop: asyncio.Runner) -> None:
        self._loop = loop
        application = handle.remote(None).result()  # whatever the request, `Ingress` returns its application
        transport = httpx.ASGITransport(application)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://local", timeout=300)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """The answer to a GET request."""
        return self._loop.run(self._client.get(path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        """The answer to a POST request."""
        return self._loop.run(self._client.post(path, **options))


@contextmanager
def serving(settings: AppSettings, name: str) -> Iterator[LocalService]:
    """The service of some settings, from when all its models are ready."""
    with asyncio.Runner() as loop:
        service = LocalService(serve.run(build(settings), name=name, _local_testing_mode=True), loop)
        deadline = time.monotonic() + 300  # only that it ends: a busy machine may take long
        while service.get("/health").json()["status"] != "ready":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield service
