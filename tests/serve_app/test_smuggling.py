"""Requests that a proxy and a server could read differently: HAProxy refuses them, or both see the same ones.

The real HAProxy with the service's configuration, in front of the HTTP server under Serve.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from benchmarks.service import free_port
from tests.serve_app.test_haproxy import Proxy

LIMIT_S = 30
#: What an attacker wants to have taken for the beginning of somebody else's request.
HIDDEN = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"


class Seen:
    """A server that remembers every request, and answers with its path."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        path = scope["path"]
        if not path.startswith("/-/"):  # Serve's health check
            self.requests.append((scope["method"], path, body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", path.encode())]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Seen, int]]:
    seen, port = Seen(), free_port()
    running = uvicorn.Server(uvicorn.Config(seen, port=port, log_level="critical", lifespan="off", http="httptools"))
    thread = threading.Thread(target=lambda: asyncio.run(running.serve()))
    thread.start()
    deadline = time.monotonic() + LIMIT_S
    while not running.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield seen, port
    running.should_exit = True
    thread.join(LIMIT_S)


@pytest.fixture(scope="module")
def proxy(server: tuple[Seen, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = Path(tmp_path_factory.mktemp("p"))
    running = Proxy(folder, [server[1]], {})
    yield running.port
    running.stop()


def sent(port: int, content: bytes) -> bytes:
    """All that comes back for some bytes, until the connection ends or nothing comes for half a second."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
        connection.sendall(content)
        with suppress(TimeoutError, ConnectionError):
            while piece := connection.recv(65536):
                answer += piece
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def post(*headers: str, body: str = "", version: str = "1.1") -> bytes:
    return "\r\n".join((f"POST /first HTTP/{version}", "Host: x", *headers, "", body)).encode()


CHUNKED = f"0\r\n\r\n{HIDDEN}"
#: What must be refused as a whole, whatever stands behind it.
REFUSED = {
    "two lengths": post("Content-Length: 5", f"Content-Length: {len(HIDDEN)}", body=HIDDEN),
    "two lengths in one": post("Content-Length: 5, 6", body=HIDDEN),
    "a length with a sign": post("Content-Length: +5", body=HIDDEN),
    "a negative length": post("Content-Length: -1", body=HIDDEN),
    "a length in hex": post("Content-Length: 0x5", body=HIDDEN),
    "an empty length": post("Content-Length: ", body=HIDDEN),
    "a length of another digit": post("Content-Length: \u00b2", body=HIDDEN),
    "a length beyond 64 bits": post("Content-Length: 18446744073709551617", body=HIDDEN),
    "a space before the colon": post("Transfer-Encoding : chunked", "Content-Length: 4", body=CHUNKED),
    "a space before the colon of the length": post("Content-Length : 4", body=HIDDEN),
    "a coding that is none": post("Transfer-Encoding: xchunked", body=CHUNKED),
    "a coding with a vertical tab": post("Transfer-Encoding: \x0bchunked", body=CHUNKED),
    "chunked before another": post("Transfer-Encoding: chunked, identity", body=CHUNKED),
    "chunked twice": post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=CHUNKED),
    "a NUL in a header": post("X: a\0b", "Content-Length: 0", body=HIDDEN),
    "a bare CR in a header": post("X: a\rTransfer-Encoding: chunked", "Content-Length: 0", body=HIDDEN),
    "a name with a space": post("X Y: 1", "Content-Length: 0", body=HIDDEN),
    "a line without a colon": post("Content-Length", body=HIDDEN),
    "a fold before the first header": b"POST /first HTTP/1.1\r\n Content-Length: 5\r\nHost: x\r\n\r\n",
    "a chunk that is no number": post("Transfer-Encoding: chunked", body=f"zz\r\n{HIDDEN}\r\n0\r\n\r\n"),
    "a chunk with a sign": post("Transfer-Encoding: chunked", body=f"-1\r\n{HIDDEN}\r\n0\r\n\r\n"),
    "a chunk in 0x": post("Transfer-Encoding: chunked", body=f"0x1\r\na\r\n0\r\n\r\n{HIDDEN}"),
    "a chunk beyond 64 bits": post("Transfer-Encoding: chunked", body=f"10000000000000001\r\na\r\n0\r\n\r\n{HIDDEN}"),
    "a chunk that is longer than it says": post("Transfer-Encoding: chunked", body=f"1\r\nab\r\n0\r\n\r\n{HIDDEN}"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(case: str, proxy: int, server: tuple[Seen, int]) -> None:
    seen = server[0]
    seen.requests.clear()
    answer = sent(proxy, REFUSED[case])
    assert all(400 <= status <= 501 for status in statuses(answer)), answer
    assert [path for _, path, _ in seen.requests if path == "/hidden"] == []
    assert [body for _, _, body in seen.requests if b"hidden" in body] == []
    assert httpx.get(f"http://127.0.0.1:{proxy}/next").headers["x-path"] == "/next"


ONE_READING = {
    "a length and chunks": (post("Content-Length: 4", "Transfer-Encoding: chunked", body=CHUNKED), b""),
    "chunks and a length": (post("Transfer-Encoding: chunked", "Content-Length: 6", body=CHUNKED), b""),
    "chunked in capitals": (post("Transfer-Encoding: CHUNKED", body=f"1\r\na\r\n{CHUNKED}"), b"a"),
    "one length twice": (post("Content-Length: 1", "Content-Length: 1", body=f"a{HIDDEN}"), b"a"),
    "a folded header": (post("X: a", " Transfer-Encoding: chunked", "Content-Length: 1", body=f"a{HIDDEN}"), b"a"),
    "a folded coding": (post("Transfer-Encoding:", " chunked", body=f"1\r\na\r\n{CHUNKED}"), b"a"),
    "an extension of a chunk": (post("Transfer-Encoding: chunked", body=f"1;x=GET /x\r\na\r\n{CHUNKED}"), b"a"),
    "a chunk with zeros before it": (post("Transfer-Encoding: chunked", body=f"0001\r\na\r\n{CHUNKED}"), b"a"),
    "a trailer that is a length": (
        post("Transfer-Encoding: chunked", body=f"1\r\na\r\n0\r\nContent-Length: 50\r\n\r\n{HIDDEN}"),
        b"a",
    ),
    "lines that end with LF": (
        b"POST /first HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n1\na\n" + CHUNKED.encode(),
        b"a",
    ),
    "chunks in HTTP/1.0": (post("Transfer-Encoding: chunked", body=f"1\r\na\r\n{CHUNKED}", version="1.0"), b"a"),
    "a body of GET": (f"GET /first HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na{HIDDEN}".encode(), b"a"),
    "two requests": (post("Content-Length: 1", body=f"a{HIDDEN}"), b"a"),
}


@pytest.mark.parametrize("case", ONE_READING)
def test_what_is_taken_is_read_as_the_proxy_reads_it(case: str, proxy: int, server: tuple[Seen, int]) -> None:
    """Refused, or as many requests as the sender is answered, each its own; nothing is left for the next caller."""
    content, body = ONE_READING[case]
    seen = server[0]
    seen.requests.clear()
    answer = sent(proxy, content)
    own = [(path, received) for _, path, received in seen.requests]
    assert own in ([], [("/first", body)], [("/first", body), ("/hidden", b"")]), own
    assert len(own) <= len(statuses(answer)) <= 2, answer
    assert httpx.get(f"http://127.0.0.1:{proxy}/next").headers["x-path"] == "/next"
    assert [path for _, path, _ in seen.requests] == [*(path for path, _ in own), "/next"]
