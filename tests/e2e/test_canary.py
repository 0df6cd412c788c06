"""Canaries in every place of a request: none is found in what the service wrote, but in the store of the inbox."""

import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from ecg.record import EcgRecord
from serve_app.launcher import log_file
from tests.builders.messages import message, payload
from tests.e2e.conftest import Deployed, launcher_of
from tests.e2e.payloads import as_json
from tests.ecg.formats.every_format import Sample
from tests.ecg.formats.test_canary import ALL, CANARY, with_canary

#: Part of every canary; the numbers tell the places apart.
MARK = "Zq7Canary"
#: Logs are written at once, but for what a process holds back.
SETTLE_S = 3.0


def headers() -> Iterator[dict[str, str]]:
    for number, name in enumerate(
        (
            "X-Request-ID", "User-Agent", "Referer", "Cookie", "Authorization", "Accept-Language", "From", "Via",
            "X-Forwarded-For", "Forwarded", "Traceparent", "Baggage", "X-Patient", "If-None-Match",
        )
    ):  # fmt: skip
        yield {name: f"{MARK}h{number}"}
    yield {"Accept": f"application/{MARK}"}
    yield {"Content-Type": f"application/json; x={MARK}"}
    yield {"Content-Type": f"application/{MARK}"}
    yield {"Content-Encoding": MARK}


def parameters() -> Iterator[tuple[str, dict[str, str]]]:
    for path in ("/analyze", "/assess_quality", "/extract_features", "/analyze/bulk", "/data/v1"):
        yield path, {"filename": f"{MARK}.csv"}
        yield path, {MARK: "1"}
    for name in ("fs", "units", "leads", "include", "format", "index"):
        yield "/analyze", {name: MARK}


def fields(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A JSON body with the canary in one field after the other, and in fields that do not exist."""
    for name in body:
        yield body | {name: MARK}
        yield body | {name: [MARK]}
    for name in ("filename", "patient", "patient_name", MARK):
        yield body | {name: MARK}
        yield body | {name: {MARK: [MARK]}}
    yield body | {"lead_names": [MARK, *body["lead_names"][1:]]}


def form(files: dict[str, bytes]) -> dict[str, Any]:
    return {"files": [(MARK, (name, data)) for name, data in files.items()]}


def as_form(sample: Sample) -> dict[str, Any]:
    return form(sample.files)


def requests(record: EcgRecord) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and rest of every request."""
    request = as_json(record)
    body: dict[str, Any] = orjson.loads(request["content"])
    json_type = request["headers"]
    for extra in headers():
        yield "POST", "/assess_quality", {"content": request["content"], "headers": json_type | extra}
    for path, query in parameters():
        yield "POST", path, {**request, "params": query}
    for changed in fields(body):
        yield "POST", "/assess_quality", {"content": orjson.dumps(changed), "headers": json_type}
        line = orjson.dumps(changed) + b"\n"
        yield "POST", "/analyze/bulk", {"content": line, "headers": {"Content-Type": "application/x-ndjson"}}
    for path in (f"/{MARK}", f"/data/v1/records/{MARK}", f"/samples/{MARK}", f"/static/{MARK}"):
        yield "GET", path, {}
        yield "DELETE", path, {}
    yield "POST", "/assess_quality", form({f"{MARK}.hea": MARK.encode(), f"{MARK}.dat": MARK.encode()})
    yield "POST", "/assess_quality", {"content": MARK.encode(), "headers": json_type}
    yield (
        "POST",
        "/assess_quality",
        {"content": b"\x1f\x8b" + MARK.encode(), "headers": json_type | {"Content-Encoding": "gzip"}},
    )
    for changed in messages():
        yield "POST", "/data/v1", {"content": changed, "headers": json_type}


def messages() -> Iterator[bytes]:
    """CardioAI messages with the canary in every text of message and payload."""
    whole = message(payload(f"{MARK}s", record_id=f"{MARK}r", device_id=f"{MARK}d", customer_id=f"{MARK}c"))
    yield whole
    outer = orjson.loads(whole)
    for name in outer:
        yield orjson.dumps(outer | {name: f"{MARK}{name}"})
    yield orjson.dumps(outer | {MARK: MARK})
    yield MARK.encode()


def written(deployed: Deployed, launcher_log: Path) -> list[Path]:
    """Every file that the running service has written, or can be thought to, but for the store."""
    launcher = launcher_of(deployed)
    (keeper,) = [child for child in launcher.children() if "serve_app.keeper" in child.cmdline()]
    command = keeper.cmdline()
    driver = keeper.children()[0].pid
    folders = [Path(command[4]), log_file.folder(), *Path("/tmp/ray").glob(f"session_*_{driver}")]
    assert len(folders) >= 3
    found = [launcher_log]
    for folder in folders:
        found += [path for path in folder.rglob("*") if path.is_file()]
    return found


@pytest.fixture(scope="module")
def sent(service: httpx.Client, sinus: EcgRecord) -> int:
    """How many requests with a canary were answered."""
    count = 0
    device_files = (("POST", "/assess_quality", as_form(with_canary(name))) for name in ALL)
    for method, path, rest in itertools.chain(requests(sinus), device_files):
        answer = service.request(method, path, **rest)
        assert answer.status_code < 500, (path, rest, answer.text)
        count += 1
    time.sleep(SETTLE_S)
    return count


def test_no_canary_is_in_any_file_but_the_store(
    service: httpx.Client, sent: int, deployed: Deployed, launcher_log: Path
) -> None:
    assert sent >= 80
    files = written(deployed, launcher_log)
    assert len(files) > 20
    marks = re.compile(MARK.encode() + b"|" + CANARY.encode(), re.IGNORECASE)
    leaks = {str(path): match for path in files if (match := marks.search(path.read_bytes()))}
    assert leaks == {}
    assert list(Path("/tmp").glob(f"*{MARK}*")) == []


def test_no_canary_is_in_the_metrics(service: httpx.Client, sent: int, launcher_log: Path) -> None:
    urls = re.findall(r"^metrics.*: (\S+)", launcher_log.read_text(), re.MULTILINE)
    pages = [httpx.get(url, timeout=60).text for url in urls] + [service.get("/data/v1/metrics").text]
    assert "ecg_requests_total" in "".join(pages)
    assert not [page for page in pages if MARK.lower() in page.lower()]


def test_what_was_kept_is_in_the_store_alone(service: httpx.Client, sent: int) -> None:
    assert service.get(f"/data/v1/records/{MARK}r").status_code == 200
