"""Writers: an `EcgRecord` to files."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from ecg.errors import MalformedInput
from ecg.formats.dicom_writer import write_dicom
from ecg.formats.edf_writer import write_edf
from ecg.record import EcgRecord

ADC_PER_MV = 1000  # one step of the 16-bit formats is a microvolt, the range ±32.7 mV
_RECORD_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_INVALID = -32768  # WFDB's mark of a missing sample in format 16


def wire_body(record: EcgRecord) -> dict[str, Any]:
    """The JSON request body of the service: signal, fs, lead_names, recording_duration, units; missing samples null."""
    rows: list[list[float]] = np.round(record.signal.astype(np.float64), 5).tolist()
    gaps = bool(np.isnan(record.signal).any())
    signal = [[None if math.isnan(value) else value for value in row] for row in rows] if gaps else rows
    return {
        "signal": signal,
        "fs": record.fs_hz,
        "lead_names": list(record.leads),
        "recording_duration": record.duration_s,
        "units": record.unit,
    }


def write_json(record: EcgRecord, folder: Path, name: str) -> list[Path]:
    """Write `NAME.json`, the request body of the service, and return its path."""
    path = folder / f"{name}.json"
    path.write_bytes(orjson.dumps(wire_body(record)))
    return [path]


def write_npy(record: EcgRecord, folder: Path, name: str) -> list[Path]:
    """Write `NAME.npy`, float32 [lead, sample], and return its path; rate, unit and leads are not in it."""
    path = folder / f"{name}.npy"
    np.save(path, record.signal, allow_pickle=False)
    return [path]


def write_csv(record: EcgRecord, folder: Path, name: str) -> list[Path]:
    """Write `NAME.csv`: time in seconds and one column a lead, names with units in the first row; return its path."""
    path = folder / f"{name}.csv"
    times = np.arange(record.n_samples)[:, None] / record.fs_hz
    names = [lead if record.unit is None else f"{lead} ({record.unit})" for lead in record.leads]
    digits = ["%.10g", *["%.6g"] * len(record.leads)]  # times of a long recording need more
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(",".join(["time_s", *map(_cell, names)]) + "\n")
        np.savetxt(stream, np.hstack([times, record.signal.T]), digits, ",")
    return [path]


def _cell(name: str) -> str:
    """A name in quotes where it holds something by which a reader could take it for several."""
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',;\t"') else name


def write_wfdb(record: EcgRecord, folder: Path, name: str) -> list[Path]:
    """Write `NAME.hea` and `NAME.dat` (format 16, 1 µV) and return their paths.

    Raises `MalformedInput` for a record of unknown unit, with samples beyond the 16-bit range, or with a name or lead
    that a header cannot hold; nothing is written then.
    """
    if record.unit != "mV":
        raise MalformedInput("WFDB states a unit; this record has none.", "units", "mV", record.unit)
    if not _RECORD_NAME.fullmatch(name):
        raise MalformedInput("This is no name of a WFDB record.", "OUT", "letters, digits, - and _ of ASCII", name)
    for lead in record.leads:
        if not lead.isascii() or not lead.isprintable():
            raise MalformedInput("A WFDB header has ASCII letters only.", "lead_names", "ASCII", lead)
    steps = np.rint(record.signal.T.astype(np.float64) * ADC_PER_MV)
    if np.nanmax(np.abs(steps), initial=0) > -_INVALID - 1:
        largest = float(np.nanmax(np.abs(record.signal)))
        raise MalformedInput("Samples beyond the 16-bit range.", "signal", "up to 32.767 mV", largest)
    samples = np.where(np.isnan(steps), _INVALID, steps).astype("<i2")
    header = [f"{name} {len(record.leads)} {record.fs_hz:.10g} {record.n_samples}"]
    for lead, column in zip(record.leads, samples.T, strict=True):
        checksum = (int(column.sum(dtype=np.int64)) + 32768) % 65536 - 32768
        header.append(f"{name}.dat 16 {ADC_PER_MV}(0)/mV 16 0 {column[0]} {checksum} 0 {lead}")
    (folder / f"{name}.dat").write_bytes(samples.tobytes())
    (folder / f"{name}.hea").write_text("\n".join(header) + "\n", encoding="ascii")
    return [folder / f"{name}.hea", folder / f"{name}.dat"]


WRITERS = {"wfdb": write_wfdb, "json": write_json, "npy": write_npy, "csv": write_csv}
#: Which writer a file's ending asks for.
ENDINGS = {
    ".hea": write_wfdb,
    ".edf": write_edf,
    ".dcm": write_dicom,
    ".csv": write_csv,
    ".npy": write_npy,
    ".json": write_json,
}
