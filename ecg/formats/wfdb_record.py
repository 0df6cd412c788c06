"""WFDB records (``.hea`` with signal files of any name) as recordings in millivolt."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath

import numpy as np

from ecg.errors import InputTooLarge, MalformedInput
from ecg.formats.channels import Channel, choose
from ecg.formats.device_file import age_of, more_than_announced, sex_of
from ecg.formats.stated import Stated
from ecg.formats.wfdb_header import MAX_VALUES, Header, SignalLine, read_header
from ecg.formats.wfdb_samples import GAPS, aligned, check_sum, frames_in, read_frames
from ecg.leads import distinct_leads
from ecg.origin import Origin
from ecg.record import EcgRecord, Signal, check_announced, millivolts_per

NAME = "wfdb"
_LEAST_BEYOND = 8
_AGE = re.compile(
    r"(?<!\w)<?age>?\s*[:=]\s*(\d{1,3})(?:\.0*)?(?![\w.])(?!\s*(?:mo|months?|weeks?|days?|hours?)\b)", re.IGNORECASE
)
_SEX = re.compile(r"(?<!\w)<?(?:sex|gender)>?\s*[:=]\s*(male|female|m|f)(?!\w)", re.IGNORECASE)
_FIRST_LINES = re.compile(
    rb"(?:\xef\xbb\xbf)?[\w/-]{1,99} \d{1,4} \d{1,6}(\.\d{1,20})?\S{0,40} \d{1,12}[^\n]{0,80}\n\S{1,99}\.(dat|mat) "
)


def claims(name: str, head: bytes) -> bool:
    """Whether this is a WFDB header, by name or by its first lines."""
    return name.endswith(".hea") or bool(_FIRST_LINES.match(head))


def companions(data: bytes) -> tuple[str, ...]:
    """The signal files that the header names."""
    return read_header(data).files


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The recording of a header and its signal files, in mV; missing samples become NaN.

    `ecg.formats.channels` chooses the ECG leads; files that hold none of them need not be there. Where every lead is
    uncalibrated (gain 0 or absent), `unit` is None. A calibrated signal without a unit is in mV, as header(5) defines.
    Several samples a frame are all kept: the rate is then that many times the frame rate. Raises `MalformedInput` (also
    when the samples do not sum to the header's checksums), `InputTooLarge`, `UnusableRecording`.
    """
    header = read_header(files[main])
    names = distinct_leads([line.name or f"signal {i}" for i, line in enumerate(header.signals, start=1)])
    chosen = choose([_channel(line, name) for line, name in zip(header.signals, names, strict=True)])
    fs_hz = stated.settle_fs(None if header.frames_hz is None else header.frames_hz * chosen.rate)
    leads = stated.settle_leads(tuple(names[i] for i in chosen.rows))
    groups = _groups(header, chosen.rows)
    if header.frames:  # a header that announces too much is refused whether its signal files are there or not
        check_announced(header.frames * chosen.rate, fs_hz, max_duration_s)
    contents = {file: _content(files, file, main) for file in groups}
    there = min(frames_in(contents[file], lines) for file, lines in groups.items())
    frames = header.frames or there
    _check_frames(header, frames)
    check_announced(frames * chosen.rate, fs_hz, max_duration_s)
    rows: dict[int, Signal] = {}
    for file, lines in groups.items():
        counts = read_frames(contents[file], lines, 0, frames)
        first = header.signals.index(lines[0])
        for number, (row, line) in enumerate(zip(counts, lines, strict=True), start=first):
            check_sum(row, line, number + 1)
            if number in chosen.rows:
                rows[number] = _physical(aligned(row, line), line, stated)
    notes = (*_unit_notes([header.signals[i] for i in chosen.rows]), *header.notes, *chosen.notes)
    # What fills up the last block of a packed format, less than eight samples, is no further recording.
    if (there - frames) * chosen.rate >= _LEAST_BEYOND:
        notes = (*notes, more_than_announced(there, frames, "samples a lead" if chosen.rate == 1 else "frames"))
    signal = np.stack([rows[i] for i in chosen.rows])
    return EcgRecord(
        signal,
        leads,
        fs_hz,
        chosen.unit,
        name=PurePosixPath(main).stem,
        format=NAME,
        notes=notes,
        acquired=None if header.acquired is None else datetime.fromisoformat(header.acquired),
        origin=_origin(header.comments),
    )


def _origin(comments: tuple[str, ...]) -> Origin | None:
    """Age and sex, which PhysioNet's databases write into comments as ``Age: 55``; of others that they are there."""
    if not any(comments):
        return None
    ages, sexes = (list(filter(None, map(form.search, comments))) for form in (_AGE, _SEX))
    return Origin(
        age_years=age_of(ages[0][1]) if len({found[1] for found in ages}) == 1 else None,
        sex=sex_of(sexes[0][1]) if len({found[1].lower() for found in sexes}) == 1 else None,
        identifying=("comments",),
    )


def _channel(line: SignalLine, name: str) -> Channel:
    unit = None if line.gain is None else line.unit or "mV"
    return Channel(name, unit, line.samples_per_frame, line.unit is not None)


def _groups(header: Header, rows: tuple[int, ...]) -> dict[str, list[SignalLine]]:
    """All signal lines of each file that holds a chosen signal."""
    wanted = {header.signals[i].file for i in rows}
    return {file: [line for line in header.signals if line.file == file] for file in header.files if file in wanted}


def _content(files: Mapping[str, bytes], file: str, main: str) -> bytes:
    """The bytes of a signal file; where the header gives a folder, an upload has the bare name."""
    found = files.get(file, files.get(PurePosixPath(file).name))
    if found is None:
        raise MalformedInput(f"{main} needs {file}, which was not given.", "file", file, sorted(files)[:20])
    return found


def _check_frames(header: Header, frames: int) -> None:
    if frames == 0:
        raise MalformedInput("The WFDB record holds no samples.", "file", "samples", 0)
    if frames * sum(line.samples_per_frame for line in header.signals) > MAX_VALUES:
        raise InputTooLarge("The WFDB record holds too many samples.", "file", MAX_VALUES, frames)
    skew = max(line.skew_frames for line in header.signals)
    if skew >= frames:
        raise MalformedInput("A signal is skewed by more than the recording.", "file", f"< {frames} frames", skew)


def _physical(counts: np.ndarray, line: SignalLine, stated: Stated) -> Signal:
    """float32 [sample] in mV, or in ADC units where the signal is uncalibrated; NaN for a missing sample."""
    physical = counts.astype(np.float64)
    if line.gain is not None:
        unit = stated.settle_unit(line.unit or "mV") or "mV"
        physical = (physical - line.baseline) / line.gain * millivolts_per(unit)
    if line.format in GAPS:
        physical[counts == GAPS[line.format]] = np.nan
    with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which EcgRecord refuses
        return physical.astype(np.float32)


def _unit_notes(lines: list[SignalLine]) -> tuple[str, ...]:
    if all(line.gain is None for line in lines):
        return ("The header gives no gain; the scale of the samples is not known.",)
    if all(line.unit is not None for line in lines):
        return ()
    return ("The header states no units; WFDB then means mV.",)
