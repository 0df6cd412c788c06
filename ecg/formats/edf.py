"""EDF, EDF+ and BDF: signals of 16 or 24 bits in data records, each with its own unit, scale and rate."""

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import (
    DeviceFile,
    filters_of,
    more_than_announced,
    number_of,
    record_of,
    sex_of,
    shown,
    text_of,
    timestamp_of,
    whole,
)
from ecg.formats.stated import Stated
from ecg.leads import MAX_LEADS
from ecg.origin import Origin
from ecg.record import MILLIVOLTS_PER_UNIT, EcgRecord

NAME = "edf"
_BDF = b"\xffBIOSEMI"
_FILTER = re.compile(r"(HP|LP|N):\s*(\d{1,5}(?:\.\d{1,5})?)\s*(?:Hz)?", re.IGNORECASE)
_DURATION = 8  # bytes of the duration of a record
_MOST_DIGITS = 10  # of a rate
_MOST_OPEN = 1e-4  # of a rate, by the last digit of a duration that was cut off
_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)  # bytes of the fields of a signal, in the order of the header


@dataclass(frozen=True)
class _Signal:
    label: str
    unit: str
    limits: tuple[float | None, ...]  # of physical values, lowest and highest, and of digital ones
    filters: str
    transducer: str
    per_record: int


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes say EDF or BDF."""
    return name.endswith((".edf", ".bdf")) or head[:8] in (b"0       ", _BDF)


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The ECG signals in mV. Raises `MalformedInput`, and `UnusableRecording` for a file with interruptions (EDF+D)."""
    data = files[main]
    size = 3 if data[:8] == _BDF else 2
    head = _text(data[:256])
    if len(data) < 256 or head[192:236].startswith(("EDF+D", "BDF+D")):
        raise UnusableRecording("EDF files with interruptions are not read.", "file", "a continuous recording", None)
    n_signals = whole(head[252:256], "lead_names", "number of signals", 4 * MAX_LEADS)
    signals = _signals(data, n_signals)
    seconds = number_of(head[244:252])
    if not seconds or seconds < 0:
        raise MalformedInput("The EDF header states no duration of a record.", "fs", "seconds", shown(head[244:252]))
    start = 256 * (n_signals + 1)
    if number_of(head[184:192]) != start:
        raise MalformedInput(
            "The EDF header is not as long as it says: what follows would be shifted.",
            "file",
            start,
            shown(head[184:192]),
        )
    width = sum(signal.per_record for signal in signals)
    there = (len(data) - start) // (width * size)
    announced = number_of(head[236:244])
    records = int(announced) if announced and announced > 0 else there
    if records > there or records < 1:
        raise MalformedInput("The EDF file is shorter than its header says.", "signal", f"{records} records", there)
    notes = [more_than_announced(there, records, "data records")] if there > records else []
    if there == records and (len(data) - start) % (width * size):
        notes.append("Bytes after the last whole data record are not read.")
    kept = [i for i, signal in enumerate(signals) if "annotation" not in signal.label.lower()]
    channels = [_channel(signals[i]) for i in kept]
    edges = np.cumsum([0, *(signal.per_record for signal in signals)])
    raw = np.frombuffer(data, np.uint8, records * width * size, start).reshape(records, width, size)

    def samples(number: int) -> NDArray[np.float64]:
        low, digital_low, step = _scale(signals[kept[number]], kept[number] + 1)
        counts = _integers(raw[:, edges[kept[number]] : edges[kept[number] + 1]])
        return np.asarray((counts - digital_low) * step + low, np.float64)

    leads = [channel for channel in channels if channel.is_standard] or channels
    per_record = int(leads[0].rate) if leads else 0
    fs_hz = _rate(per_record, head[244:252].strip(), stated.fs_hz)
    file = DeviceFile(
        NAME,
        channels,
        fs_hz,
        records * per_record,
        samples,
        _origin(head, signals, kept, channels.index(leads[0]) if leads else 0),
        notes,
        acquired=_time(head),
    )
    return record_of(file, main, stated, max_duration_s)


