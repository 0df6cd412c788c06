"""Values that try to be more than a value: headers of the answer, lines of the log and of the audit log."""

import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import orjson
import pytest

from ecg.access.audit import AuditLog
from ecg.access.keys import KeyRing
from tests.builders.messages import message, payload
from tests.builders.served import served

#: What ends a line somewhere, plain and as a URL or a form writes it.
ENDS = ["\r\n", "\n", "\r", "\u2028", "\x85", "%0d%0a", "%0a", "%E5%98%8A%E5%98%8D"]
HEADERS = ["X-Request-ID", "Origin", "Accept", "Referer", "Content-Type", "Content-Encoding", "Authorization"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """The address of an edge with keys, a key for everything, and the folder of the audit log."""
    folder = tmp_path_factory.mktemp("injection")
    key = KeyRing(folder / "keys.json").create("test", ("admin",))[1]
    with served(folder, keys_file=str(folder / "keys.json")) as url:
        yield url, key, folder / "audit"


def head_of_answer(url: str, request: str) -> bytes:
    """The head of what comes back for a request that no library would send."""
    address = urlsplit(url)
    answer = b""
    with socket.create_connection((address.hostname, address.port or 80), timeout=10) as connection:
        connection.sendall(request.encode("utf-8", "surrogatepass"))
        with suppress(OSError):
            while b"\r\n\r\n" not in answer and (piece := connection.recv(65536)):
                answer += piece
    return answer.partition(b"\r\n\r\n")[0].lower()


@pytest.mark.parametrize("end", ENDS, ids=ascii)
@pytest.mark.parametrize("name", HEADERS)
def test_no_header_of_a_request_becomes_another_one_of_the_answer(
    name: str, end: str, guarded: tuple[str, str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    url, key, _ = guarded
    value = f"a{end}X-Injected: 1{end}{end}<b>ERROR forged"
    credential = "" if name == "Authorization" else f"Authorization: Bearer {key}\r\n"
    with caplog.at_level(logging.DEBUG):
        for method, path in (("GET", "/data/v1/stats"), ("POST", "/assess_quality")):
            request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n{credential}{name}: {value}"
            head = head_of_answer(url, f"{request}\r\n\r\n")
            assert head.startswith(b"http/1.1 ")
            assert b"\nx-injected" not in head
            assert b"<b>" not in head
    assert "forged" not in caplog.text


@pytest.mark.parametrize("end", ENDS, ids=ascii)
def test_no_path_or_parameter_becomes_a_header_of_the_answer(end: str, guarded: tuple[str, str, Path]) -> None:
    url, key, _ = guarded
    value = f"a{end}X-Injected:1{end}"
    for target in (f"/{value}", f"/samples/{value}", f"/labels?{value}", f"/data/v1/records/{value}", f"//{value}"):
        request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n"
        head = head_of_answer(url, request)
        assert head.startswith(b"http/1.1 ")
        assert b"\nx-injected" not in head
        assert b"location" not in head


def test_no_name_becomes_a_line_of_the_audit_log(guarded: tuple[str, str, Path]) -> None:
    url, key, folder = guarded
    forged = 'r"\n{"n":1,"who":"nobody","action":"read"}'
    before = len(list(AuditLog(folder).export()))
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
        body = message(payload(forged, record_id=forged), f"m{forged}")
        sent = client.post("/data/v1", content=body, headers={"Content-Type": "application/json"})
        assert sent.status_code in (200, 400)
        # No route takes a path with the end of a line, so that there is nothing to note.
        assert client.get(f"/data/v1/records/{quote(forged, safe='')}").status_code == 404
        assert client.get(f"/data/v1/records/{quote(forged.replace(chr(10), chr(0x2028)), safe='')}").status_code == 404
    log = AuditLog(folder)
    log.verify()
    entries = [orjson.loads(line) for line in log.export()][before:]
    assert [entry["action"] for entry in entries] == ["send", "read"]
    assert "nobody" not in {entry["who"] for entry in entries}


def test_an_injected_path_is_no_redirect(guarded: tuple[str, str, Path]) -> None:
    """`//evil.example` at the start of a path is a host to some redirects; nothing here redirects."""
    url, _, _ = guarded
    for path in ("//evil.example/", "/\\evil.example", "/%2f%2fevil.example", "/labels//", "/analyze/"):
        answer = httpx.get(url + path, follow_redirects=False)
        assert not 300 <= answer.status_code < 400
        assert "location" not in answer.headers
