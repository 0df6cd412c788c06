"""A TCP proxy that misbehaves on demand, connection by connection."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class FaultProxy:
    """Forwards to `port`; each new connection takes the next fault from `faults`, and is honest when there is none.

    Faults: ``reset`` (RST after the request began), ``hang`` (accepts and never answers), ``503`` (answers itself, with
    Retry-After 0), ``lost`` (forwards the request, then loses the answer), ``late`` (a pause, then honest), ``failed
    entry`` (answers PutEvents with HTTP 200 and one failed entry). Every answer closes its connection, so that one
    request is one connection.
    """

    def __init__(self, port: int) -> None:
        self.faults: list[str] = []
        self.connections = 0
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.append(client)
                fault = self.faults.pop(0) if self.faults else "none"
            threading.Thread(target=self._serve, args=(client, fault), daemon=True).start()

    def _serve(self, client: socket.socket, fault: str) -> None:
        with contextlib.suppress(OSError):
            request = read_http(client)
            if fault == "hang":
                return
            if fault == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            elif fault == "503":
                client.sendall(
                    b"HTTP/1.1 503 Slow Down\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            elif fault == "failed entry":
                body = b'{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"x"}]}'
                client.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nConnection: close\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
                )
            else:
                if fault == "late":
                    time.sleep(0.3)
                self._forward(client, request, answered=fault != "lost")
            client.close()

    def _forward(self, client: socket.socket, request: bytes, answered: bool) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"connection:", b"expect:"))]
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            server.sendall(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
            answer = b"".join(iter(lambda: server.recv(65536), b""))
        if answered:
            client.sendall(answer)


def read_http(client: socket.socket) -> bytes:
    """One request with its body; a client that waits for "100 Continue" gets it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(client)
    head = data.partition(b"\r\n\r\n")[0].lower()
    if b"expect: 100-continue" in head:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(data) < len(head) + 4 + length:
        data += _some(client)
    return data


def _some(client: socket.socket) -> bytes:
    chunk = client.recv(65536)
    if not chunk:
        raise ConnectionError("the client went away")
    return chunk


@contextlib.contextmanager
def proxy_to(port: int) -> Iterator[FaultProxy]:
    proxy = FaultProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
