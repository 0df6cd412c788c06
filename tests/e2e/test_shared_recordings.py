"""Every shared 12-lead recording through the running service: a complete body, or a problem that says why."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import scipy.io

from ecg import formats, read
from ecg.formats.stated import Stated
from ecg.leads import STANDARD_LEADS
from ecg.record import EcgRecord
from tests.e2e.conftest import ROOT
from tests.e2e.payloads import as_json, as_npy
from tests.e2e.test_answers import stable, validate

pytestmark = pytest.mark.shared


def wfdb_upload(header: Path) -> dict[str, Any]:
    names = {header.name, *re.findall(r"^(\S+\.(?:dat|mat|xyz)) ", header.read_text("latin-1"), re.MULTILINE)}
    return {"files": [("file", (name, (header.parent / name).read_bytes())) for name in sorted(names)]}


def posts(data: Path) -> list[tuple[str, dict[str, Any]]]:
    wfdb = [*data.glob("ludb/*.hea"), *data.glob("cinc2021_sample/*.hea"), data / "ptbdb" / "s0010_re.hea"]
    found = [(str(path), wfdb_upload(path)) for path in sorted(wfdb)]
    for path in sorted(data.glob("code15/*.mat")):
        signal = scipy.io.loadmat(path)["feats"]
        found.append((str(path), as_npy(EcgRecord(signal, STANDARD_LEADS, 400, None))))
    for path in sorted(data.glob("cpsc2018_raw_mat/*.mat")):
        signal = scipy.io.loadmat(path)["ECG"][0, 0]["data"]
        found.append((str(path), as_npy(EcgRecord(signal, STANDARD_LEADS, 500, "mV"))))
    return found


def test_every_recording_is_answered(service: httpx.Client, shared: Path) -> None:
    requests = posts(shared / "data")
    assert len(requests) == 104 + 24 + 5 + 4 + 1
    refused = []
    for name, request in requests:
        response = service.post("/analyze", **request)
        assert response.status_code < 500, (name, response.text)
        assert b"NaN" not in response.content
        if response.status_code == 200:
            validate(response.json(), "Report")
        else:
            validate(response.json(), "Problem")
            refused.append((name, response.json()["detail"]))
    assert refused == []


def test_command_line_and_service_give_one_answer(service: httpx.Client, shared: Path) -> None:
    headers = [shared / "data/ludb/1.hea", shared / "data/cinc2021_sample/E07500.hea"]
    command = [sys.executable, "-m", "ecg", "analyze", "--jsonl", "--weights", "stand-in", *map(str, headers)]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=True)
    for header, line in zip(headers, done.stdout.splitlines(), strict=True):
        from_command = orjson.loads(line)
        assert from_command.pop("record") == header.stem
        from_service = service.post("/analyze", **wfdb_upload(header)).json()
        assert stable(from_command) == stable(from_service)
        record = read(header)
        # Arrays bring no age and no sex, which the headers state and some limits of the statements depend on.
        for other in (as_json(record), as_npy(record)):
            from_array = stable(service.post("/analyze", **other).json()) | {"statements": None}
            assert from_array == stable(from_service) | {"statements": None}


def test_an_upload_is_read_as_the_file_on_disk(shared: Path) -> None:
    header = shared / "data/ludb/1.hea"
    uploaded = formats.parse({name: data for _, (name, data) in wfdb_upload(header)["files"]}, Stated())
    assert uploaded.sha256 == read(header).sha256
