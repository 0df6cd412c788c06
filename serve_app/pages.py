"""Pages and documents that need no analysis: the page, API documentation (assets served from here), samples."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from importlib.resources import files
from types import MappingProxyType

import orjson
from starlette.requests import Request
from starlette.responses import Response

from serve_app.openapi import document, sample_body
from serve_app.web import samples
from serve_app.web.page_files import PAGE_FILES, PAGE_HEADERS, PAGE_PATHS

Handler = Callable[[Request], Awaitable[Response]]


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


_SWAGGER_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null})'
_SWAGGER = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>ECG analysis API</title>
<link rel="stylesheet" href="/static/swagger-ui.css"><link rel="icon" href="/static/favicon.png"></head>
<body><div id="swagger-ui"></div><script src="/static/swagger-ui-bundle.js"></script>
<script>{_SWAGGER_START}</script></body></html>"""
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


#: Of the two API pages: their one inline script is known by its hash; both set styles, and ReDoc searches in a worker.
_DOCUMENT_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src 'self' 'sha256-{_hash(_SWAGGER_START)}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; worker-src blob:; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
}


def _file(package: str, folder: str, name: str) -> bytes:
    return (files(package) / folder / name).read_bytes()


def _page(
    content: Callable[[], bytes], media_type: str, max_age_s: int = 0, more: Mapping[str, str] = MappingProxyType({})
) -> Handler:
    made_once = cache(content)
    headers = {"Cache-Control": f"max-age={max_age_s}" if max_age_s else "no-cache", **more}

    async def serve_page(request: Request) -> Response:
        return Response(made_once(), headers=headers, media_type=media_type)

    return serve_page


def _document(needs_credential: bool) -> Handler:
    return _page(lambda: orjson.dumps(document(needs_credential), option=orjson.OPT_INDENT_2), "application/json")


async def _sample(request: Request) -> Response:
    body = await asyncio.to_thread(samples.sample, request.path_params["name"])
    return Response(body, media_type="application/json")


ROUTES: dict[str, Handler] = {
    "/samples": _page(lambda: orjson.dumps(samples.listing()), "application/json"),
    "/samples/{name}": _sample,
    "/favicon.ico": _page(partial(_file, "fastapi_offline", "static", "favicon.png"), "image/png", 86400),
    "/docs": _page(_SWAGGER.encode, "text/html", more=_DOCUMENT_HEADERS),
    "/redoc": _page(_REDOC.encode, "text/html", more=_DOCUMENT_HEADERS),
    "/openapi.json": _document(needs_credential=False),
    "/sample.json": _page(lambda: orjson.dumps(sample_body()), "application/json"),
    **{
        f"/static/{name}": _page(partial(_file, "fastapi_offline", "static", name), kind, 86400)
        for name, kind in _ASSETS.items()
    },
    **{
        path: _page(partial(_file, "serve_app", "web/static", name), PAGE_FILES[name], more=PAGE_HEADERS)
        for path, name in PAGE_PATHS.items()
    },
}
#: The same, where callers need a key or a token.
GUARDED_ROUTES = ROUTES | {"/openapi.json": _document(needs_credential=True)}
