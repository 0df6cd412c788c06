"""Which names this service is called by, and which pages may send it requests."""

import os

from starlette.types import ASGIApp, Receive, Scope, Send

from ecg.errors import Forbidden
from serve_app.edge.problems import UnknownHost
from serve_app.environment import LOCAL_HOSTS
from serve_app.origins import web_origin
from serve_app.settings import AppSettings

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_SHOWN = 100


class SameSite:
    """Refuses requests under a name that is not this service's, and those that the pages of other sites make.

    The first is DNS rebinding: a page whose own name is made to lead here, so that its scripts may read the answers.
    The second is cross-site request forgery: a form or a script that sends what its reader never meant to send. A
    public demo, which keeps nothing, takes requests from every page. Raises `UnknownHost` and `Forbidden`.
    """

    def __init__(self, app: ASGIApp, settings: AppSettings) -> None:
        self._app = app
        local = os.environ.get(LOCAL_HOSTS)
        names = settings.allowed_hosts or (local.split(",") if local else ["*"])
        self._hosts = None if "*" in names else {name.lower() for name in names}
        self._origins = {web_origin(origin) for origin in settings.allowed_origins}
        self._any_origin = settings.demo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or raise."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1").lower()
            self._check_host(host)
            if scope["method"] not in _SAFE_METHODS and not self._any_origin:
                self._check_origin(host, headers)
        await self._app(scope, receive, send)

    def _check_host(self, host: str) -> None:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() and not host.endswith("]") else host
        if self._hosts is not None and name not in self._hosts:
            raise UnknownHost("This service has another name; see allowed_hosts.", "Host", None, name[:_SHOWN])

    def _check_origin(self, host: str, headers: dict[bytes, bytes]) -> None:
        stated = headers.get(b"origin")
        if stated is None:
            # Browsers say where a request of another site's page comes from, even where they give no origin.
            foreign = headers.get(b"sec-fetch-site") == b"cross-site"
            origin = "cross-site"
        else:
            origin = stated.decode("latin-1").lower()
            own = {web_origin(f"http://{host}"), web_origin(f"https://{host}")}
            site = web_origin(origin)  # None for "null", which sandboxed pages and local files state
            foreign = site is None or site not in own | self._origins
        if foreign:
            raise Forbidden("Pages of other sites may not send requests; see allowed_origins.", "Origin", host, origin)
