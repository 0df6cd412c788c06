"""Bad input: each body a 4xx problem with its code, and the service unharmed."""

import gzip
import io
import pickle
import socket
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
import zstandard

from ecg.errors import MalformedInput
from ecg.leads import STANDARD_LEADS
from serve_app.edge.bodies import inflate
from tests.e2e.payloads import as_npy

JSON = {"Content-Type": "application/json"}
NPY = {"Content-Type": "application/x-npy"}
INT16 = {"Content-Type": "application/x-ecg-int16"}
LEADS = list(STANDARD_LEADS)
ROWS = [[0.001 * ((i * 7 + lead) % 50) for i in range(3000)] for lead in range(12)]
QUERY = {"fs": "500", "leads": ",".join(LEADS), "units": "mV"}
HEADER = "x 12 500 3000\n" + "".join(f"x.dat 16 1000/mV 16 0 0 0 0 {lead}\n" for lead in LEADS)
SIGNAL_FILE = np.zeros((3000, 12), "<i2").tobytes()


def json_body(**changes: Any) -> bytes:
    body = {"signal": ROWS, "fs": 500, "lead_names": LEADS, "units": "mV"} | changes
    return orjson.dumps({key: value for key, value in body.items() if value is not ...})


def npy_body(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def with_row(change: Callable[[list[Any]], list[Any]]) -> list[list[Any]]:
    return [change(list(ROWS[0])), *ROWS[1:]]


@dataclass(frozen=True)
class Bad:
    name: str
    status: int
    code: str
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    params: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] | None = None
    path: str = "/analyze"


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("unpickled",))


def wfdb_files(header: str, **others: bytes) -> dict[str, tuple[str, bytes]]:
    return {"x.hea": ("x.hea", header.encode()), **{name: (name, data) for name, data in others.items()}}


F32 = np.zeros((12, 3000), np.float32)
NAN = F32.copy()
NAN[3, 100] = np.nan
INF = F32.copy()
INF[0, 0] = np.inf
GOOD_NPY = npy_body(F32)
NOISY_NPY = npy_body(np.random.default_rng(0).standard_normal((12, 3000)).astype(np.float32))

