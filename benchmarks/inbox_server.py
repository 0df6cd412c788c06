"""The inbox alone on one port, for the inbox's benchmarks and tests: no Ray, no models.

python -m benchmarks.inbox_server sqlite:///inbox.db --port 0
"""

import argparse
import contextlib
import socket
from collections.abc import AsyncIterator

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from deployments.inbox import Inbox
from ecg.errors import EcgError, InputTooLarge, Overloaded, StoreUnavailable, UnknownRecording
from ecg.inbox.receipts import Limits
from serve_app.inbox import inbox_routes

STATUS = {StoreUnavailable: 503, Overloaded: 429, InputTooLarge: 413, UnknownRecording: 404}


async def problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, EcgError)
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    headers = {"Retry-After": f"{error.retry_after_s:.0f}"} if isinstance(error, Overloaded) else {}
    body = orjson.dumps({"code": error.code, "detail": error.message, "field": error.field})
    return Response(body, status, headers, "application/problem+json")


def application(url: str, limits: Limits) -> Starlette:
    inbox: list[Inbox] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        inbox.append(Inbox(url, None, limits))
        yield
        await inbox[0].close()

    routes = inbox_routes(lambda: inbox[0], limits.max_message_bytes)
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={EcgError: problem})


def serve(url: str, listener: socket.socket, limits: Limits) -> None:
    # h11: with httptools, uvicorn loses the body of a client that offers an upgrade to h2c, as Java's does.
    config = uvicorn.Config(application(url, limits), http="h11", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", args.port))
    print(listener.getsockname()[1], flush=True)
    serve(args.url, listener, Limits())


if __name__ == "__main__":
    main()
