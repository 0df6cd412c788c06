"""Requests with a text that stands nowhere else, in every place where a request can hold a text."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from ecg.formats.cardioai_message import Calibration
from ecg.record import EcgRecord
from tests.builders.messages import message, payload
from tests.e2e.payloads import as_json, as_npy
from tests.ecg.formats.test_canary import ALL, with_canary

#: Part of every canary of a request; the letters after it tell the places apart.
MARK = "Zq7Canary"
JSON = {"Content-Type": "application/json"}
HEADERS = """
    X-Request-ID User-Agent Referer Cookie Authorization Accept-Language From Via X-Forwarded-For Forwarded
    X-Forwarded-Host X-Real-IP Traceparent Tracestate Baggage X-B3-TraceId X-Patient If-None-Match Origin Host
    Sec-Fetch-Site X-HTTP-Method-Override serve_multiplexed_model_id x-request-timeout-seconds Expect
"""
#: The id of a recording that the inbox takes.
KEPT = f"{MARK}record"


@dataclass(frozen=True)
class Sent:
    """One request, as httpx takes it."""

    method: str
    path: str
    more: dict[str, Any] = field(default_factory=dict)


def requests(record: EcgRecord) -> Iterator[Sent]:
    """Every request, with a recording that can be analysed where it holds one."""
    yield from in_heads(record)
    yield from in_parameters(record)
    yield from in_paths()
    yield from in_fields(record)
    yield from in_bodies()
    yield from in_files()
    for body in messages():
        yield Sent("POST", "/data/v1", {"content": body, "headers": JSON})


def in_heads(record: EcgRecord) -> Iterator[Sent]:
    body = as_json(record)
    values = [{name: f"{MARK}-{name}"} for name in HEADERS.split()]
    values += [
        {"Authorization": f"Bearer {MARK}"},
        {"Authorization": f"Bearer ecg_{MARK}_{MARK}"},
        {"Authorization": f"Bearer {MARK}.{MARK}.{MARK}"},
        {"Accept": f"application/{MARK}"},
        {"Content-Type": f"application/json; x={MARK}"},
        {"Content-Type": f"application/{MARK}"},
        {"Content-Type": f"multipart/form-data; boundary={MARK}"},
        {"Content-Encoding": MARK},
        {f"X-{MARK}": "1"},
    ]
    for extra in values:
        yield Sent("POST", "/assess_quality", {"content": body["content"], "headers": JSON | extra})


def in_parameters(record: EcgRecord) -> Iterator[Sent]:
    body = as_json(record)
    for path in ("/analyze", "/assess_quality", "/extract_features", "/analyze/bulk", "/data/v1"):
        for query in ({"filename": f"{MARK}.csv"}, {MARK: "1"}, {"fs": MARK}):
            yield Sent("POST", path, {**body, "params": query})
    for name in ("units", "leads", "include", "format", "index", "scale"):
        yield Sent("POST", "/analyze", {**body, "params": {name: MARK}})
    npy = as_npy(record)
    for name in npy["params"]:
        yield Sent("POST", "/assess_quality", npy | {"params": npy["params"] | {name: MARK}})


def in_paths() -> Iterator[Sent]:
    for path in (f"/{MARK}", f"/data/v1/records/{MARK}", f"/samples/{MARK}", f"/static/{MARK}", f"/health/{MARK}"):
        for method in ("GET", "POST", "DELETE", MARK.upper()):
            yield Sent(method, path)


def in_fields(record: EcgRecord) -> Iterator[Sent]:
    """JSON with the canary in one field after the other, and in fields that do not exist."""
    body: dict[str, Any] = orjson.loads(as_json(record)["content"]) | {"name": "x"}
    changed: list[dict[str, Any]] = [body | {"name": MARK}]
    for name in body:
        changed += [body | {name: MARK}, body | {name: [MARK]}, body | {name: {MARK: MARK}}]
    for name in ("filename", "patient", "patient_name", MARK):
        changed += [body | {name: MARK}, body | {name: {MARK: [MARK]}}]
    changed.append(body | {"lead_names": [MARK, *body["lead_names"][1:]]})
    changed.append(body | {"signal": [[MARK, *row[1:]] for row in body["signal"]]})
    for one in changed:
        yield Sent("POST", "/assess_quality", {"content": orjson.dumps(one), "headers": JSON})
    lines = b"\n".join(orjson.dumps(one) for one in changed)
    yield Sent("POST", "/analyze/bulk", {"content": lines, "headers": {"Content-Type": "application/x-ndjson"}})


def in_bodies() -> Iterator[Sent]:
    """Bodies that are nothing but the canary, whole and cut, and forms with it in names and texts."""
    junk = MARK.encode()
    npy = b"\x93NUMPY\x01\x00" + (f"{{'descr': '{MARK}'}}").encode().ljust(118)
    for kind in ("application/json", "application/x-npy", "application/x-ecg-int16", "application/octet-stream"):
        for content in (junk, npy, b'{"signal": [["' + junk, b"PK\x03\x04" + junk, b"\x89HDF\r\n\x1a\n" + junk):
            yield Sent("POST", "/assess_quality", {"content": content, "headers": {"Content-Type": kind}})
    for coding in ("gzip", "zstd"):
        for content in (junk, b"\x1f\x8b\x08" + junk, b"\x28\xb5\x2f\xfd" + junk):
            yield Sent("POST", "/assess_quality", {"content": content, "headers": JSON | {"Content-Encoding": coding}})
    for path in ("/analyze", "/analyze/bulk"):
        yield Sent("POST", path, {"files": [(MARK, (f"{MARK}.hea", junk)), (MARK, (f"{MARK}.dat", junk))]})
        yield Sent("POST", path, {"files": [("file", ("x.csv", junk))], "data": {"fs": MARK}})
        yield Sent("POST", path, {"files": [("file", ("x.csv", junk))], "data": {MARK: MARK}})


def in_files() -> Iterator[Sent]:
    """A file of every format with the canary of its own in every text field; as a form, as it is, and cut in two."""
    for name in ALL:
        sample = with_canary(name)
        texts = {} if sample.stated.leads is None else {"fs": "500", "leads": ",".join(sample.stated.leads)}
        texts |= {"units": "mV"} if texts else {}
        files = [("file", (f"{MARK}-{file}", data)) for file, data in sample.files.items()]
        yield Sent("POST", "/analyze", {"files": files, "data": texts})
        whole = sample.files[sample.main]
        named = {
            "headers": {"Content-Type": "application/octet-stream"},
            "params": {"filename": f"{MARK}{sample.main}"},
        }
        for content in (whole, whole[: len(whole) // 2], whole[:300]):
            yield Sent("POST", "/assess_quality", {"content": content, **named})


def messages() -> Iterator[bytes]:
    """CardioAI messages with the canary in every text of message and payload; one of them makes a whole recording."""
    named = {"sequence_id": f"{MARK}s", "record_id": KEPT, "device_id": f"{MARK}d", "customer_id": f"{MARK}c"}
    known = Calibration(500.0, (1000.0, 1000.0), (0, 0), ("mV", "mV"))
    yield message(payload(**named, calibration=known))
    yield from _changed(message(payload(**named, calibration=known)))
    rows = [f"{MARK},1,2"]
    yield message(payload(**named | {"sequence_id": f"{MARK}t"}, data=rows))
    yield message(payload(**named | {"sequence_id": f"{MARK}u"}, headers=f"INDEX,{MARK},II"))
    yield MARK.encode()
    yield orjson.dumps(MARK)
    yield orjson.dumps({MARK: MARK, "payload": {MARK: MARK}})


def _changed(whole: bytes) -> Iterator[bytes]:
    outer = orjson.loads(whole)
    for name in outer:
        yield orjson.dumps(outer | {name: f"{MARK}{name}"})
    yield orjson.dumps(outer | {MARK: MARK})
    inner = outer["payload"]
    for name in inner:
        yield orjson.dumps(outer | {"messageId": f"{MARK}of{name}", "payload": inner | {name: f"{MARK}{name}"}})
    yield orjson.dumps(outer | {"payload": inner | {MARK: MARK}})


def raw() -> Iterator[bytes]:
    """What no HTTP library sends: heads that are none, and requests that break off."""
    line = f"POST /analyze?{MARK} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    typed = f"{line}Content-Type: application/json\r\n"
    for text in (
        f"{MARK}\r\n\r\n",
        f"GET /{MARK} HTTP/9.{MARK}\r\n\r\n",
        f"GET /{MARK}\r\n\r\n",
        f"{line}{MARK}\r\n\r\n",
        f"{line}X: a\r\n {MARK}\r\n\r\n",
        f"{line}X-{MARK}: {chr(0)}\r\n\r\n",
        f"{line}Content-Length: {MARK}\r\n\r\n",
        f"{line}Content-Length: 5\r\nContent-Length: 50\r\n\r\n{MARK}",
        f"{line}Transfer-Encoding: {MARK}\r\n\r\n{MARK}",
        f"{typed}Content-Length: 1000\r\n\r\n{MARK}",
        f'{typed}Transfer-Encoding: chunked\r\n\r\n9;x={MARK}\r\n"{MARK[:7]}"\r\n0\r\nX-{MARK}: {MARK}\r\n\r\n',
        f"{typed}Transfer-Encoding: chunked\r\n\r\n{MARK}\r\n",
        f"GET /{MARK} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {MARK}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n",
        f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{MARK}",
    ):
        yield text.encode()