CASES = [
    Bad("empty", 400, "malformed_input"),
    Bad("not json", 400, "malformed_input", b"{signal: 1}"),
    Bad("truncated json", 400, "malformed_input", json_body()[:1000]),
    Bad("json list", 400, "malformed_input", b"[1, 2]"),
    Bad("json null", 400, "malformed_input", b"null"),
    Bad("deep json", 400, "malformed_input", b"[" * 100_000),
    Bad("no signal", 400, "malformed_input", json_body(signal=...)),
    Bad("no fs", 400, "malformed_input", json_body(fs=...)),
    Bad("no leads", 400, "malformed_input", json_body(lead_names=...)),
    Bad("fs text", 400, "malformed_input", json_body(fs="500")),
    Bad("fs true", 400, "malformed_input", json_body(fs=True)),
    Bad("fs zero", 422, "sampling_rate_out_of_range", json_body(fs=0)),
    Bad("fs negative", 422, "sampling_rate_out_of_range", json_body(fs=-500)),
    Bad("fs huge", 422, "sampling_rate_out_of_range", json_body(fs=1e9)),
    Bad("fs NaN in query", 422, "sampling_rate_out_of_range", GOOD_NPY, NPY, QUERY | {"fs": "nan"}),
    Bad("fs word in query", 400, "malformed_input", GOOD_NPY, NPY, QUERY | {"fs": "fast"}),
    Bad("unknown unit", 400, "malformed_input", json_body(units="furlong")),
    Bad("eleven leads", 422, "missing_leads", json_body(signal=ROWS[:11], lead_names=LEADS[:11])),
    Bad("eleven rows for twelve names", 400, "malformed_input", json_body(signal=ROWS[:11])),
    Bad("duplicate lead", 400, "duplicate_lead", json_body(lead_names=[*LEADS[:11], "V1"])),
    Bad("duplicate lead by alias", 400, "duplicate_lead", json_body(lead_names=[*LEADS[:11], "c1"])),
    Bad("unknown leads", 422, "missing_leads", json_body(lead_names=[f"X{i}" for i in range(12)])),
    Bad("lead names numbers", 400, "malformed_input", json_body(lead_names=list(range(12)))),
    Bad("transposed", 400, "malformed_input", json_body(signal=np.zeros((3000, 12)).tolist())),
    Bad("ragged", 400, "malformed_input", json_body(signal=with_row(lambda row: row[:-1]))),
    Bad("strings", 400, "malformed_input", json_body(signal=with_row(lambda row: ["1.5", *row[1:]]))),
    Bad("booleans", 400, "malformed_input", json_body(signal=with_row(lambda row: [True, *row[1:]]))),
    Bad("nested sample", 400, "malformed_input", json_body(signal=with_row(lambda row: [[1], *row[1:]]))),
    Bad("null sample", 422, "invalid_samples", json_body(signal=with_row(lambda row: [None, *row[1:]]))),
    Bad("NaN literal", 400, "malformed_input", json_body().replace(b"0.0,", b"NaN,", 1)),
    Bad("beyond float32", 422, "invalid_samples", json_body(signal=with_row(lambda row: [1e300, *row[1:]]))),
    Bad("one-dimensional", 400, "malformed_input", json_body(signal=[1, 2, 3])),
    Bad("empty rows", 400, "malformed_input", json_body(signal=[[]] * 12)),
    Bad("four seconds", 422, "recording_too_short", json_body(signal=[row[:2000] for row in ROWS])),
    Bad("wrong duration", 400, "inconsistent_input", json_body(recording_duration=10)),
    Bad("two hours", 422, "recording_too_long", npy_body(np.zeros((12, 720_000), np.int8)), NPY, QUERY | {"fs": "100"}),
    Bad("npy truncated", 400, "malformed_input", GOOD_NPY[:-100], NPY, QUERY),
    Bad("npy header only", 400, "malformed_input", GOOD_NPY[:64], NPY, QUERY),
    Bad("npy pickled", 400, "malformed_input", npy_body(np.array([Bomb()]), allow_pickle=True), NPY, QUERY),
    Bad("plain pickle", 400, "malformed_input", pickle.dumps(Bomb()), NPY, QUERY),
    Bad("npy three-dimensional", 400, "malformed_input", npy_body(F32[None]), NPY, QUERY),
    Bad("npy complex", 400, "malformed_input", npy_body(F32.astype(complex)), NPY, QUERY),
    Bad("npy text", 400, "malformed_input", npy_body(np.array([["a"] * 3])), NPY, QUERY),
    Bad("npy NaN", 422, "invalid_samples", npy_body(NAN), NPY, QUERY),
    Bad("npy infinity", 422, "invalid_samples", npy_body(INF), NPY, QUERY),
    Bad("npy no fs", 400, "malformed_input", GOOD_NPY, NPY, {"leads": QUERY["leads"]}),
    Bad("npy announces more than it holds", 400, "malformed_input",
        GOOD_NPY.replace(b"(12, 3000)", b"(12, 3999)"), NPY, QUERY),
    Bad("int16 odd length", 400, "malformed_input", b"\0" * 1001, INT16, QUERY | {"scale": "0.001"}),
    Bad("int16 no scale", 400, "malformed_input", b"\0" * 72_000, INT16, QUERY),
    Bad("int16 zero scale", 400, "malformed_input", b"\0" * 72_000, INT16, QUERY | {"scale": "0"}),
    Bad("200 MB", 413, "input_too_large", b"\0" * 200_000_000, NPY, QUERY),
    Bad("gzip bomb", 413, "input_too_large", gzip.compress(b"\0" * 300_000_000, 9),
        NPY | {"Content-Encoding": "gzip"}, QUERY),
    Bad("broken gzip", 400, "malformed_input", b"nonsense", NPY | {"Content-Encoding": "gzip"}, QUERY),
    Bad("cut gzip", 400, "malformed_input", gzip.compress(GOOD_NPY)[:-20], NPY | {"Content-Encoding": "gzip"}, QUERY),
    Bad("unknown encoding", 415, "unknown_format", zlib.compress(GOOD_NPY), NPY | {"Content-Encoding": "br"}, QUERY),
    Bad("unknown content type", 415, "unknown_format", b"<xml/>", {"Content-Type": "application/xml"}),
    Bad("no content type", 415, "unknown_format", GOOD_NPY, {}, QUERY),
    Bad("raw bytes of nothing known", 415, "unknown_format", b"\1\2\3\4" * 500,
        {"Content-Type": "application/octet-stream"}),
    Bad("unknown parameter", 400, "malformed_input", GOOD_NPY, NPY, QUERY | {"unit": "mV"}),
    Bad("unknown include", 400, "malformed_input", GOOD_NPY, NPY, QUERY | {"include": "everything"}),
    Bad("csv without heading", 400, "malformed_input", b"1,2,3\n4,5,6\n", {"Content-Type": "text/csv"}, {"fs": "500"}),
    Bad("csv with words", 400, "malformed_input", (",".join(LEADS) + "\n" + ",".join("x" * 12)).encode(),
        {"Content-Type": "text/csv"}, {"fs": "500"}),
    Bad("multipart nonsense", 400, "malformed_input", b"nonsense", {"Content-Type": "multipart/form-data; boundary=x"}),
    Bad("wfdb header alone", 400, "malformed_input", headers={}, files=wfdb_files(HEADER)),
    Bad("wfdb leaves its folder", 400, "malformed_input", headers={},
        files=wfdb_files(HEADER.replace("x.dat", "../../etc/passwd"), **{"x.dat": SIGNAL_FILE})),
    Bad("wfdb absolute path", 400, "malformed_input", headers={},
        files=wfdb_files(HEADER.replace("x.dat", "/etc/passwd"), **{"x.dat": SIGNAL_FILE})),
    Bad("wfdb short signal file", 400, "malformed_input", headers={},
        files=wfdb_files(HEADER, **{"x.dat": SIGNAL_FILE[:1000]})),
    Bad("wfdb announces terabytes", 413, "input_too_large", headers={},
        files=wfdb_files(HEADER.replace("3000", "999999999999"), **{"x.dat": SIGNAL_FILE})),
    Bad("wfdb without a rate", 400, "malformed_input", headers={},
        files=wfdb_files(HEADER.replace("x 12 500 3000", "x 12"), **{"x.dat": SIGNAL_FILE})),
    Bad("wfdb binary header", 400, "malformed_input", headers={}, files={"x.hea": ("x.hea", bytes(range(256)))}),
    Bad("path as a file name", 400, "malformed_input", headers={}, files={"f": ("../../x.npy", GOOD_NPY)}),
    Bad("no such route", 404, "not_found", path="/nowhere"),
    Bad("wrong method", 405, "method_not_allowed", path="/health"),
]  # fmt: skip


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_bad_input_is_refused_with_its_reason(service: httpx.Client, bad: Bad) -> None:
    request: dict[str, Any] = {"files": bad.files} if bad.files else {"content": bad.content}
    response = service.post(bad.path, headers=bad.headers, params=bad.params, **request)
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (response.status_code, problem["code"]) == (bad.status, bad.code), problem
    assert problem["status"] == bad.status
    assert problem["detail"]
    for secret in ("/tmp", "/usr", "Traceback", ".py", "127.0.0.1"):
        assert secret not in response.text


