"""WFDB records as the raw ADC integers that WFDB's `rdsamp -c -H` prints, read from disk in blocks."""

import mmap
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, RecordingTooShort
from ecg.formats.wfdb_header import MAX_BYTES, Header, SignalLine, read_header
from ecg.formats.wfdb_samples import GAPS, INVALID_SAMPLE, frames_in, read_frames

BLOCK_FRAMES = 2**17


@dataclass(frozen=True)
class DigitalRecord:
    """A WFDB record in high-resolution terms: every lead at the highest rate in the record.

    Attributes
    ----------
    folder
        Where the signal files lie.
    header
        What the header says.
    leads, baseline, units
        One entry a signal.
    gain
        ADC units per physical unit of each signal; None when the header leaves one of them uncalibrated (gain 0).
    fs_hz
        Samples per second of the fastest signal.
    n_samples
        Length at `fs_hz`.
    acquired
        Start of the recording as ISO 8601 without an offset, or None when the header gives no date.
    """

    folder: Path
    header: Header
    leads: tuple[str, ...]
    gain: tuple[float, ...] | None
    baseline: tuple[int, ...]
    units: tuple[str, ...]
    fs_hz: float
    n_samples: int
    acquired: str | None

    def sample_at(self, seconds: int) -> int:
        """The number of the sample at a time, rounded as WFDB's `strtim` rounds."""
        return int(seconds * self.fs_hz + 0.5)

    def blocks(self, start: int, stop: int) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Sample number and int32 [sample, lead] of consecutive blocks from sample `start` up to, not with, `stop`.

        A signal of a lower rate repeats its value (zero-order hold), as in WFDB's high-resolution mode; a missing
        sample is `INVALID_SAMPLE`. Raises `MalformedInput` when the signal files cannot be read.
        """
        per_frame = max(line.samples_per_frame for line in self.header.signals)
        stop = min(stop, self.n_samples)
        with ExitStack() as open_files:
            contents = {file: _mapped(self.folder / file, open_files) for file in self.header.files}
            while start < stop:
                frame = start // per_frame
                last_frame = min(frame + BLOCK_FRAMES, -(-stop // per_frame))
                block = self._frames(contents, frame, last_frame)
                first = frame * per_frame
                yield start, block[start - first : stop - first]
                start = last_frame * per_frame

    def _frames(self, contents: dict[str, mmap.mmap | bytes], start: int, stop: int) -> NDArray[np.int32]:
        per_frame = max(line.samples_per_frame for line in self.header.signals)
        total = self.n_samples // per_frame
        columns = []
        for file, group in _by_file(self.header).items():
            read: dict[tuple[int, int], list[NDArray[np.int32]]] = {}
            for number, line in enumerate(group):
                # Beyond the end a skewed signal has no samples; differences (format 8) are summed from the beginning.
                begin, end = min(start + line.skew_frames, total), min(stop + line.skew_frames, total)
                first = 0 if line.format == 8 else begin
                if (first, end) not in read:
                    read[first, end] = read_frames(contents[file], group, first, end)
                width = line.samples_per_frame
                samples = read[first, end][number][(begin - first) * width :]
                samples = np.where(samples == GAPS.get(line.format), INVALID_SAMPLE, samples)
                missing = (stop - start) * width - len(samples)
                samples = np.pad(samples, (0, missing), constant_values=INVALID_SAMPLE)
                held = samples.reshape(-1, width)[:, np.arange(per_frame) * width // per_frame]
                columns.append(held.reshape(-1))
        return np.stack(columns, axis=1).astype(np.int32)


def open_digital(path: Path) -> DigitalRecord:
    """The record of a ``.hea`` file, whose samples are not read yet.

    Raises `MalformedInput` for a header that cannot be read or states no rate, and for missing signal files.
    """
    path = path if path.suffix == ".hea" else path.with_name(f"{path.name}.hea")
    header = read_header(_read(path))
    if header.frames_hz is None:
        raise MalformedInput("The WFDB header states no rate.", "fs", "Hz", None)
    groups = _by_file(header)
    with ExitStack() as open_files:
        available = min(frames_in(_mapped(path.parent / file, open_files), group) for file, group in groups.items())
    frames = available if header.frames is None else header.frames
    per_frame = max(line.samples_per_frame for line in header.signals)
    gains = [line.gain for line in header.signals]
    return DigitalRecord(
        folder=path.parent,
        header=header,
        leads=tuple(line.name or f"sig {number}" for number, line in enumerate(header.signals)),
        gain=None if None in gains else tuple(gain for gain in gains if gain is not None),
        baseline=tuple(line.baseline for line in header.signals),
        units=tuple(line.unit or "mV" for line in header.signals),
        fs_hz=header.frames_hz * per_frame,
        n_samples=frames * per_frame,
        acquired=header.acquired,
    )


def check_range(record: DigitalRecord, start: int, stop: int) -> None:
    """Raise `RecordingTooShort` when `start` lies beyond the record, `MalformedInput` when nothing is asked for."""
    if start >= record.n_samples:
        raise RecordingTooShort(
            f"The record ends before sample {start}.", "from", f"< {record.n_samples} samples", start
        )
    if start >= stop:
        raise MalformedInput("The end is not after the start.", "to", f"> {start}", stop)


def _by_file(header: Header) -> dict[str, list[SignalLine]]:
    return {file: [line for line in header.signals if line.file == file] for file in header.files}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise MalformedInput(f"{path.name} is missing.", "header", "header and signal files", path.name) from None


def _mapped(path: Path, open_files: ExitStack) -> mmap.mmap | bytes:
    """The content of a file, read when it is looked at; closed with `open_files`."""
    try:
        stream = open_files.enter_context(path.open("rb"))
    except FileNotFoundError:
        raise MalformedInput(f"{path.name} is missing.", "header", "header and signal files", path.name) from None
    if path.stat().st_size == 0:
        return b""
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
