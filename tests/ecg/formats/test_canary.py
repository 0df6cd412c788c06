"""What identifies a person in a file of any format is in no output, and is said to be there."""

import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import scipy.io

from ecg.cli import main
from ecg.formats import parse
from ecg.formats.writers import ENDINGS
from ecg.local import measured
from ecg.record import EcgRecord
from ecg.report.encodings import ENCODINGS
from tests.ecg.formats import archive_files
from tests.ecg.formats import device_files as made
from tests.ecg.formats.every_format import Sample, samples

CANARY = made.CANARY
COUNTS = np.tile(made.counts(8, 600), (1, 9))
ALL = samples(COUNTS)


def with_canary(name: str) -> Sample:
    """The file of a format with the canary in every field that may hold a name, an identifier or a place."""
    sample = ALL[name]
    data = sample.files[sample.main]
    if name == "wfdb":
        return replace(
            sample, files=sample.files | {sample.main: data + f"# Name: {CANARY}\n# ID: {CANARY}\n".encode()}
        )
    if name == "dicom":
        dataset = pydicom.dcmread(io.BytesIO(data))
        for field in ("PatientName", "PatientID", "AccessionNumber", "InstitutionName", "ReferringPhysicianName",
                      "StudyDescription", "PatientComments", "OperatorsName", "StationName"):  # fmt: skip
            setattr(dataset, field, CANARY)
        stream = io.BytesIO()
        dataset.save_as(stream)
        return replace(sample, files={sample.main: stream.getvalue()})
    if name == "matlab":
        stream = io.BytesIO()
        scipy.io.savemat(stream, {"val": COUNTS * 0.0025, "name": CANARY, CANARY: CANARY})
        return replace(sample, files={sample.main: stream.getvalue()})
    if name == "hdf5":
        arrays = {"ecg": (COUNTS * 0.0025).astype("f4"), CANARY: np.frombuffer(CANARY.encode(), np.uint8)}
        return replace(sample, files={sample.main: archive_files.hdf5(arrays)})
    if name == "zip":
        inner = with_canary("muse-xml")
        return Sample(
            {"x.zip": archive_files.zipped({f"{CANARY}/x.xml": inner.files["x.xml"], "README.txt": CANARY.encode()})}
        )
    if name == "csv":
        return replace(sample, files={sample.main: f"# patient: {CANARY}\n".encode() + data})
    return sample


#: JSON and npy have no field for a person; a JSON recording's `name` is what its sender calls it in reports.
NAMES = [name for name in ALL if name not in ("json", "npy")]
SILENT = ("matlab", "hdf5", "csv", "wfdb")  # what their free texts are is not known, so nothing is said of them


@pytest.mark.parametrize("name", NAMES)
def test_no_output_repeats_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = with_canary(name)
    assert any(CANARY.encode() in data.replace(b"\0", b"") for data in sample.files.values()) or name == "zip"
    record = parse(sample.files, sample.stated)
    report = measured(record)
    outputs = {kind: report.encoded(kind) for kind in ENCODINGS}
    outputs["record"] = repr((record.name, record.notes, record.origin)).encode()
    for ending, write in ENDINGS.items():
        if record.unit is not None or ending in (".csv", ".npy", ".json"):
            folder = tmp_path / f"out{ending}"
            folder.mkdir()
            outputs[ending] = b"".join(path.read_bytes() for path in write(_whole(record), folder, "x"))
    for file, data in sample.files.items():
        (tmp_path / file).write_bytes(data)
    stated = sample.stated
    beside = [] if stated.leads is None else ["--fs", "500", "--leads", ",".join(stated.leads), "--units", "mV"]
    for command in (["inspect"], ["measure"], ["measure", "--jsonl"]):
        assert main([*command, *beside, str(tmp_path / sample.main)]) == 0
        outputs[" ".join(command)] = capsys.readouterr().out.encode()
    assert not [kind for kind, output in outputs.items() if CANARY.encode() in output.replace(b"\0", b"")]
    if name not in SILENT:
        assert b"identifies a person by" in outputs["inspect"]


def _whole(record: EcgRecord) -> EcgRecord:
    """Without missing samples, which EDF cannot hold, and in whole seconds."""
    seconds = math.floor(record.duration_s)
    return replace(record, signal=np.nan_to_num(record.signal[:, : int(seconds * record.fs_hz)]))
