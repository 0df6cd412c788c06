"""Middleware around Serve's own HTTP code, for request heads that it cannot take.

Serve reads some header values as UTF-8 and repeats the request id in its answer and its log. A byte that is not ASCII,
or a WebSocket, which no route takes, ended there in a traceback and a bare 500. Ray imports `middlewares` in every
process that serves HTTP, by ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`` (`serve_app.environment`).
"""

import re
import uuid

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from serve_app.edge.problems import NotFound, problem

REQUEST_ID = b"x-request-id"
_USABLE_ID = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}")


def usable_id(scope: Scope) -> str:
    """The caller's request id when it is short and plain ASCII, else a new one."""
    given = dict(scope["headers"]).get(REQUEST_ID, b"")
    return given.decode() if _USABLE_ID.fullmatch(given) else str(uuid.uuid4())


class CleanHead:
    """Gives every request one usable id, drops header values that are not ASCII, and refuses WebSockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on a cleaned request."""
        if scope["type"] == "websocket":
            await _refuse_websocket(WebSocket(scope, receive, send))
            return
        if scope["type"] == "http":
            kept = [(name, value) for name, value in scope["headers"] if name != REQUEST_ID and value.isascii()]
            scope = dict(scope, headers=[*kept, (REQUEST_ID, usable_id(scope).encode())])
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
