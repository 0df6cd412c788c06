"""The signal lines of a WFDB header: which signals are the ECG, on which scale, and whether the samples are whole.

The grammar is that of header(5) in the WFDB Applications Guide.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, UnusableRecording
from ecg.leads import STANDARD_LEADS, canonical_lead
from ecg.record import MILLIVOLTS_PER_UNIT

INVALID_SAMPLE = -32768  # WFDB_INVALID_SAMPLE, whatever the value that marks a gap in the signal file's own format
# The value that marks a missing sample, per signal file format (signal(5) and the WFDB library's getframe).
GAP_IN_FORMAT = {
    "16": -(2**15), "61": -(2**15), "160": -(2**15), "80": -(2**7), "212": -(2**11), "310": -(2**9), "311": -(2**9),
    "24": -(2**23), "32": -(2**31), "508": -(2**7), "516": -(2**15), "524": -(2**23),
}  # fmt: skip
_FORMAT = re.compile(r"\d+(?:x(?P<per_frame>\d{1,9}))?(?::(?P<skew>\d+))?(?:\+\d+)?", re.ASCII)
_GAIN = re.compile(r"(?P<gain>[-+.\deE]+)(?:\(-?\d+\))?(?:/(?P<unit>\S+))?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,12}", re.ASCII)


@dataclass(frozen=True)
class SignalLine:
    """What a signal line says.

    Attributes
    ----------
    file
        Name of the signal file.
    samples_per_frame
        1 unless the line says otherwise.
    unit
        Of the physical samples, mV where none is written; None when the signal is uncalibrated (gain 0 or absent).
    unit_stated
        Whether the unit is written.
    checksum
        Sum of the samples modulo 65536; None when the line has none, 0 (not computed), or shifts the signal (skew).
    """

    file: str
    samples_per_frame: int
    unit: str | None
    unit_stated: bool
    checksum: int | None

    @classmethod
    def of(cls, line: str) -> "SignalLine":
        """The signal line read; ValueError for a broken number."""
        fields = line.split(maxsplit=8)
        kind = _FORMAT.fullmatch(fields[1]) if len(fields) > 1 else None
        gain = _GAIN.match(fields[2]) if len(fields) > 2 else None
        calibrated = gain is not None and float(gain["gain"]) != 0
        written = gain["unit"] if gain else None
        skewed = bool(kind and int(kind["skew"] or 0))
        checksum = int(fields[6]) % 65536 if len(fields) > 6 and _INTEGER.fullmatch(fields[6]) and not skewed else None
        return cls(
            file=fields[0],
            samples_per_frame=max(1, int((kind and kind["per_frame"]) or 1)),
            unit=(written or "mV") if calibrated else None,
            unit_stated=written is not None,
            checksum=checksum or None,
        )

    @property
    def voltage(self) -> bool:
        """Whether the signal is calibrated in a unit of voltage."""
        return self.unit is not None and self.unit.strip().lower() in MILLIVOLTS_PER_UNIT


@dataclass(frozen=True)
class Choice:
    """The signals that make the recording: their numbers, unit of the record, samples a frame, and what to tell."""

    rows: tuple[int, ...]
    unit: str | None
    samples_per_frame: int
    notes: tuple[str, ...]


def choose(names: Sequence[str], lines: Sequence[SignalLine]) -> Choice:
    """The signals of one rate and one scale with the ECG leads; the notes name what is left out.

    The standard leads decide, or without any of them every signal that can be a voltage. Raises `UnusableRecording`
    when those are of different rates, or when only some are calibrated.
    """
    every = range(len(lines))
    judges = [i for i in every if canonical_lead(names[i]) in STANDARD_LEADS]
    judges = judges or [i for i in every if lines[i].voltage or lines[i].unit is None] or list(every)
    widths = sorted({lines[i].samples_per_frame for i in judges})
    if len(widths) > 1:
        raise UnusableRecording("The leads differ in sampling rate.", "fs", "one rate", widths)
    bare = [i for i in judges if lines[i].unit is None]
    if bare and len(bare) < len(judges):
        raise UnusableRecording(
            "Some leads are calibrated and some are not.", "units", "a gain for every lead", [names[i] for i in bare]
        )
    rows = []
    notes = []
    for i in every:
        if i not in judges:
            reason = _reason_against(lines[i], widths[0], bool(bare))
            if reason:
                notes.append(f"Signal {names[i]} is left out: {reason}.")
                continue
        rows.append(i)
    if bare:
        notes.insert(0, "The header gives no gain; the scale of the samples is not known.")
    elif not all(lines[i].unit_stated for i in rows):
        notes.insert(0, "The header states no units; WFDB then means mV.")
    return Choice(tuple(rows), None if bare else "mV", widths[0], tuple(notes))


def _reason_against(line: SignalLine, samples_per_frame: int, uncalibrated: bool) -> str | None:
    if line.samples_per_frame != samples_per_frame:
        return "it has another sampling rate than the leads"
    if uncalibrated:
        return None if line.unit is None else "it is calibrated and the leads are not"
    if line.unit is None:
        return "it is not calibrated"
    return None if line.voltage else f"its unit is {line.unit[:20]}"


def check_sums(digital: Sequence[NDArray[Any]], formats: Sequence[str], lines: Sequence[SignalLine]) -> None:
    """Raise `MalformedInput` when the samples of a signal do not sum to the checksum of its line."""
    for number, (samples, kind, line) in enumerate(zip(digital, formats, lines, strict=True), start=1):
        if line.checksum is None:
            continue
        total = int(samples.sum(dtype=np.int64))
        # Writers differ in whether a gap counts as written or as the WFDB library's invalid sample.
        gap = GAP_IN_FORMAT.get(kind, INVALID_SAMPLE)
        as_invalid = total + int((samples == gap).sum()) * (INVALID_SAMPLE - gap)
        if line.checksum not in (total % 65536, as_invalid % 65536):
            raise MalformedInput(
                f"The samples of signal {number} do not sum to its checksum: a file is damaged or of another record.",
                "file", line.checksum, total % 65536,
            )  # fmt: skip
