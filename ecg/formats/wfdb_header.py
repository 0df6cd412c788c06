"""The one reader of WFDB headers, after header(5) of the WFDB Applications Guide.

Every field is bounded in length and value, and a line that does not follow the grammar is refused: a header must mean
here what it means to any other reader.
"""

import datetime
import math
import re
from dataclasses import dataclass

from ecg.errors import InputTooLarge, MalformedInput, UnusableRecording
from ecg.formats.device_file import shown
from ecg.leads import MAX_LEAD_NAME, MAX_LEADS

MAX_BYTES = 2**20
MAX_VALUES = 200_000_000  # samples times signals that a header may announce
_MAX_TOKEN = 255

# Characters at which some readers end a line and others do not.
_HIDDEN_BREAKS = re.compile("[\x00\x0b\x0c\x1c-\x1e\u2028\u2029]")
_DECIMAL = r"\d{1,15}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,3})?"
_RECORD_LINE = re.compile(
    rf"(?P<name>\S+)[ \t]+(?P<n_signals>\d{{1,4}})"
    rf"(?:[ \t]+(?P<rate>{_DECIMAL})(?:/{_DECIMAL}(?:\(-?{_DECIMAL}\))?)?"
    rf"(?:[ \t]+(?P<frames>\d{{1,12}})(?:[ \t]+(?P<start>\S.*))?)?)?",
    re.ASCII,
)
_FORMAT = re.compile(
    r"(?P<format>\d{1,3})(?:x(?P<per_frame>\d{1,9}))?(?::(?P<skew>\d{1,12}))?(?:\+(?P<offset>\d{1,12}))?", re.ASCII
)
_GAIN = re.compile(
    r"(?P<gain>[-+]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][-+]?\d{1,3})?)"
    r"(?:\((?P<baseline>[-+]?\d{1,12})\))?(?:/(?P<unit>\S{1,40}))?",
    re.ASCII,
)
_INTEGER = re.compile(r"[-+]?\d{1,12}", re.ASCII)
_PLAIN = re.compile(r"[^\s/\\.~][^\s/\\]*")
_INTEGER_FIELDS = ("ADC resolution", "ADC zero", "initial value", "checksum", "block size")
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2}):(?P<second>\d{1,2})(?:\.(?P<fraction>\d{1,9}))?"
_DATE = r"(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d{4})"
_ISO_DATE = r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
_STARTS = tuple(
    re.compile(form, re.ASCII) for form in (rf"{_TIME}[ \t]+{_DATE}", rf"{_ISO_DATE}[ \tT]{_TIME}", _DATE, _ISO_DATE)
)
_TIME_ONLY = re.compile(r"(?:\d{1,2}:){0,2}\d{1,2}(?:\.\d{1,9})?", re.ASCII)


@dataclass(frozen=True)
class SignalLine:
    """What one signal line says.

    Attributes
    ----------
    file, format
        Name of the signal file, with the folder if the header gives one, and number of its format.
    samples_per_frame, skew_frames, offset
        1, 0 and 0 unless the line says otherwise; the offset counts bytes, or samples of a compressed file.
    gain
        ADC units for one physical unit; None when the signal is uncalibrated (gain 0 or absent).
    baseline, adc_zero, initial
        ADC units; 0 volt, the middle of the range and the value before the first sample.
    unit
        Of the physical samples as written; None when the line has none, which means mV for a calibrated signal.
    checksum
        Sum of the samples modulo 65536; None when the line has none, or 0 for not computed.
    name
        The description, None when the line has none.
    """

    file: str
    format: int
    samples_per_frame: int
    skew_frames: int
    offset: int
    gain: float | None
    baseline: int
    adc_zero: int
    initial: int
    unit: str | None
    checksum: int | None
    name: str | None


