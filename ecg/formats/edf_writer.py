"""Recordings as EDF files: 16-bit samples in steps of a microvolt, no field that identifies a person."""

from pathlib import Path

import numpy as np

from ecg.errors import MalformedInput
from ecg.leads import STANDARD_LEADS
from ecg.record import EcgRecord

_STEP_UV = 1.0
_LARGEST = 32767
_LABEL = 16  # characters
_DURATION = 8
_EXACT = 1e-12
_LARGEST_ERROR = 1e-6


def write_edf(record: EcgRecord, folder: Path, name: str) -> list[Path]:
    """Write `NAME.edf` and return its path.

    Raises `MalformedInput` for a record of unknown unit, with missing samples (EDF has no mark for them) or beyond
    ±32.767 mV, and for a rate or a lead name that the header cannot hold.
    """
    if record.unit != "mV":
        raise MalformedInput("EDF states a unit; this record has none.", "units", "mV", record.unit)
    if np.isnan(record.signal).any():
        raise MalformedInput("EDF has no mark for missing samples.", "signal", "every sample", "missing samples")
    counts = np.rint(record.signal.astype(np.float64) * 1000 / _STEP_UV)
    if np.abs(counts).max() > _LARGEST:
        raise MalformedInput(
            "Samples beyond the 16-bit range.", "signal", "up to 32.767 mV", float(np.abs(counts).max())
        )
    labels = [f"ECG {lead}" if lead in STANDARD_LEADS else lead for lead in record.leads]
    for label in labels:
        if len(label) > _LABEL or not label.isascii() or not label.isprintable():
            raise MalformedInput("An EDF label has at most 16 ASCII characters.", "lead_names", "such as V7", label)
    per_record, duration = _records(record.n_samples, record.fs_hz)
    n_leads, n_records = len(record.leads), record.n_samples // per_record
    head = f"{'0':8}{'X X X X':80}{'Startdate X X X X':80}01.01.8500.00.00{256 * (n_leads + 1):<8}{'':44}"
    head += f"{n_records:<8}{duration:8}{n_leads:<4}"
    fields = (
        (_LABEL, labels),
        (80, [""] * n_leads),
        (8, ["uV"] * n_leads),
        (8, [-_LARGEST] * n_leads),
        (8, [_LARGEST] * n_leads),
        (8, [-_LARGEST] * n_leads),
        (8, [_LARGEST] * n_leads),
        (80, [""] * n_leads),
        (8, [per_record] * n_leads),
        (32, [""] * n_leads),
    )
    head += "".join(f"{str(value)[:width]:{width}}" for width, values in fields for value in values)
    body = counts.astype("<i2").reshape(n_leads, n_records, per_record).transpose(1, 0, 2)
    path = folder / f"{name}.edf"
    path.write_bytes(head.encode("ascii", "replace") + body.tobytes())
    return [path]


def _records(n_samples: int, fs_hz: float) -> tuple[int, str]:
    """Samples of a lead in a data record, and its duration in seconds as the field of eight characters holds it.

    All records are full and at most two seconds long. The longest of an exact duration is taken, or else the one whose
    duration is cut off the least; the reader has the rate again from either. Raises `MalformedInput` for a rate that
    not even that holds to a millionth.
    """
    possible = [count for count in range(1, int(2 * fs_hz) + 1) if n_samples % count == 0]
    written = {count: _in_field(count / fs_hz) for count in possible}
    errors = {count: abs(count / float(text) / fs_hz - 1) if float(text) else 1.0 for count, text in written.items()}
    best = min(possible, key=lambda count: (max(errors[count], _EXACT), -count), default=0)
    if not best or errors[best] > _LARGEST_ERROR:
        raise MalformedInput("The EDF header cannot hold this rate and length.", "fs", "whole seconds", fs_hz)
    return best, written[best]


def _in_field(seconds: float) -> str:
    """Seconds as the field holds them: with all its characters where they are cut off, which tells it to the reader."""
    whole = len(str(int(seconds)))
    text = f"{seconds:.{_DURATION - whole - 1}f}"
    exact = abs(float(text) - seconds) <= _EXACT * seconds
    return text.rstrip("0").rstrip(".") if exact else text
