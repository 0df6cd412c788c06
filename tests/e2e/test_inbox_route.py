"""CardioAI messages through the running service: receipt, analysis by the graph, result."""

import socket
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import orjson
import pytest

from ecg.formats.cardioai_message import Calibration
from ecg.record import EcgRecord
from tests.builders.messages import message, payload
from tests.e2e.payloads import as_npy

GAIN = 1000


def counts_of(record: EcgRecord) -> np.ndarray:
    return np.rint(record.signal * GAIN).astype(np.int64)


def body_of(record: EcgRecord, record_id: str) -> bytes:
    counts = counts_of(record)
    n = len(record.leads)
    known = Calibration(record.fs_hz, (float(GAIN),) * n, (0,) * n, ("mV",) * n)
    data = [",".join(map(str, (i, *column))) for i, column in enumerate(counts.T.tolist())]
    headers = ",".join(["INDEX", *(lead.upper() for lead in record.leads)])
    return message(payload(str(uuid.uuid4()), calibration=known, data=data, headers=headers, record_id=record_id))


def result_of(service: httpx.Client, record_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (recording,) = service.get(f"/data/v1/records/{record_id}").json()["recordings"]
        if recording["state"] in ("done", "failed"):
            return dict(recording)
        time.sleep(0.1)
    pytest.fail(f"no result: {recording}")


def test_a_message_is_analysed_by_the_same_graph(service: httpx.Client, sinus: EcgRecord) -> None:
    record_id = str(uuid.uuid4())
    receipt = service.post("/data/v1/", content=body_of(sinus, record_id), headers={"Content-Type": "application/json"})
    assert receipt.status_code == 200
    found = result_of(service, record_id)
    assert found["state"] == "done", found
    exact = EcgRecord((counts_of(sinus) / GAIN).astype(np.float32), sinus.leads, sinus.fs_hz, "mV")
    posted = service.post("/analyze", **as_npy(exact)).json()
    assert found["result"]["measurements"] == posted["measurements"]
    assert found["result"]["clinical_analysis"] == posted["clinical_analysis"]
    assert len(found["result"]["features"]) == len(posted["features"])


def test_two_leads_are_measured_and_the_warning_says_why_no_more(service: httpx.Client, sinus: EcgRecord) -> None:
    two = EcgRecord(sinus.signal[:2], sinus.leads[:2], sinus.fs_hz, "mV")
    record_id = str(uuid.uuid4())
    service.post("/data/v1", content=body_of(two, record_id), headers={"Content-Type": "application/json"})
    result = result_of(service, record_id)["result"]
    assert result["labels"] is None
    assert result["measurements"]["heart_rate"]["value"] == pytest.approx(72, abs=1)
    assert any("Missing leads" in warning for warning in result["warnings"])


@pytest.mark.parametrize("path", ["/data/v1", "/data/v1/"])
def test_a_client_that_offers_h2c_is_served(service: httpx.Client, sinus: EcgRecord, path: str) -> None:
    """What the original sender does: an upgrade offer, and the body in a segment of its own."""
    address = urlsplit(str(service.base_url))
    body = body_of(sinus, str(uuid.uuid4()))
    head = (
        f"POST {path} HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: {len(body)}\r\n"
        f"Host: {address.netloc}\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n"
        "User-Agent: Java-http-client/17.0.15\r\nContent-Type: application/json\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(head.encode())
        connection.sendall(body)
        answer = b""
        while b"\r\n\r\n" not in answer or b"messageId" not in answer:
            chunk = connection.recv(65536)
            assert chunk, answer
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["status"] == "accepted"


def test_bad_messages_are_problems(service: httpx.Client) -> None:
    for body, code in ((b"", "malformed_input"), (b"[]", "malformed_input"), (b'{"a":', "malformed_input")):
        answer = service.post("/data/v1/", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    unknown = service.get("/data/v1/records/nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_recording")
    counts = service.get("/data/v1/stats").json()
    assert counts["recordings"].keys() >= {"done", "waiting_fs"}
    assert counts.keys() >= {"messages", "quarantined", "oldest_waiting_s"}