def test_there_are_forty_of_them() -> None:
    assert len(CASES) >= 40
    assert len({bad.name for bad in CASES}) == len(CASES)


def test_the_service_is_unharmed(service: httpx.Client, sinus: Any) -> None:
    assert service.get("/health").json()["status"] == "ready"
    assert service.post("/analyze", **as_npy(sinus)).status_code == 200


ZSTD = zstandard.ZstdCompressor().compress


@pytest.mark.parametrize(
    ("encoding", "whole", "cut"),
    [
        ("gzip", gzip.compress(GOOD_NPY[:5000]) + gzip.compress(GOOD_NPY[5000:]), gzip.compress(GOOD_NPY)[:-9]),
        ("zstd", ZSTD(GOOD_NPY[:5000]) + ZSTD(GOOD_NPY[5000:]), ZSTD(NOISY_NPY)[:-2000]),
    ],
)
def test_every_member_of_a_compressed_body_is_read(encoding: str, whole: bytes, cut: bytes) -> None:
    assert inflate(whole, encoding, 1 << 24) == GOOD_NPY
    for damaged in (cut, whole + b"garbage", whole[:-3]):
        with pytest.raises(MalformedInput):
            inflate(damaged, encoding, 1 << 24)


def test_contradictions_between_query_and_form_are_refused(service: httpx.Client) -> None:
    files = [("file", ("x.npy", GOOD_NPY))]
    leads = QUERY["leads"]
    doubled = service.post(f"/analyze?fs=500&fs=250&leads={leads}", content=GOOD_NPY, headers=NPY)
    both = service.post(f"/analyze?fs=500&leads={leads}", files=files, data={"fs": "250"})
    twice = service.post(f"/analyze?fs=500&leads={leads}", files=[*files, *files])
    scaled = service.post(f"/analyze?fs=500&leads={leads}&scale=0.001", content=GOOD_NPY, headers=NPY)
    ignored = service.post("/assess_quality?include=quality", content=json_body(), headers=JSON)
    for response in (doubled, both, twice, scaled, ignored):
        assert (response.status_code, response.json()["code"]) == (400, "malformed_input"), response.text