def _rate(per_record: int, seconds: str, stated_hz: float | None) -> float:
    """The rate in Hz of so many samples in a record, whose duration is written in a field of eight characters.

    The last digit of a duration that was cut off leaves the rate open: within that it is the stated rate, and where the
    field is full the rate with the fewest digits.
    """
    rate = per_record / float(seconds)
    digits = seconds.lower().partition("e")[0].partition(".")[2]
    open_hz = rate * 10.0 ** -len(digits) / float(seconds)
    if not digits or "e" in seconds.lower() or open_hz > _MOST_OPEN * rate:
        return rate
    if stated_hz is not None and abs(stated_hz - rate) <= open_hz:
        return stated_hz
    written = (float(f"{rate:.{count}g}") for count in range(1, _MOST_DIGITS)) if len(seconds) == _DURATION else ()
    return next((simple for simple in written if abs(simple - rate) <= open_hz), rate)


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _signals(data: bytes, n_signals: int) -> list[_Signal]:
    columns = []
    at = 256
    for width in _FIELDS:
        block = _text(data[at : at + width * n_signals])
        columns.append([block[i * width : (i + 1) * width].strip() for i in range(n_signals)])
        at += width * n_signals
    signals = []
    for label, transducer, unit, low, high, digital_low, digital_high, filters, per_record, _ in zip(
        *columns, strict=True
    ):
        limits = tuple(map(number_of, (low, high, digital_low, digital_high)))
        count = whole(per_record, "fs", "number of samples in a record", 10**7)
        signals.append(_Signal(label, unit, limits, filters, transducer, count))
    return signals


def _scale(signal: _Signal, number: int) -> tuple[float, float, float]:
    """The lowest physical and digital value, and the physical size of a count.

    Asked for the leads only: the scale of a signal that is left out stops no recording. The label, which may be a
    name, is not said.
    """
    known = [limit for limit in signal.limits if limit is not None]
    if len(known) < len(signal.limits) or known[0] == known[1] or known[2] >= known[3]:
        raise MalformedInput(
            f"The scale of EDF signal {number} is not possible.", "units", "two limits, twice", [*signal.limits]
        )
    low, high, digital_low, digital_high = known
    return low, digital_low, (high - low) / (digital_high - digital_low)


def _channel(signal: _Signal) -> Channel:
    unit = signal.unit.strip()
    known = unit.lower() in MILLIVOLTS_PER_UNIT
    return Channel(text_of(signal.label) or "?", unit if known or unit else None, float(signal.per_record))


def _integers(raw: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Counts [sample] of bytes [record, sample, byte], least significant first."""
    flat = np.ascontiguousarray(raw).reshape(-1, raw.shape[2])
    if raw.shape[2] == 2:
        return flat.reshape(-1).view("<i2").astype(np.int64)
    padded = np.zeros((len(flat), 4), np.uint8)
    padded[:, 1:] = flat
    return padded.reshape(-1).view("<i4").astype(np.int64) >> 8


def _time(head: str) -> datetime.datetime | None:
    day = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d\d)", head[168:176].strip())
    time = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d\d)", head[176:184].strip())
    if not day or not time or day[0] == "01.01.85":  # what stands there when the date is not known
        return None
    year = int(day[3]) + (1900 if int(day[3]) >= 85 else 2000)
    return timestamp_of(f"{year}{day[2]}{day[1]}{time[1]}{time[2]}{time[3]}")


def _origin(head: str, signals: list[_Signal], kept: list[int], judge: int) -> Origin:
    """What the header says beside samples; the filters are those of the first lead, `judge` among the kept signals."""
    signal = signals[kept[judge]] if kept else None
    texts = ("annotations",) * (len(kept) < len(signals)) + ("transducers",) * any(s.transducer for s in signals)
    patient = head[8:88].split()
    recording = head[88:168].split()
    filters = {kind.upper(): float(value) for kind, value in _FILTER.findall(signal.filters if signal else "")}
    plus = len(patient) >= 4 and patient[1] in ("M", "F", "X")
    named = [part for part in (patient[:1] + patient[2:4] if plus else patient) if part != "X"]
    stated = recording[:1] == ["Startdate"]  # EDF+: start date, hospital's number, technician, device; EDF: any words
    others = [part for part in (recording[2:4] if stated else recording) if part != "X"]
    return Origin(
        model=text_of(recording[4].replace("_", " "))
        if stated and len(recording) > 4 and recording[4] != "X"
        else None,
        filters=filters_of([signal.filters]) if signal else (),
        high_pass_hz=filters.get("HP"),
        low_pass_hz=filters.get("LP"),
        notch_hz=filters.get("N"),
        sex=sex_of(patient[1]) if plus else None,
        identifying=("patient field",) * bool(named) + ("recording field",) * bool(others) + texts,
    )
