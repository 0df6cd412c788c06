"""FHIR bundles of real recordings, of WFDB archives and of devices' own files, against the R4B models."""

import json
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle

from ecg import read
from ecg.errors import EcgError
from ecg.local import analyze
from ecg.report.fhir import bundle
from tests.ecg.report.test_forms import AT

pytestmark = pytest.mark.shared
DEVICES = ("dicom", "muse_xml", "philips_xml", "scp", "same_ecg_dicom_scp_aecg")
AT_LEAST = 100


def recordings(data: Path) -> list[Path]:
    archives = [*data.glob("ludb/*.hea"), *data.glob("cinc2021_sample/*.hea"), data / "ptbdb" / "s0010_re.hea"]
    endings = (".dcm", ".xml", ".scp")
    of_devices = [path for name in DEVICES for path in (data / name).rglob("*") if path.suffix.lower() in endings]
    return sorted([*archives, *of_devices])


def test_bundles_of_a_hundred_real_recordings_are_valid(shared: Path) -> None:
    valid, unread = 0, []
    for path in recordings(shared / "data"):
        try:
            record = read(path)
        except EcgError as error:
            unread.append((path.name, error.code))
            continue
        report = analyze(record)
        made = bundle(report.analysis, report.conclusion, AT)
        parsed = Bundle.model_validate_json(json.dumps(made))
        kinds = [entry.resource.get_resource_type() for entry in parsed.entry]
        assert kinds[0] == "DiagnosticReport", path.name
        assert {"Observation", "Device", "Provenance"} < set(kinds), path.name
        assert not any("subject" in entry["resource"] for entry in made["entry"]), path.name
        waveform = next(entry["resource"] for entry in made["entry"] if "component" in entry["resource"])
        assert len(waveform["component"]) == len(record.leads), path.name
        valid += 1
    assert valid >= AT_LEAST
    assert len(unread) <= 1, unread  # one file of the folder is broken on purpose, and is refused
