"""What the running service answers."""

import gzip
import io
import json
import math
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
import wfdb
import zstandard

from ecg.labels import LABEL_NAMES
from ecg.record import EcgRecord
from serve_app.openapi import document, sample_body
from tests.e2e.payloads import as_json, as_npy

#: What differs between two analyses of one recording, by nature.
VOLATILE = ("processing_time",)


def stable(answer: dict[str, Any]) -> dict[str, Any]:
    answer = {key: value for key, value in answer.items() if key not in VOLATILE}
    provenance = dict(answer["provenance"])
    provenance.pop("input")
    return answer | {"provenance": provenance}


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in numbers(inner)]
    if isinstance(value, list):
        return [number for inner in value for number in numbers(inner)]
    return [value] if isinstance(value, float) else []


def validate(answer: Any, schema: str) -> None:
    root = document()
    jsonschema.validate(answer, {"$ref": f"#/components/schemas/{schema}", "components": root["components"]})


def test_health_tells_the_models_apart(service: httpx.Client) -> None:
    health = service.get("/health").json()
    assert health["status"] == "ready"
    assert {name: model["trained"] for name, model in health["models"].items()} == {
        "clinical": False,
        "features": False,
    }
    assert service.get("/health/ready").status_code == 200


def test_the_whole_answer(service: httpx.Client, sinus: EcgRecord) -> None:
    response = service.post("/analyze", **as_json(sinus))
    assert response.status_code == 200
    answer = response.json()
    validate(answer, "Report")
    assert all(map(math.isfinite, numbers(answer)))
    assert answer["clinical_analysis"]["heart_rate"] == pytest.approx(72, abs=1)  # the simulator's default rate
    assert len(answer["features"]) >= 1024
    assert response.headers["X-Request-ID"]


def test_an_untrained_model_never_speaks(service: httpx.Client, sinus: EcgRecord) -> None:
    answer = service.post("/analyze", **as_json(sinus)).json()
    assert [label["name"] for label in answer["labels"]] == list(LABEL_NAMES)
    assert {label["probability"] for label in answer["labels"]} == {None}
    assert answer["clinical_analysis"]["source"] == "rules"
    assert answer["clinical_analysis"]["confidence"] is None
    assert answer["consistency"] == []
    assert sum("untrained" in warning for warning in answer["warnings"]) == 2


