"""What the readers of device files share: bounded texts and numbers, and the way from signals to a recording."""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InputTooLarge, MalformedInput
from ecg.formats.channels import Channel, choose
from ecg.formats.device_words import is_filter_setting, is_statement
from ecg.formats.stated import Stated
from ecg.leads import distinct_leads
from ecg.origin import Origin
from ecg.record import EcgRecord, Signal, check_announced, check_names, millivolts_per

MAX_VALUES = 40_000_000  # samples of all signals of a file
MAX_STATEMENTS = 64
_MAX_FILTERS = 16
_MAX_TEXT = 200
_MAX_SHOWN = 40
_NO_NAMES = frozenset(
    {"e", "x", "hz", "khz", "s", "ms", "us", "mv", "uv", "nv", "v", "mm", "adu", "adc", "nan", "inf", "np", "float"}
    | {"int", "none", "null", "true", "false"}
)
_NUMBER = re.compile(r"[-+]?\d{1,15}(?:\.\d{0,15})?(?:[eE][-+]?\d{1,3})?", re.ASCII)
#: Largest magnitudes of a device's measurements that are no mark of a missing value, by the end of the name.
_PLAUSIBLE = {"rate": (10.0, 400.0), "interval": (20.0, 2000.0), "duration": (20.0, 600.0), "axis": (-360.0, 360.0)}
_TIMESTAMP = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ]?(?:(\d\d):?(\d\d):?(\d\d)?(?:[.,]\d{1,9})?\s?(Z|[-+]\d\d:?\d\d)?)?", re.ASCII
)
_PER_YEAR = {
    **dict.fromkeys(("years", "year", "y"), 1.0),
    **dict.fromkeys(("months", "month", "m"), 12.0),
    **dict.fromkeys(("weeks", "week", "w"), 52.2),
    **dict.fromkeys(("days", "day", "d"), 365.25),
    **dict.fromkeys(("hours", "hour", "h"), 8766.0),
}
_MOST_APART = timedelta(hours=14)  # from UTC: Kiribati
ENOUGH_LOW_PASS_HZ = 150.0  # Kligfield et al. 2007, for adults
_OLDEST = 90.0  # an age above is as identifying as a birth date


@dataclass(frozen=True)
class DeviceFile:
    """What a reader found in a file, before its samples are decoded.

    Attributes
    ----------
    format
        Name of the format.
    channels
        One entry a signal.
    fs_hz
        Of the ECG leads; None when the file does not say it.
    n_samples
        Of each ECG lead.
    samples
        Gives those of one channel by its number, [sample] in the channel's unit.
    origin, notes, acquired
        As in `EcgRecord`.
    """

    format: str
    channels: Sequence[Channel]
    fs_hz: float | None
    n_samples: int
    samples: Callable[[int], NDArray[Any]]
    origin: Origin | None = None
    notes: Sequence[str] = ()
    acquired: datetime | None = None


def record_of(file: DeviceFile, main: str, stated: Stated, max_duration_s: float) -> EcgRecord:
    """The recording of the ECG leads among the channels of a file named `main`.

    Samples are asked for only where a channel is chosen, and after the announced length was checked. Raises what
    `choose`, `Stated` and `EcgRecord` raise.
    """
    channels, n_samples = file.channels, file.n_samples
    if not channels or n_samples < 1:
        raise MalformedInput("The file holds no samples.", "signal", ">= 1 sample", n_samples)
    if n_samples * len(channels) > MAX_VALUES:
        raise InputTooLarge("The file holds too many samples.", "signal", MAX_VALUES, n_samples * len(channels))
    names = distinct_leads([channel.name for channel in channels])
    check_names(names)
    chosen = choose([Channel(name, c.unit, c.rate, c.unit_stated) for name, c in zip(names, channels, strict=True)])
    rate = stated.settle_fs(file.fs_hz)
    check_announced(n_samples, rate, max_duration_s)
    leads = stated.settle_leads(tuple(names[i] for i in chosen.rows))
    rows: list[Signal] = []
    unit = None
    for i in chosen.rows:
        unit = stated.settle_unit(channels[i].unit)
        factor = 1.0 if unit is None else millivolts_per(unit)
        with np.errstate(over="ignore"):  # beyond float32 becomes infinity, which EcgRecord refuses
            rows.append((np.asarray(file.samples(i), np.float64) * factor).astype(np.float32))
    if len({len(row) for row in rows}) != 1:
        raise MalformedInput("The leads differ in length.", "signal", "one length", sorted({len(r) for r in rows})[:5])
    return EcgRecord(
        np.stack(rows),
        leads,
        rate,
        None if unit is None else "mV",
        name=PurePosixPath(main).stem[:100],
        format=file.format,
        notes=(*file.notes, *chosen.notes, *_smoothed(file.origin)),
        acquired=file.acquired,
        origin=file.origin,
    )