def test_idle_clients_do_not_take_the_service_down(service: httpx.Client, sinus: Any) -> None:
    address = service.base_url
    head = (
        "POST /analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    idle = [socket.create_connection((address.host, address.port)) for _ in range(90)]
    try:
        for connection in idle:
            connection.sendall(head.encode())
        assert service.get("/health", timeout=20).json()["status"] == "ready"
        deadline = time.monotonic() + 60
        while service.post("/analyze", **as_npy(sinus)).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.5)
    finally:
        for connection in idle:
            connection.close()


def test_refusals_say_what_is_allowed(service: httpx.Client) -> None:
    response = service.get("/analyze", headers={"X-Request-ID": "mine"})
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert response.headers.get_list("X-Request-ID") == ["mine"]
    assert response.json()["request_id"] == "mine"


def test_a_lead_name_of_twenty_megabytes_does_not_come_back(service: httpx.Client) -> None:
    response = service.post("/assess_quality", content=json_body(lead_names=["V" * 20_000_000, *LEADS[1:]]))
    assert response.status_code in (400, 415, 422)
    named = service.post("/assess_quality", content=json_body(lead_names=["V" * 20_000_000, *LEADS[1:]]), headers=JSON)
    assert 400 <= named.status_code < 500
    assert len(named.content) < 50_000


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_half_a_million_empty_parts_hold_nobody_up(service: httpx.Client, encoding: str) -> None:
    empty = ZSTD(b"") if encoding == "zstd" else gzip.compress(b"")
    response = service.post("/analyze", content=empty * 500_000, headers=NPY | {"Content-Encoding": encoding})
    assert (response.status_code, response.json()["code"]) == (413, "input_too_large")


def raw_answer(service: httpx.Client, head: bytes) -> tuple[bytes, bytes]:
    """Status with headers, and body, of what the service answers to bytes that no client library sends."""
    address = service.base_url
    with socket.create_connection((address.host, address.port), timeout=30) as connection:
        connection.sendall(head)
        response = HTTPResponse(connection)
        response.begin()
        start = b"%d %s" % (response.status, str(response.headers).encode())
        return start, response.read()


@pytest.mark.parametrize("name", ["X-Request-ID", "X-Session-ID", "X-Anything"])
@pytest.mark.parametrize("path", ["/health", "/nowhere"])
def test_a_head_that_is_not_ascii_is_answered(service: httpx.Client, name: str, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{name}: ".encode() + b"\xff\xfe\r\n\r\n"
    start, body = raw_answer(service, head)
    assert start.startswith(b"200 " if path == "/health" else b"404 "), start
    assert orjson.loads(body)["status"] == ("ready" if path == "/health" else 404)
    assert start.isascii()


def test_a_long_request_id_does_not_come_back(service: httpx.Client) -> None:
    response = service.get("/nowhere", headers={"X-Request-ID": "x" * 5000})
    assert len(response.json()["request_id"]) == len(response.headers["X-Request-ID"]) == 36


def test_a_websocket_is_refused_with_a_problem_document(service: httpx.Client) -> None:
    head = (
        b"GET /analyze HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    start, body = raw_answer(service, head)
    assert start.startswith(b"404 "), start
    assert b"application/problem+json" in start.lower()
    assert len(body) < 10_000
    assert service.get("/health").json()["status"] == "ready"