def test_json_npy_int16_wfdb_and_csv_give_one_answer(service: httpx.Client, sinus: EcgRecord, tmp_path: Path) -> None:
    counts = np.rint(sinus.signal * 1000).astype(np.int16)
    exact = EcgRecord((counts.astype(np.float32) * np.float32(0.001)), sinus.leads, sinus.fs_hz, "mV")
    wfdb.wrsamp(
        "x",
        fs=500,
        units=["mV"] * 12,
        sig_name=list(exact.leads),
        d_signal=counts.T,
        fmt=["16"] * 12,
        adc_gain=[1000.0] * 12,
        baseline=[0] * 12,
        write_dir=str(tmp_path),
    )
    wfdb_files = {path.name: (path.name, path.read_bytes()) for path in tmp_path.iterdir()}
    table = "# fs: 500\n# units: mV\n" + ",".join(exact.leads) + "\n"
    table += "\n".join(",".join(repr(float(x)) for x in row) for row in exact.signal.T)
    parameters = {"fs": 500, "leads": ",".join(exact.leads), "units": "mV"}
    answers = [
        service.post("/analyze", **as_json(exact)),
        service.post("/analyze", **as_npy(exact)),
        service.post(
            "/analyze",
            content=counts.tobytes(),
            params=parameters | {"scale": 0.001},
            headers={"Content-Type": "application/x-ecg-int16"},
        ),
        service.post("/analyze", content=table.encode(), headers={"Content-Type": "text/csv"}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    first, *others = [stable(answer.json()) for answer in answers]
    for other in others:
        assert other == first
    from_wfdb = service.post("/analyze", files=wfdb_files)
    assert from_wfdb.status_code == 200
    # wfdb computes physical values in float64 and rounds once, which may differ in the last bit of a float32
    assert from_wfdb.json()["clinical_analysis"] == first["clinical_analysis"]


def test_gzip_and_zstd_bodies(service: httpx.Client, sinus: EcgRecord) -> None:
    plain = as_npy(sinus)
    expected = stable(service.post("/analyze", **plain).json())
    for encoding, squeeze in (("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)):
        request = plain | {
            "content": squeeze(plain["content"]),
            "headers": plain["headers"] | {"Content-Encoding": encoding},
        }
        assert stable(service.post("/analyze", **request).json()) == expected


def test_include_asks_for_less(service: httpx.Client, sinus: EcgRecord) -> None:
    request = as_npy(sinus)
    request["params"] = request["params"] | {"include": "measurements,quality"}
    answer = service.post("/analyze", **request).json()
    validate(answer, "Report")
    assert answer["clinical_analysis"] is None
    assert answer["labels"] is None
    assert answer["features"] is None
    assert answer["provenance"]["models"] == {}
    assert answer["measurements"]["qrs_duration"]["unit"] == "ms"


def test_two_leads_can_be_measured_but_not_classified(service: httpx.Client, sinus: EcgRecord) -> None:
    two = EcgRecord(sinus.signal[:2], sinus.leads[:2], sinus.fs_hz, "mV")
    assert service.post("/analyze", **as_npy(two)).json()["code"] == "missing_leads"
    request = as_npy(two)
    request["params"] = request["params"] | {"include": "measurements"}
    answer = service.post("/analyze", **request)
    assert answer.status_code == 200
    assert answer.json()["measurements"]["heart_rate"]["value"] == pytest.approx(72, abs=1)


def test_features_and_quality_routes(service: httpx.Client, sinus: EcgRecord) -> None:
    features = service.post("/extract_features", **as_npy(sinus)).json()
    validate(features, "Features")
    schema = service.get("/features/schema").json()
    assert schema["dimension"] == len(features["features"]) == len(schema["features"])
    quality = service.post("/assess_quality", **as_npy(sinus)).json()
    validate(quality, "QualityReport")
    assert quality["signal_quality"] in ("Excellent", "Good")


def test_a_flat_line_gives_no_finding(service: httpx.Client, sinus: EcgRecord) -> None:
    flat = EcgRecord(np.zeros_like(sinus.signal), sinus.leads, sinus.fs_hz, "mV")
    answer = service.post("/analyze", **as_npy(flat)).json()
    assert answer["signal_quality"] == "Poor"
    assert answer["clinical_analysis"]["rhythm"] is None
    assert answer["clinical_analysis"]["abnormalities"] == []
    assert answer["clinical_analysis"]["heart_rate"] is None


def test_the_documented_examples_run(service: httpx.Client) -> None:
    described = service.get("/openapi.json").json()
    components = {"components": described["components"]}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            bodies = operation.get("requestBody", {}).get("content", {})
            request: dict[str, Any] = {}
            for media_type, content in bodies.items():
                if "example" in content:
                    example = content["example"]
                    request = {"content": example if isinstance(example, str) else json.dumps(example)}
                    request["headers"] = {"Content-Type": media_type}
            assert bool(request) == (method == "post"), f"{path} has no example"
            stated = {parameter["name"]: parameter.get("example") for parameter in operation.get("parameters", ())}
            response = service.request(method.upper(), path.format_map(stated), **request)
            assert response.status_code == 200, path
            media_type = response.headers["Content-Type"].partition(";")[0]
            answer = operation["responses"]["200"]["content"][media_type]
            if "x-line-schema" in answer:
                lines = response.text.splitlines()
                assert len(lines) == 2
                for line in lines:
                    jsonschema.validate(json.loads(line), answer["x-line-schema"] | components)
            else:
                found = response.json() if media_type == "application/json" else response.text
                jsonschema.validate(found, answer["schema"] | components)


def test_documentation_pages_need_no_network(service: httpx.Client) -> None:
    for path in ("/", "/docs", "/redoc"):
        page = service.get(path)
        assert page.status_code == 200
        assert "https://" not in page.text
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js", "redoc.standalone.js"):
        assert len(service.get(f"/static/{asset}").content) > 10_000


def test_sixty_four_at_once(service: httpx.Client, sinus: EcgRecord) -> None:
    rng = np.random.default_rng(1)
    records = [
        EcgRecord(sinus.signal + rng.normal(0, 0.02, (12, 1)).astype(np.float32), sinus.leads, 500, "mV")
        for _ in range(8)
    ]
    requests = [as_npy(record) for record in records]
    expected = [stable(service.post("/analyze", **request).json()) for request in requests]
    with ThreadPoolExecutor(64) as pool:
        responses = list(pool.map(lambda i: service.post("/analyze", **requests[i % 8]), range(64)))
    answered = 0
    for i, response in enumerate(responses):
        if response.status_code == 200:
            answered += 1
            assert_same(stable(response.json()), expected[i % 8])
        else:
            assert response.status_code in (429, 503)
            assert int(response.headers["Retry-After"]) >= 1
    assert answered >= 8


def assert_same(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    features, wanted = answer.pop("features"), dict(expected)
    wanted_features = wanted.pop("features")
    assert answer == wanted
    # Another batch size may sum in another order; bfloat16 has 8 bits of mantissa.
    measured = [i for i, value in enumerate(wanted_features) if value is None]
    assert [i for i, value in enumerate(features) if value is None] == measured
    a = np.array([x or 0 for x in features])
    b = np.array([x or 0 for x in wanted_features])
    assert np.abs(a - b).max() <= 0.02 * np.abs(b[:1536]).max() + 1e-6


def test_metrics_reach_rays_port(service: httpx.Client, launcher_log: Path, sinus: EcgRecord) -> None:
    service.post("/analyze", **as_npy(sinus))
    deadline = time.monotonic() + 60  # Ray's agents start after the service and report every few seconds
    while not (told := re.findall(r"metrics: (http://\S+)", launcher_log.read_text())) and time.monotonic() < deadline:
        time.sleep(0.5)
    (url,) = told
    wanted = {
        "ray_ecg_requests_total",
        "ray_ecg_request_latency_ms_bucket",
        "ray_ecg_stage_latency_ms_bucket",
        "ray_ecg_model_ready",
        "ray_ecg_batch_segments_bucket",
    }
    seen: set[str] = set()
    while not seen >= wanted and time.monotonic() < deadline:
        seen = set(re.findall(r"^(ray_ecg_\w+)", httpx.get(url).text, re.MULTILINE))
        time.sleep(1)
    assert seen >= wanted, wanted - seen


def test_sample_is_what_the_page_says(service: httpx.Client) -> None:
    assert json.loads(service.get("/sample.json").content) == sample_body()
    assert io.BytesIO(service.get("/").content).read().startswith(b"<!doctype html>")


def test_the_activity_is_of_both_replicas_of_the_ingress(service: httpx.Client, sinus: EcgRecord) -> None:
    before = service.get("/health/activity").json()
    for _ in range(6):
        service.post("/assess_quality", **as_npy(sinus)).raise_for_status()
    after = service.get("/health/activity").json()
    assert before["replicas"] == after["replicas"] == 2

    def answered(activity: dict[str, Any]) -> int:
        return sum(entry["count"] for entry in activity["requests"] if entry["route"] == "/assess_quality")

    assert answered(after) == answered(before) + 6
