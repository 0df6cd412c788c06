"""The inbox alone on one port, for the inbox's benchmarks and tests: no Ray, no models.

python -m benchmarks.inbox_server sqlite:///inbox.db --port 0
"""

import argparse
import contextlib
import math
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ecg.cardioai.inbox import Inbox
from ecg.cardioai.receipts import Limits
from ecg.errors import EcgError, InputTooLarge, Overloaded, QuotaExceeded, UnknownRecording
from ecg.store.database import open_database
from serve_app.edge import inbox as inbox_http
from serve_app.edge.inbox import InboxRoutes

# A stand-in for serve_app.edge.problems, which needs Ray.
STATUS = {QuotaExceeded: 429, Overloaded: 503, InputTooLarge: 413, UnknownRecording: 404}


async def refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, EcgError)
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 400)
    headers = {"Retry-After": f"{math.ceil(error.retry_after_s or 1)}"} if isinstance(error, Overloaded) else {}
    return Response(error.code, status, headers)


def application(url: str, limits: Limits) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        inbox = Inbox(open_database(url), None, limits)
        routes = InboxRoutes(inbox.accept, inbox.record, inbox.stats, inbox.metrics, limits.max_message_bytes)
        app.router.routes += [
            Route(inbox_http.PATH, routes.post_message, methods=["POST"]),
            Route(inbox_http.PATH + "/", routes.post_message, methods=["POST"]),
            Route(inbox_http.RECORDS + "{record_id}", routes.get_record),
            Route(inbox_http.STATS, routes.get_stats),
            Route(inbox_http.METRICS, routes.get_metrics),
        ]
        yield
        await inbox.close()

    return Starlette(lifespan=lifespan, exception_handlers={EcgError: refuse})


def serve(url: str, listener: socket.socket, limits: Limits) -> None:
    # h11: with httptools, uvicorn loses the body of a client that offers an upgrade to h2c, as Java's does.
    config = uvicorn.Config(application(url, limits), http="h11", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def serving(url: str) -> Iterator[tuple[int, int]]:
    """The server as a process of its own for the length of the block; its port and process id."""
    command = [sys.executable, "-m", "benchmarks.inbox_server", url]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--open-recordings", type=int, default=Limits.open_recordings_per_origin)
    args = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", args.port))
    print(listener.getsockname()[1], flush=True)
    serve(args.url, listener, Limits(open_recordings_per_origin=args.open_recordings))


if __name__ == "__main__":
    main()