@dataclass(frozen=True)
class Header:
    """What a WFDB header says.

    Attributes
    ----------
    name
        Of the record, without a folder.
    frames_hz
        Frames per second; None when the header gives no rate.
    frames
        Number of frames; None when the header does not say (absent or 0).
    acquired
        Start as ISO 8601 without an offset from UTC; None when the header gives no date.
    signals
        One entry a signal, in the order of the samples.
    comments
        Lines after ``#``, without it.
    notes
        What was passed over.
    """

    name: str
    frames_hz: float | None
    frames: int | None
    acquired: str | None
    signals: tuple[SignalLine, ...]
    comments: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The signal files as named, each once."""
        return tuple(dict.fromkeys(line.file for line in self.signals))


def read_header(data: bytes) -> Header:
    """The header in the bytes of a ``.hea`` file.

    Raises `MalformedInput`, `InputTooLarge`, or `UnusableRecording` for a record of several segments.
    """
    lines, comments = _lines(data)
    found = _RECORD_LINE.fullmatch(lines[0]) if lines else None
    if found is None:
        raise MalformedInput(
            "The WFDB header has no readable record line.",
            "file",
            "name, number of signals, rate, number of samples",
            f"{len(lines[0].split())} words" if lines else None,  # which may name a person
        )
    if re.search(r"/\d+$", found["name"]):
        raise UnusableRecording("Multi-segment WFDB records are not read.", "file", "a single segment", None)
    name = _plain_path(found["name"]).rpartition("/")[2]
    n_signals = int(found["n_signals"])
    if n_signals > MAX_LEADS:
        raise MalformedInput("The WFDB header has too many signals.", "file", f"<= {MAX_LEADS}", n_signals)
    if n_signals == 0:
        raise MalformedInput("The WFDB header describes no signals.", "file", ">= 1 signal", 0)
    if n_signals != len(lines) - 1:
        raise MalformedInput(
            f"The WFDB header announces {n_signals} signals and has {len(lines) - 1} signal lines.",
            "file",
            n_signals,
            len(lines) - 1,
        )
    signals = tuple(_signal_line(line, number) for number, line in enumerate(lines[1:], start=1))
    frames_hz = float(found["rate"]) if found["rate"] else None
    if frames_hz is not None and not 0 < frames_hz < 1e9:
        raise MalformedInput("The WFDB header states no possible rate.", "fs", "Hz", shown(found["rate"]))
    frames = int(found["frames"] or 0) or None
    _check_groups(signals)
    _check_sizes(signals, frames)
    acquired, notes = _start(found["start"])
    return Header(name, frames_hz, frames, acquired, signals, comments, notes)


def _lines(data: bytes) -> tuple[list[str], tuple[str, ...]]:
    """The lines that are no comments, stripped, and the comments without their mark."""
    if len(data) > MAX_BYTES:
        raise InputTooLarge("The WFDB header is too large.", "file", MAX_BYTES, len(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if _HIDDEN_BREAKS.search(text):
        raise MalformedInput("The WFDB header holds a control character.", "file", "lines of plain text", None)
    lines: list[str] = []
    comments: list[str] = []
    for written in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = written.strip(" \t")
        if line.startswith("#"):
            comments.append(line[1:].strip())
        elif line:
            if not line.replace("\t", " ").isprintable():
                raise MalformedInput("The WFDB header holds a control character.", "file", "lines of plain text", None)
            lines.append(line)
        if len(lines) > 10 * MAX_LEADS:
            raise MalformedInput("The WFDB header has too many lines.", "file", f"<= {MAX_LEADS} signals", None)
    return lines, tuple(comments)


def _signal_line(line: str, number: int) -> SignalLine:
    fields = line.split(maxsplit=8)
    kind = _FORMAT.fullmatch(fields[1]) if len(fields) > 1 else None
    if kind is None:
        raise _broken(number, "format", "such as 16, 212 or 16x4+24", fields[1] if len(fields) > 1 else None)
    gain = _GAIN.fullmatch(fields[2]) if len(fields) > 2 else None
    if len(fields) > 2 and gain is None:
        raise _broken(number, "gain", "such as 200, 1000/mV or 1000(0)/mV", fields[2])
    integers = fields[3:8]
    for what, text in zip(_INTEGER_FIELDS, integers, strict=False):
        if not _INTEGER.fullmatch(text):
            raise _broken(number, what, "an integer", text)
    value = float(gain["gain"]) if gain else 0.0
    if not math.isfinite(value):
        raise _broken(number, "gain", "a finite number", fields[2])
    numbers = dict(zip(_INTEGER_FIELDS, map(int, integers), strict=False))
    zero = numbers.get("ADC zero", 0)
    return SignalLine(
        file=_plain_path(fields[0]),
        format=int(kind["format"]),
        samples_per_frame=max(1, int(kind["per_frame"] or 1)),
        skew_frames=int(kind["skew"] or 0),
        offset=int(kind["offset"] or 0),
        gain=value or None,
        baseline=int(gain["baseline"]) if gain and gain["baseline"] else zero,
        adc_zero=zero,
        initial=numbers.get("initial value", zero),
        unit=gain["unit"] if gain else None,
        checksum=numbers.get("checksum", 0) % 65536 or None,
        name=fields[8][:MAX_LEAD_NAME] if len(fields) > 8 else None,
    )


def _broken(number: int, field: str, expected: str, got: str | None) -> MalformedInput:
    return MalformedInput(
        f"Signal line {number} of the WFDB header has a broken {field}.", "file", expected, shown(got)
    )


def _plain_path(path: str) -> str:
    """The path of a file of the record's folder or one below; `MalformedInput` for any other."""
    parts = path.split("/")
    if len(path) > _MAX_TOKEN or not all(_PLAIN.fullmatch(part) and ".." not in part for part in parts):
        raise MalformedInput("The WFDB header names a file outside its folder.", "file", "a plain name", path[:80])
    return path


def _check_groups(signals: tuple[SignalLine, ...]) -> None:
    """Signals of one file stand together, and share format and offset."""
    closed: set[str] = set()
    for before, line in zip((None, *signals[:-1]), signals, strict=True):
        if before is not None and before.file != line.file:
            closed.add(before.file)
        elif before is not None and (before.format, before.offset) != (line.format, line.offset):
            raise MalformedInput(f"The signals of {line.file} differ in format.", "file", before.format, line.format)
        if line.file in closed:
            raise MalformedInput(f"The signals of {line.file} do not stand together.", "file", "one block", line.file)


def _check_sizes(signals: tuple[SignalLine, ...], frames: int | None) -> None:
    values = (frames or 1) * sum(line.samples_per_frame for line in signals)
    if values > MAX_VALUES:
        raise InputTooLarge("The WFDB header announces too many samples.", "file", MAX_VALUES, values)
    skew = max(line.skew_frames for line in signals)
    if skew >= (frames or MAX_VALUES):
        raise MalformedInput("A signal is skewed by more than the recording.", "file", f"< {frames} frames", skew)


def _start(text: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The start as ISO 8601 without an offset, and what to note: no date stops a recording."""
    if text is None or _TIME_ONLY.fullmatch(text):
        return None, ()
    for form in _STARTS:
        found = form.fullmatch(text)
        if found:
            parts = found.groupdict()
            numbers = [int(parts.get(key) or 0) for key in ("year", "month", "day", "hour", "minute", "second")]
            microsecond = int(f"{parts.get('fraction') or 0:0<6}"[:6])
            try:
                year, month, day, hour, minute, second = numbers
                return datetime.datetime(year, month, day, hour, minute, second, microsecond).isoformat(), ()
            except ValueError:
                break
    written = "" if shown(text) == "text" else f" {text[:40]!r}"
    return None, (f"The start time{written} of the header is not understood.",)
