"""A page for Prometheus from a command that runs on."""

import http.server
import threading
from typing import Self


class MetricsPage(http.server.ThreadingHTTPServer):
    """Serves `text` on one port for the length of a `with` block; 503 while it is None, so that nothing old is read."""

    daemon_threads = True
    text: str | None = None

    def __init__(self, port: int) -> None:
        super().__init__(("", port), _Handler)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, name="metrics", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: MetricsPage
    timeout = 10

    def do_GET(self) -> None:
        body = (self.server.text or "").encode()
        self.send_response(200 if body else 503)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: each scrape would be a line."""
