"""Pages and documents that need no analysis: landing page, API documentation (assets served from here), a sample."""

from collections.abc import Awaitable, Callable
from functools import cache, partial
from importlib.resources import files

import orjson
from starlette.requests import Request
from starlette.responses import Response

from serve_app.openapi import document, sample_body

Handler = Callable[[Request], Awaitable[Response]]

_SWAGGER = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>ECG analysis API</title>
<link rel="stylesheet" href="/static/swagger-ui.css"><link rel="icon" href="/static/favicon.png"></head>
<body><div id="swagger-ui"></div><script src="/static/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null})</script>
</body></html>"""
_REDOC = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>ECG analysis API</title>
<link rel="icon" href="/static/favicon.png"><style>body { margin: 0 }</style></head>
<body><redoc spec-url="/openapi.json"></redoc><script src="/static/redoc.standalone.js"></script></body></html>"""
#: Files of the fastapi-offline distribution (MIT), which exists to carry them.
_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "redoc.standalone.js": "text/javascript",
    "favicon.png": "image/png",
}


def _file(package: str, folder: str, name: str) -> bytes:
    return (files(package) / folder / name).read_bytes()


def _page(content: Callable[[], bytes], media_type: str, max_age_s: int = 0) -> Handler:
    made_once = cache(content)
    headers = {"Cache-Control": f"max-age={max_age_s}" if max_age_s else "no-cache"}

    async def serve_page(request: Request) -> Response:
        return Response(made_once(), headers=headers, media_type=media_type)

    return serve_page


ROUTES: dict[str, Handler] = {
    "/": _page(partial(_file, "serve_app", "web", "index.html"), "text/html"),
    "/docs": _page(_SWAGGER.encode, "text/html"),
    "/redoc": _page(_REDOC.encode, "text/html"),
    "/openapi.json": _page(lambda: orjson.dumps(document(), option=orjson.OPT_INDENT_2), "application/json"),
    "/sample.json": _page(lambda: orjson.dumps(sample_body()), "application/json"),
    **{
        f"/static/{name}": _page(partial(_file, "fastapi_offline", "static", name), kind, 86400)
        for name, kind in _ASSETS.items()
    },
}
