"""Middleware around Serve's own HTTP code, for request heads that it cannot take.

Serve reads some header values as UTF-8 and repeats the request id in its answer and its log. A byte that is not ASCII,
or a WebSocket, which no route takes, ended there in a traceback and a bare 500. Ray imports `middlewares` in every
process that serves HTTP, by ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`` (`serve_app.environment`).
"""

import random
import re
import uuid

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from serve_app.edge.problems import NotFound, problem
from serve_app.environment import traced_share

REQUEST_ID = b"x-request-id"
#: The parent of a trace that begins here: Serve makes a span of a request whose head names a parent (`traced`).
NOBODY = "0000000000000001"
_PARENT, _STATE = b"traceparent", b"tracestate"
_USABLE_PARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_USABLE_ID = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}")


def usable_id(scope: Scope) -> str:
    """The caller's request id when it is short and plain ASCII, else a new one."""
    given = dict(scope["headers"]).get(REQUEST_ID, b"")
    return given.decode() if _USABLE_ID.fullmatch(given) else str(uuid.uuid4())


def traced(headers: list[tuple[bytes, bytes]], share: float) -> list[tuple[bytes, bytes]]:
    """The head by which Serve traces a request or does not: as its `traceparent` says, or else one in `share`.

    Its `tracestate` is dropped: it may hold anything.
    """
    kept = [(name, value) for name, value in headers if name not in (_PARENT, _STATE)]
    parents = [value for name, value in headers if name == _PARENT]
    if len(parents) == 1 and _USABLE_PARENT.fullmatch(parents[0]):
        return [*kept, (_PARENT, parents[0])]
    if random.random() < share:
        return [*kept, (_PARENT, f"00-{uuid.uuid4().hex}-{NOBODY}-01".encode())]
    return kept


class CleanHead:
    """Gives every request one usable id, drops header values that are not ASCII, and refuses WebSockets.

    Decides which requests are traced where traces are on.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._traced_share = traced_share()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on a cleaned request."""
        if scope["type"] == "websocket":
            await _refuse_websocket(WebSocket(scope, receive, send))
            return
        if scope["type"] == "http":
            kept = [(name, value) for name, value in scope["headers"] if name != REQUEST_ID and value.isascii()]
            kept.append((REQUEST_ID, usable_id(scope).encode()))
            scope = dict(scope, headers=kept if self._traced_share is None else traced(kept, self._traced_share))
        await self._app(scope, receive, send)


async def _refuse_websocket(socket: WebSocket) -> None:
    await socket.receive()
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        refusal = NotFound("No route takes a WebSocket.", "Upgrade", None, "websocket")
        await socket.send_denial_response(problem(refusal, usable_id(socket.scope), retry_after_s=0))
    else:
        await socket.close(1008)  # the server makes a 403 of it


def middlewares() -> list[Middleware]:
    """What Ray puts around its own HTTP application."""
    return [Middleware(CleanHead)]
