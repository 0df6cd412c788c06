"""A local HTTP stand-in for the Hugging Face hub: one file, a redirect to storage, ranges, and faults on demand."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class HubServer:
    """Serves `content` as one file of one repository, as the hub does.

    A HEAD answers 302 with the linked etag and size, the storage answers GET with or without a Range. `cut_after`
    closes the first GET after that many bytes. Without `is_hub`, every HEAD gets a plain 200, as from a captive portal.
    Any other path is `missing`, as the hub names it.
    """

    def __init__(
        self,
        path: str,
        content: bytes,
        cut_after: int | None = None,
        is_hub: bool = True,
        missing: str = "EntryNotFound",
    ) -> None:
        self.content, self.cut_after = content, cut_after
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.announced_sha256 = self.sha256
        self.ranges: list[str | None] = []
        self.authorizations: list[str | None] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                if not is_hub:
                    self.send_response(200)
                    self.send_header("Content-Length", "9")
                    self.end_headers()
                    return
                if self.path != path:
                    self.send_response(404)
                    self.send_header("X-Error-Code", missing)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(302)
                self.send_header("Location", f"{hub.storage}/blob")
                self.send_header("X-Repo-Commit", path.split("/")[4])
                self.send_header("X-Linked-Etag", f'"{hub.announced_sha256}"')
                self.send_header("X-Linked-Size", str(len(hub.content)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                hub.ranges.append(wanted)
                hub.authorizations.append(self.headers.get("Authorization"))
                start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
                body = hub.content[start:]
                self.send_response(206 if wanted else 200)
                if wanted:
                    self.send_header("Content-Range", f"bytes {start}-{len(hub.content) - 1}/{len(hub.content)}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if hub.cut_after is not None and len(hub.ranges) == 1:
                    self.wfile.write(body[: hub.cut_after])
                    self.close_connection = True
                    return
                try:
                    self.wfile.write(body)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        port = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        # Another host name, as the hub's storage has.
        self.storage = f"http://localhost:{port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
