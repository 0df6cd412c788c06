"""WFDB records (``.hea`` with ``.dat`` or ``.mat`` signal files), read by the `wfdb` package.

The header is checked here first: file names must be plain, the sampling rate stated, the sizes possible. Only then does
`wfdb` see the files, in a folder that holds nothing else.
"""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InputTooLarge, MalformedInput, UnusableRecording
from ecg.formats.stated import Stated
from ecg.formats.wfdb_signals import Choice, SignalLine, check_sums, choose
from ecg.leads import MAX_LEADS, distinct_leads
from ecg.record import EcgRecord, to_millivolt

NAME = "wfdb"
MAX_VALUES = 200_000_000  # samples times leads that a header may announce
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RECORD_LINE = re.compile(
    r"(?P<name>[^\s/]+)(?P<segments>/\d+)?\s+(?P<n_leads>\d{1,4})(?:\s+(?P<fs>[^\s/(]+)\S*)?(?:\s+(?P<n>\d+))?",
    re.ASCII,
)
_DECIMAL = re.compile(r"[-+.\deE]+", re.ASCII)


@dataclass(frozen=True)
class _Header:
    """What is checked of a header: record name, frames per second and frames as stated, and its signal lines."""

    name: str
    frames_hz: float | None
    frames: int
    lines: tuple[SignalLine, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The signal files, each once."""
        return tuple(dict.fromkeys(line.file for line in self.lines))


def claims(name: str, head: bytes) -> bool:
    """Whether this is a WFDB header, by name or by its first line."""
    return name.endswith(".hea") or bool(
        re.match(rb"[A-Za-z0-9_-]+ \d+ \d+(\.\d+)?\S* \d+\s*\n[A-Za-z0-9_-]+\.(dat|mat) ", head)
    )


def companions(data: bytes) -> tuple[str, ...]:
    """The signal files that the header names."""
    return _read_header(data).files


def announced_s(data: bytes) -> float:
    """Seconds that the header says the recording lasts; 0 when it does not say."""
    header = _read_header(data)
    return header.frames / header.frames_hz if header.frames_hz else 0.0


def parse(files: Mapping[str, bytes], main: str, stated: Stated) -> EcgRecord:
    """The recording of a header and its signal files, in mV; invalid samples become NaN.

    The scale and the rate are those of the ECG leads; a signal of another kind, scale or rate is left out with a note.
    Where every lead is uncalibrated (gain 0 or absent), `unit` is None. A header without units is in mV, as the WFDB
    header specification defines. Several samples a frame are all kept: the rate is then that many times the frame rate.
    Raises `MalformedInput` (also when the samples do not sum to the header's checksums), `InputTooLarge`,
    `UnusableRecording`.
    """
    header = _read_header(files[main])
    with tempfile.TemporaryDirectory(prefix="ecg-wfdb-") as folder:
        for name in header.files:
            if name not in files:
                raise MalformedInput(f"The header names {name}, which was not given.", "file", name, sorted(files))
            (Path(folder) / name).write_bytes(files[name])
        (Path(folder) / f"{header.name}.hea").write_bytes(files[main])
        rows, names = _read_signals(Path(folder) / header.name, header)
    chosen = choose(names, header.lines)
    leads = stated.settle_leads(tuple(names[i] for i in chosen.rows))
    fs_hz = None if header.frames_hz is None else header.frames_hz * chosen.samples_per_frame
    signal = _scaled(rows, header, chosen, stated)
    return EcgRecord(
        signal, leads, stated.settle_fs(fs_hz), chosen.unit,
        name=Path(main).stem, format=NAME, notes=chosen.notes,
    )  # fmt: skip


def _read_header(data: bytes) -> _Header:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = _RECORD_LINE.match(lines[0]) if lines else None
    if found is None:
        raise MalformedInput("The WFDB header has no record line.", "file", "name, leads, rate, samples", None)
    if found["segments"]:
        raise UnusableRecording("Multi-segment WFDB records are not read.", "file", "a single segment", lines[0][:80])
    n_leads = int(found["n_leads"])
    if n_leads > MAX_LEADS:
        raise MalformedInput("The WFDB header has too many signals.", "file", f"<= {MAX_LEADS}", n_leads)
    if not 0 < n_leads <= len(lines) - 1:
        raise MalformedInput("The WFDB header lacks signal lines.", "file", n_leads, len(lines) - 1)
    if found["fs"] and not _DECIMAL.fullmatch(found["fs"]):
        raise MalformedInput("The WFDB header holds a broken number.", "file", "numbers", lines[0][:80])
    try:
        signals = tuple(SignalLine.of(line) for line in lines[1 : n_leads + 1])
        frames_hz = float(found["fs"]) if found["fs"] else None
    except ValueError:
        raise MalformedInput("The WFDB header holds a broken number.", "file", "numbers", lines[0][:80]) from None
    for name in [found["name"], *(line.file for line in signals)]:
        if not _PLAIN.fullmatch(name) or ".." in name:
            raise MalformedInput("The WFDB header names a file outside its folder.", "file", "a plain name", name[:80])
    frames = int(found["n"] or 0)
    values = max(1, frames) * sum(line.samples_per_frame for line in signals)
    if values > MAX_VALUES:
        raise InputTooLarge("The WFDB header announces too many samples.", "file", MAX_VALUES, values)
    return _Header(found["name"], frames_hz, frames, signals)


def _read_signals(path: Path, header: _Header) -> tuple[list[NDArray[np.float64]], tuple[str, ...]]:
    """Physical samples [sample] of each signal in the header's units, all of every frame, and the signal names."""
    import wfdb  # brings pandas: only when a WFDB record is really read

    try:
        record = wfdb.rdrecord(str(path), physical=False, smooth_frames=False)
        rows = record.dac(expanded=True, return_res=64)
    except Exception as error:  # noqa: BLE001  wfdb raises bare Exception, ValueError, IndexError, … on bad bytes
        raise MalformedInput(f"The WFDB signal files cannot be read: {_first_line(error)}", "file") from None
    if not rows or min(map(len, rows)) == 0:
        raise MalformedInput("The WFDB record holds no samples.", "file", "samples", 0)
    check_sums(record.e_d_signal, record.fmt, header.lines)
    return rows, distinct_leads([name or f"signal {i + 1}" for i, name in enumerate(record.sig_name)])


def _first_line(error: Exception) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return "the folder's files do not fit the header" if "/" in text else text


def _scaled(rows: list[NDArray[np.float64]], header: _Header, chosen: Choice, stated: Stated) -> NDArray[np.float32]:
    """float32 [lead, sample] of the chosen signals, in mV where the record has a unit."""
    if chosen.unit is None:
        return np.stack([rows[i].astype(np.float32) for i in chosen.rows])
    scaled = []
    for i in chosen.rows:
        in_mv, _ = to_millivolt(rows[i], stated.settle_unit(header.lines[i].unit))  # type: ignore[arg-type]
        scaled.append(in_mv.astype(np.float32))
    return np.stack(scaled)
