"""WFDB records to the CSV files that CardioAI's shell script makes with `rdsamp -c -H -f F -t T -v`."""

import shlex
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import orjson

from ecg.atomic_write import replacing
from ecg.errors import MalformedInput
from ecg.formats.cardioai_message import Calibration, calibration_fields
from ecg.formats.wfdb_digital import DigitalRecord, check_range, open_digital


@dataclass(frozen=True)
class Extracted:
    """One line of the record map: which file became which record, and what version 1 messages lose."""

    record_id: str
    source: str
    rows: int
    first_sample: int
    leads: tuple[str, ...]
    calibration: Calibration


def read_manifest(path: Path) -> Iterator[Path]:
    """The header paths of a manifest, one a line, relative to the working directory; blank lines are passed over.

    Raises `MalformedInput` when the file is no UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for line in lines:
                if line.strip():
                    yield Path(line.rstrip("\r\n"))
    except UnicodeDecodeError:
        raise MalformedInput(f"{path} is no UTF-8 text.", "manifest", "one path a line") from None


def extract(header: Path, from_s: int, to_s: int, destination: Path) -> Extracted:
    """Write ``<destination>/<uuid>.txt`` for one record and say what was written.

    `to_s` is exclusive, 0 means to the end. The identifier follows from path and window, so that a second run makes
    the same file. The file appears whole or not at all. Raises `MalformedInput` or `RecordingTooShort`.
    """
    record = open_digital(header)
    start = record.sample_at(from_s)
    stop = record.sample_at(to_s) if to_s else record.n_samples
    check_range(record, start, stop)
    record_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{header.resolve().as_uri()}?from={from_s}&to={to_s}"))
    target = destination / f"{record_id}.txt"
    rows = 0
    with replacing(target) as draft, draft.open("wb") as out:
        out.write(b",".join([b"'sample #'", *(f"'{lead}'".encode() for lead in record.leads)]) + b"\n")
        for first, block in record.blocks(start, stop):
            numbers = np.arange(first, first + len(block), dtype=np.int64)[:, None]
            table = np.concatenate([numbers, block], axis=1).tolist()
            out.write("".join([",".join(map(str, row)) + "\n" for row in table]).encode())
            rows += len(block)
    known = Calibration(record.fs_hz, record.gain, record.baseline, record.units, _acquired(record, start))
    return Extracted(record_id, str(header), rows, start, record.leads, known)


def _acquired(record: DigitalRecord, first: int) -> str | None:
    """When the first sample that is written was recorded, ISO 8601; None where the header does not say it."""
    if record.acquired is None or first == 0:
        return record.acquired
    return (datetime.fromisoformat(record.acquired) + timedelta(seconds=first / record.fs_hz)).isoformat()


def script_line(header: Path, from_s: int, to_s: int, destination: Path, record_id: str) -> str:
    """The shell command that makes the same file with WFDB's own `rdsamp`, safely quoted."""
    target = shlex.quote(str(destination / f"{record_id}.txt"))
    return f"rdsamp -r {shlex.quote(str(header))} -c -H -f {from_s} -t {to_s} -v > {target}"


def map_line(extracted: Extracted) -> bytes:
    """One JSON line of the record map."""
    fields = asdict(extracted) | {"calibration": calibration_fields(extracted.calibration)}
    return orjson.dumps(fields) + b"\n"
