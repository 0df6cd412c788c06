"""A file of every format to the running service, raw, as multipart and in bulk: the report of `ecg measure`."""

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from ecg.cli import main
from ecg.formats import FORMATS, read_path
from ecg.formats.stated import Stated
from ecg.local import measured
from tests.ecg.formats.every_format import Sample
from tests.serve_app.test_every_format import SAMPLES

PARTS = ("measurements", "quality", "signal_quality", "warnings", "device")
MEDIA_TYPES = {reader.name: ("application/octet-stream", *reader.media_types) for reader in FORMATS}


def parameters(stated: Stated) -> dict[str, str]:
    """What is stated beside a file, as the service takes it."""
    beside = {"fs": stated.fs_hz, "leads": stated.leads and ",".join(stated.leads), "units": stated.unit}
    return {"include": "measurements,quality"} | {key: str(value) for key, value in beside.items() if value is not None}


def options(stated: Stated) -> list[str]:
    """The same for `ecg measure`."""
    beside = {"--fs": stated.fs_hz, "--leads": stated.leads and ",".join(stated.leads), "--units": stated.unit}
    return [word for key, value in beside.items() if value is not None for word in (key, str(value))]


def expected_of(sample: Sample, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The report of the library on the files, whose numbers are those that `ecg measure` prints on them."""
    for name, data in sample.files.items():
        (folder / name).write_bytes(data)
    path = folder / sample.main
    assert main(["measure", "--jsonl", *options(sample.stated), str(path)]) == 0
    line = orjson.loads(capsys.readouterr().out)
    report = orjson.loads(orjson.dumps(measured(read_path(path, sample.stated)).to_dict()))
    assert line["signal_quality"] == report["signal_quality"]
    for key in ("heart_rate", "pr_interval", "qrs_duration", "qt_interval", "qrs_axis"):
        assert line[key] == report["measurements"][key]["value"], key
    return dict(report)


def assert_same(report: dict[str, Any], expected: dict[str, Any]) -> None:
    assert report["provenance"]["input_sha256"] == expected["provenance"]["input_sha256"]
    for part in PARTS:
        assert report.get(part) == expected.get(part), part


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_of_every_format_gives_the_report_of_the_command(
    name: str, service: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = SAMPLES[name]
    expected = expected_of(sample, tmp_path, capsys)
    asked = parameters(sample.stated)
    files = [("file", (file, data)) for file, data in sample.files.items()]
    response = service.post("/analyze", files=files, params=asked)
    assert response.status_code == 200, response.text
    assert_same(response.json(), expected)
    if len(sample.files) > 1:  # files of several go into one body as a zip file
        return
    for kind in MEDIA_TYPES.get(name, ("application/octet-stream", "application/zip")):
        headers = {"Content-Type": kind}
        response = service.post("/analyze", content=sample.files[sample.main], params=asked, headers=headers)
        assert response.status_code == 200, (kind, response.text)
        assert_same(response.json(), expected)


@pytest.mark.parametrize("stated", list(dict.fromkeys(sample.stated for sample in SAMPLES.values())), ids=str)
def test_files_of_all_formats_in_one_bulk_request(
    stated: Stated, service: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = {name: sample for name, sample in SAMPLES.items() if sample.stated == stated}
    files, expected = [], []
    for name, sample in chosen.items():
        (tmp_path / name).mkdir()
        expected.append(expected_of(sample, tmp_path / name, capsys))
        for file, data in sample.files.items():  # a header names its signal file
            files.append(("file", (file if len(sample.files) > 1 else f"{name}-{file}", data)))
    response = service.post("/analyze/bulk", files=files, params=parameters(stated), timeout=300)
    lines = [orjson.loads(line) for line in response.iter_lines()]
    assert [line["status"] for line in lines] == [200] * len(chosen), lines
    for line, report in zip(lines, expected, strict=True):
        assert_same(line["report"], report)