def _smoothed(origin: Origin | None) -> tuple[str, ...]:
    """A note on a low-pass that the file names and that is lower than what amplitudes and QRS edges need."""
    if origin is None or origin.low_pass_hz is None or not 0 < origin.low_pass_hz < ENOUGH_LOW_PASS_HZ:
        return ()
    return (
        f"The file names a low-pass of {origin.low_pass_hz:g} Hz: R waves are lower and QRS edges smoother than with "
        f"the {ENOUGH_LOW_PASS_HZ:g} Hz that adults need.",
    )


def more_than_announced(there: int, announced: int, what: str = "samples a lead") -> str:
    """The note on a file that holds more than its header says: what is beyond is not read, and may be the ECG's."""
    return f"The file holds {there} {what} and announces {announced}: those beyond are not read."


def timestamp_of(text: object) -> datetime | None:
    """A time as ``YYYYMMDDHHMMSS``, with or without signs between, seconds, offset from UTC; None for others."""
    found = _TIMESTAMP.match(str(text or "").strip())
    if found is None:
        return None
    *parts, offset = found.groups()
    moment = moment_of([int(part or 0) for part in parts])
    return moment if moment is None or offset is None else moment.replace(tzinfo=_zone(offset))


def _zone(offset: str) -> timezone | None:
    """The offset from UTC of ``Z`` or ``±HHMM``; None for one that there is not."""
    if offset == "Z":
        return UTC
    apart = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return timezone(-apart if offset[0] == "-" else apart) if apart <= _MOST_APART else None


def moment_of(parts: Sequence[int]) -> datetime | None:
    """The time of year, month, day, hour, minute and second; None when there is no such time."""
    try:
        year, month, day, hour, minute, second = parts
        return datetime(year, month, day, hour, minute, second)
    except (ValueError, OverflowError):
        return None


def text_of(value: object) -> str | None:
    """A printable text of bounded length, or None for nothing."""
    if value is None:
        return None
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)[: 4 * _MAX_TEXT]).split())[:_MAX_TEXT]
    return text or None


def shown(value: object) -> str | None:
    """What a refusal repeats of a text that is no number: ``"text"`` for words, since any word may name a person."""
    text = text_of(value)
    if text is None:
        return None
    harmless = all(word.lower() in _NO_NAMES for word in re.findall(r"[^\W\d_]+", text))
    return text[:_MAX_SHOWN] if harmless else "text"


def number_of(value: object) -> float | None:
    """A finite number as written, or None for anything else."""
    text = str(value).strip() if value is not None else ""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def needed(value: object, field: str, what: str) -> float:
    """A number that the recording cannot do without; `MalformedInput` naming `what` when it is absent."""
    number = number_of(value)
    if number is None:
        raise MalformedInput(f"The file states no {what}.", field, "a number", shown(value))
    return number


def whole(value: object, field: str, what: str, most: int) -> int:
    """A whole number from 1 to `most` that the recording cannot do without."""
    number = needed(value, field, what)
    if number != int(number) or not 1 <= number <= most:
        raise MalformedInput(f"The {what} is not possible.", field, f"1 to {most}", number)
    return int(number)


def measurements_of(values: Mapping[str, object]) -> dict[str, float]:
    """The device's measurements that are numbers a heart can have; marks of a missing value are left out."""
    found = {}
    for name, value in values.items():
        number = number_of(value)
        low, high = _PLAUSIBLE[name.rpartition("_")[2]]
        if number is not None and low <= number <= high:
            found[name] = number
    return found


def statements_of(texts: Sequence[object]) -> tuple[str, ...]:
    """The device's statements, bounded in number and length; those that may name a person are left out."""
    return tuple(text for text in map(text_of, texts[:MAX_STATEMENTS]) if text and is_statement(text))


def withheld(texts: Sequence[object], shown: Sequence[str]) -> tuple[str, ...]:
    """What `Origin.identifying` says of the statements that `statements_of` left out."""
    given = [text for text in map(text_of, texts[:MAX_STATEMENTS]) if text]
    return ("statements of words that are no terms",) if len(given) > len(shown) else ()


def filters_of(settings: Sequence[object]) -> tuple[str, ...]:
    """Filter settings as the file words them, bounded; those with other words than filters have are left out."""
    return tuple(text for text in map(text_of, settings[:_MAX_FILTERS]) if text and is_filter_setting(text))


def age_of(value: object, unit: str = "years") -> float | None:
    """Age in years, at most 90; None for what is no age."""
    number = number_of(value)
    per_year = _PER_YEAR.get(unit.strip().lower())
    if number is None or per_year is None or not 0 <= number / per_year <= 130:
        return None
    return min(_OLDEST, round(number / per_year, 2))


def sex_of(value: object) -> str | None:
    """``"male"`` or ``"female"``; None for anything else."""
    first = str(value or "").strip().lower()
    return {"m": "male", "male": "male", "f": "female", "female": "female"}.get(first)


def decoded_base64(text: str | None, field: str) -> bytes:
    """Bytes of a base64 text with white space in it."""
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedInput("Samples are not base64.", field, "base64", None) from None
