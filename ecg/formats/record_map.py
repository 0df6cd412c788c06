"""The record map of `ecg extract`: what each extracted table of ADC values leaves out, a JSON line a recording."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson

from ecg.errors import InputTooLarge, MalformedInput
from ecg.formats.cardioai_message import Calibration, calibration_from
from ecg.formats.stated import Stated
from ecg.leads import canonical_lead, distinct_leads
from ecg.record import EcgRecord, to_millivolt

_MAX_BYTES = 2**28


def map_path(directory: Path) -> Path:
    """Where the map of an extraction lies: beside the directory, which holds nothing but records."""
    directory = directory.resolve()
    return directory.with_name(directory.name + ".records.jsonl")


def read_map(path: Path) -> dict[str, Calibration]:
    """Calibration by record id from a record map; of two lines on one record the later counts.

    Raises `MalformedInput` naming the line that is none, `OSError`.
    """
    known: dict[str, Calibration] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        known |= {name: mapped.known for name, mapped in _entry(line, number).items()}
    return known


@dataclass(frozen=True)
class Mapped:
    """What a map says of one table: its leads in the order of the columns, and how they are calibrated."""

    leads: tuple[str, ...]
    known: Calibration

    def stated(self, stated: Stated) -> Stated:
        """What was stated beside the table, with the sampling rate of the map, and without a unit: that of ADC values.

        Raises `InconsistentInput` when the statement is another.
        """
        if self.known.fs_hz is not None:
            stated.settle_fs(self.known.fs_hz)
        for written in self.known.units or ():
            stated.settle_unit(written)
        fs_hz = stated.fs_hz or self.known.fs_hz
        return replace(stated, fs_hz=fs_hz, unit=None if self.known.units else stated.unit)

    def calibrated(self, record: EcgRecord) -> EcgRecord:
        """The recording in mV, by the gain and baseline of each lead; itself where they are not known for all."""
        known = self.known
        if record.unit is not None or known.gain is None or known.baseline is None or known.units is None:
            return record
        columns = {canonical_lead(lead): i for i, lead in enumerate(distinct_leads(self.leads))}
        at = [columns[lead] for lead in record.leads if lead in columns]
        if len(at) != len(record.leads) or not all(known.units[i] for i in at):
            return record
        gain, baseline = (np.array(values)[at][:, None] for values in (known.gain, known.baseline))
        values = (record.signal.astype(np.float64) - baseline) / gain
        rows = [to_millivolt(row, known.units[i])[0] for row, i in zip(values, at, strict=True)]
        return replace(record, signal=np.stack(rows).astype(np.float32), unit="mV")


def mapped_beside(table: Path) -> Mapped | None:
    """What the map beside an extracted table's folder says of it; None without a map or a line.

    Raises `MalformedInput` for a line on this table that is none, `InputTooLarge`.
    """
    if table.suffix != ".txt" or not table.resolve().parent.name:  # nothing lies beside the root of a file system
        return None
    path = map_path(table.parent)
    if not path.is_file():
        return None
    if path.stat().st_size > _MAX_BYTES:
        raise InputTooLarge("The record map is too large.", "map", _MAX_BYTES, path.stat().st_size)
    found = None
    wanted = table.stem.encode()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if wanted in line:  # a map of an archive has a line for each of its recordings
                found = _entry(line, number).get(table.stem, found)
    return found


def _entry(line: bytes, number: int) -> dict[str, Mapped]:
    try:
        fields = orjson.loads(line)
        leads = tuple(map(str, fields["leads"]))
        return {str(fields["record_id"]): Mapped(leads, calibration_from(fields["calibration"], len(leads)))}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise MalformedInput(f"Line {number} is no line of a record map.", "map", "ecg extract's map") from None
