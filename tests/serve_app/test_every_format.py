"""A file of every format by every way in: raw body, multipart, bulk, and a cohort job, with one and the same report."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import orjson
import pytest
from starlette.requests import Request

from deployments.cohort.inputs import list_recordings, read_recording
from ecg.formats import FORMATS, parse
from ecg.formats.stated import Stated
from ecg.local import measured
from ecg.record import EcgRecord
from ecg.simulation import SCENARIOS, simulate
from tests.ecg.formats import archive_files
from tests.ecg.formats.every_format import EIGHT, Sample, samples
from tests.golden.answers import Service

BOUNDARY = "----formats"
INCLUDE = {"include": "measurements,quality"}


def simulated() -> np.ndarray:
    """Counts int16 [8 leads, sample] of a ten-second recording, 2.5 µV each."""
    record = simulate(SCENARIOS["sinus"], seed=7).record
    rows = np.stack([record.lead(lead) for lead in EIGHT])
    return np.rint(rows / 0.0025).astype(np.int16)


SAMPLES = samples(simulated())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service(f"sqlite:///{tmp_path_factory.mktemp('formats')}/inbox.sqlite")


def ask(service: Service, path: str, body: bytes, kind: str, stated: Stated) -> dict[str, Any]:
    """The JSON answer to a body, with what must be stated beside it."""
    beside = {
        "fs": stated.fs_hz,
        "index": stated.index,
        "leads": None if stated.leads is None else ",".join(stated.leads),
        "units": stated.unit,
    }
    query = urlencode(INCLUDE | {name: value for name, value in beside.items() if value is not None})
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"content-type", kind.encode())],
    }
    sent: list[dict[str, Any]] = []

    async def exchange() -> None:
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> dict[str, Any]:
            for message in messages:
                return message
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(dict(message))

        response = await service.ingress(Request(scope, receive))
        await response(scope, receive, send)

    asyncio.run(exchange())
    return dict(orjson.loads(b"".join(message.get("body", b"") for message in sent)))


def multipart(sample: Sample) -> bytes:
    parts = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in sample.files.items()
    )
    return parts + f"--{BOUNDARY}--\r\n".encode()


def without_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("processing_time", "id", "index", "name")}


def test_there_is_a_sample_of_every_format() -> None:
    assert set(SAMPLES) == {reader.name for reader in FORMATS} | {"zip"}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_way_in_gives_the_same_report(name: str, service: Service, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    for file, data in sample.files.items():
        (tmp_path / file).write_bytes(data)
    (path,) = list_recordings([str(tmp_path)])
    record = read_recording(path, sample.stated)
    expected = without_times(orjson.loads(orjson.dumps(measured(record).to_dict(), option=orjson.OPT_SERIALIZE_NUMPY)))
    form = f"multipart/form-data; boundary={BOUNDARY}"
    answers = {"multipart": ask(service, "/analyze", multipart(sample), form, sample.stated)}
    if len(sample.files) == 1:  # files of several go into one body as a zip file, which is a format of its own here
        kind = "application/json" if sample.main.endswith(".json") else "application/octet-stream"
        answers["raw"] = ask(service, "/analyze", sample.files[sample.main], kind, sample.stated)
        line = ask(service, "/analyze/bulk", multipart(sample), form, sample.stated)
        assert line["status"] == 200, line
        answers["bulk"] = line["report"]
    for way, answer in answers.items():
        found = without_times(answer)
        assert found.keys() == expected.keys(), (way, answer)
        for part in ("measurements", "quality", "signal_quality", "warnings"):
            assert found[part] == expected[part], way
        assert found["provenance"]["input_sha256"] == record.sha256, way
        assert found.get("device") == expected.get("device"), way


def test_the_formats_agree_on_the_measurements() -> None:
    """All hold the same heart; EDF's is at 300 Hz, and amplitudes differ by the size of a count."""
    rates = {
        name: measured(read(sample)).to_dict()["measurements"] for name, sample in SAMPLES.items() if name != "edf"
    }
    for name, found in rates.items():
        for key, tolerance in (("heart_rate", 0.2), ("pr_interval", 2.0), ("qrs_duration", 2.0), ("qt_interval", 2.0)):
            assert found[key]["value"] == pytest.approx(rates["wfdb"][key]["value"], abs=tolerance), (name, key)


def read(sample: Sample) -> EcgRecord:
    return parse(sample.files, sample.stated)


def test_one_recording_of_a_file_of_many_is_asked_for_by_its_number(service: Service) -> None:
    rows = (simulated() * 0.0025).astype(np.float32)
    many = archive_files.hdf5({"tracings": np.stack([rows.T[::-1], rows.T])})
    sample = Sample({"x.hdf5": many}, Stated(500.0, EIGHT, "mV", 1))
    found = ask(service, "/analyze", many, "application/x-hdf5", sample.stated)
    assert found["provenance"]["input_sha256"] == read(sample).sha256
    refused = ask(service, "/analyze", many, "application/x-hdf5", Stated(500.0, EIGHT, "mV"))
    assert (refused["status"], refused["field"]) == (400, "index")
