"""One small file of every format that is read, of the same counts, for tests that ask all of them the same."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import scipy.io

from ecg.formats.stated import Stated
from ecg.formats.writers import ENDINGS
from ecg.leads import STANDARD_LEADS, derive_lead
from ecg.record import EcgRecord
from tests.ecg.formats import archive_files, other_device_files
from tests.ecg.formats import device_files as made

EIGHT = made.LEADS8


@dataclass(frozen=True)
class Sample:
    """The files of one recording, the main one first, and what must be stated beside them."""

    files: Mapping[str, bytes]
    stated: Stated = field(default_factory=Stated)

    @property
    def main(self) -> str:
        return next(iter(self.files))


def samples(counts: np.ndarray) -> dict[str, Sample]:
    """A file of each format by the name that `EcgRecord.format` gives it, of counts int16 [8 leads, sample].

    500 Hz but EDF's 300; a count is 2.5 µV but MUSE's 4.88, CardioSoft's 5 and Philips' 5.
    """
    n_samples = counts.shape[1] // 300 * 300
    millivolts = (counts * 0.0025).astype(np.float32)
    twelve = _twelve(counts)
    leads = Stated(500.0, EIGHT, "mV")
    return {
        "wfdb": _written(millivolts, ".hea"),
        "dicom": _written(_completed(millivolts), ".dcm", STANDARD_LEADS),
        "scp-ecg": Sample({"x.scp": made.scp(counts)}),
        "muse-xml": Sample({"x.xml": made.muse_xml(counts)}),
        "cardiosoft-xml": Sample({"x.xml": other_device_files.cardiosoft_xml(counts)}),
        "philips-xml": Sample({"x.xml": made.philips_xml(twelve)}),
        "hl7-aecg": Sample({"x.xml": made.aecg(counts)}),
        "mortara-xml": Sample({"x.xml": other_device_files.mortara_xml(counts)}),
        "ishne": Sample({"x.ecg": other_device_files.ishne(counts)}),
        "edf": Sample({"x.edf": made.edf(counts[:, :n_samples])}),
        "mfer": Sample({"x.mwf": other_device_files.mfer(counts)}),
        "hdf5": Sample({"x.h5": archive_files.hdf5({"ecg": millivolts}, compression="gzip", shuffle=True)}, leads),
        "matlab": Sample({"x.mat": _mat(millivolts)}, leads),
        "npy": Sample({"x.npy": _npy(millivolts)}, leads),
        "cardioai": Sample({"x.json": archive_files.cardioai(counts, EIGHT)}),
        "json": Sample({"x.json": _json(millivolts)}),
        "csv": _written(millivolts, ".csv"),
        "zip": Sample({"x.zip": archive_files.zipped(dict(_written(millivolts, ".hea").files))}),
    }


def _completed(rows: np.ndarray) -> np.ndarray:
    limb = [derive_lead(lead, rows[0], rows[1]) for lead in ("III", "aVR", "aVL", "aVF")]
    return np.stack([*rows[:2], *limb, *rows[2:]]).astype(np.float32)


def _twelve(counts: np.ndarray) -> np.ndarray:
    return np.rint(_completed(counts.astype(np.float32))).astype(np.int16)


def _written(millivolts: np.ndarray, ending: str, leads: tuple[str, ...] = EIGHT) -> Sample:
    record = EcgRecord(millivolts, leads, 500.0, "mV")
    with TemporaryDirectory() as folder:
        paths = list(ENDINGS[ending](record, Path(folder), "x"))
        paths.sort(key=lambda path: path.suffix != ending)
        return Sample({path.name: path.read_bytes() for path in paths})


def _mat(millivolts: np.ndarray) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"val": millivolts, "age": 61.0}, do_compression=True)
    return stream.getvalue()


def _npy(millivolts: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, millivolts)
    return stream.getvalue()


def _json(millivolts: np.ndarray) -> bytes:
    body = {"signal": millivolts.tolist(), "fs": 500, "lead_names": EIGHT, "units": "mV"}
    return json.dumps(body).encode()
