"""`POST /analyze/bulk` of the running service, and the limit on what passes between its processes."""

from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate
from tests.e2e.payloads import as_json, as_npy
from tests.e2e.test_answers import stable, validate

NDJSON = {"Content-Type": "application/x-ndjson"}


def post(service: httpx.Client, lines: list[bytes], **params: str) -> list[dict[str, Any]]:
    with service.stream(
        "POST", "/analyze/bulk", content=b"\n".join(lines), headers=NDJSON, params=params, timeout=300
    ) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("application/x-ndjson")
        answers = [orjson.loads(line) for line in response.iter_lines()]
    for answer in answers:
        validate(answer, "BulkLine")
    return answers


def test_answers_come_in_order_and_one_bad_recording_harms_no_other(service: httpx.Client, sinus: EcgRecord) -> None:
    good = as_json(sinus)["content"]
    fast = as_json(simulate(Scenario(heart_rate_bpm=120, duration_s=6, fs_hz=250)).record)["content"]
    ten_leads = orjson.loads(good)
    ten_leads |= {"signal": ten_leads["signal"][:1], "lead_names": ten_leads["lead_names"][:1]}
    answers = post(service, [good, b"{broken", orjson.dumps(ten_leads), b"", fast, good])
    assert [answer["index"] for answer in answers] == [0, 1, 2, 3, 4]
    assert [answer["status"] for answer in answers] == [200, 400, 422, 200, 200]
    assert answers[1]["problem"]["code"] == "malformed_input"
    assert answers[2]["problem"]["code"] == "missing_leads"
    rates = [answers[i]["report"]["clinical_analysis"]["heart_rate"] for i in (0, 3, 4)]
    assert rates == [pytest.approx(72, abs=1), pytest.approx(120, abs=1), pytest.approx(72, abs=1)]


def test_a_line_answers_as_a_request_of_its_own(service: httpx.Client, sinus: EcgRecord) -> None:
    body = as_json(sinus)
    alone = stable(service.post("/analyze", **body, params={"include": "measurements,quality"}).json())
    (line,) = post(service, [body["content"]], include="measurements,quality")
    assert stable(line["report"]) == alone


def test_every_file_of_a_multipart_body_is_a_recording(service: httpx.Client, sinus: EcgRecord) -> None:
    gains = "".join(f"a.dat 16 1000/mV 16 0 0 0 0 {lead}\n" for lead in sinus.leads)
    header = f"a 12 500 {sinus.n_samples}\n{gains}".encode()
    counts = (sinus.signal.T * 1000).astype("<i2").tobytes()
    npy = as_npy(sinus)
    parts = {
        "b.npy": npy["content"],
        "a.dat": counts,
        "notes.npy": b"no array",
        "a.hea": header,
        "c.npy": npy["content"],
    }
    response = service.post(
        "/analyze/bulk",
        files=[("recordings", (name, content)) for name, content in parts.items()],
        params={**npy["params"], "fs": "500", "include": "measurements"},
    )
    answers = [orjson.loads(line) for line in response.iter_lines()]
    assert [(answer["name"], answer["status"]) for answer in answers] == [
        ("b.npy", 200),
        ("a", 200),
        ("notes.npy", 400),
        ("c.npy", 200),
    ]
    rates = {answer["report"]["measurements"]["heart_rate"]["value"] for answer in answers if answer["status"] == 200}
    assert len(rates) == 1


@pytest.mark.parametrize(
    ("content", "headers", "params", "status", "field"),
    [
        (b"\n\n", NDJSON, {}, 400, "body"),
        (b"{}", {"Content-Type": "application/json"}, {}, 415, "Content-Type"),
        (b"{}\n" * 1001, NDJSON, {}, 413, "body"),
        (b"{}", NDJSON, {"include": "everything"}, 400, "include"),
        (b"{}", NDJSON, {"unit": "mV"}, 400, "unit"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_as_a_whole(
    service: httpx.Client, content: bytes, headers: dict[str, str], params: dict[str, str], status: int, field: str
) -> None:
    response = service.post("/analyze/bulk", content=content, headers=headers, params=params)
    assert response.status_code == status
    assert response.json()["field"] == field


def test_forty_recordings_in_one_request(service: httpx.Client, sinus: EcgRecord) -> None:
    """More than the queues of the deployments are asked to hold at once, and more than gRPC's default message."""
    answers = post(service, [as_json(sinus)["content"]] * 40)
    assert [answer["index"] for answer in answers] == list(range(40))
    assert {answer["status"] for answer in answers} == {200}
    assert len({orjson.dumps(stable(answer["report"])["measurements"]) for answer in answers}) == 1


def test_ten_minutes_in_one_recording_pass_through_the_graph(service: httpx.Client) -> None:
    """14 MB as float32, three and a half of gRPC's default messages, from process to process."""
    record = simulate(Scenario(duration_s=600, fs_hz=500)).record
    assert record.signal.nbytes > 3 * 4 * 1024 * 1024
    response = service.post("/analyze", **as_npy(record), timeout=300)
    assert response.status_code == 200, response.text[:500]
    answer = response.json()
    assert answer["clinical_analysis"]["heart_rate"] == pytest.approx(72, abs=1)
    assert np.isfinite([value for value in answer["features"] if value is not None]).all()
