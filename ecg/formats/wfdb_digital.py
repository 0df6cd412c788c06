"""WFDB records as the raw ADC integers that WFDB's `rdsamp -c -H` prints."""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from ecg.errors import MalformedInput, RecordingTooShort
from ecg.formats.wfdb_signals import GAP_IN_FORMAT, INVALID_SAMPLE

BLOCK_FRAMES = 2**17
_GAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True)
class DigitalRecord:
    """Header of a WFDB record, in high-resolution terms: every lead at the highest rate in the record.

    Attributes
    ----------
    stem
        Path of the header without ``.hea``.
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

    stem: Path
    leads: tuple[str, ...]
    gain: tuple[float, ...] | None
    baseline: tuple[int, ...]
    units: tuple[str, ...]
    fs_hz: float
    n_samples: int
    acquired: str | None
    samples_per_frame: tuple[int, ...]

    def sample_at(self, seconds: int) -> int:
        """The number of the sample at a time, rounded as WFDB's `strtim` rounds."""
        return int(seconds * self.fs_hz + 0.5)

    def blocks(self, start: int, stop: int) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Sample number and int32 [sample, lead] of consecutive blocks from sample `start` up to, not with, `stop`.

        A signal of a lower rate repeats its value (zero-order hold), as in WFDB's high-resolution mode; a missing
        sample is `INVALID_SAMPLE`. Raises `MalformedInput` when the signal files cannot be read.
        """
        per_frame = max(self.samples_per_frame)
        stop = min(stop, self.n_samples)
        while start < stop:
            frame = start // per_frame
            last_frame = min(frame + BLOCK_FRAMES, -(-stop // per_frame))
            block = self._frames(frame, last_frame)
            first = frame * per_frame
            yield start, block[start - first : stop - first]
            start = last_frame * per_frame

    def _frames(self, start: int, stop: int) -> NDArray[np.int32]:
        per_frame = max(self.samples_per_frame)
        record = _read(wfdb.rdrecord, self.stem, sampfrom=start, sampto=stop, physical=False, smooth_frames=False)
        columns = []
        for samples, width, fmt in zip(record.e_d_signal, self.samples_per_frame, record.fmt, strict=True):
            held = samples.reshape(-1, width)[:, np.arange(per_frame) * width // per_frame].reshape(-1)
            columns.append(np.where(held == GAP_IN_FORMAT.get(fmt), INVALID_SAMPLE, held))
        return np.stack(columns, axis=1).astype(np.int32)


def open_digital(header: Path) -> DigitalRecord:
    """What a ``.hea`` file says. Raises `MalformedInput` for one that cannot be read or has no signals."""
    stem = header.with_suffix("") if header.suffix == ".hea" else header
    found = _read(wfdb.rdheader, stem)
    if not isinstance(found, wfdb.Record):
        raise MalformedInput("Multi-segment WFDB records are not supported; list their segments.", "header")
    if not found.n_sig:
        raise MalformedInput("The WFDB header describes no signals.", "header", ">= 1 signal", 0)
    per_frame = tuple(int(n or 1) for n in found.samps_per_frame)
    if found.sig_len is None:
        found = _read(wfdb.rdrecord, stem, physical=False, smooth_frames=False)
    acquired = None
    if found.base_date is not None:
        acquired = datetime.datetime.combine(found.base_date, found.base_time or datetime.time()).isoformat()
    return DigitalRecord(
        stem=stem,
        leads=tuple(name or f"sig {number}" for number, name in enumerate(found.sig_name)),
        gain=tuple(float(gain) for gain in found.adc_gain) if _calibrated(stem, found.n_sig) else None,
        baseline=tuple(int(baseline) for baseline in found.baseline),
        units=tuple(found.units),
        fs_hz=float(found.fs) * max(per_frame),
        n_samples=int(found.sig_len) * max(per_frame),
        acquired=acquired,
        samples_per_frame=per_frame,
    )


def check_range(record: DigitalRecord, start: int, stop: int) -> None:
    """Raise `RecordingTooShort` when `start` lies beyond the record, `MalformedInput` when nothing is asked for."""
    if start >= record.n_samples:
        raise RecordingTooShort(
            f"The record ends before sample {start}.", "from", f"< {record.n_samples} samples", start
        )
    if start >= stop:
        raise MalformedInput("The end is not after the start.", "to", f"> {start}", stop)


def _calibrated(stem: Path, n_signals: int) -> bool:
    """Whether every signal line states a gain other than 0; wfdb itself reports 200 for one that does not."""
    lines = stem.with_name(stem.name + ".hea").read_text(encoding="utf-8", errors="replace").splitlines()
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    gains = [_GAIN.match(fields[2]) for fields in map(str.split, lines[1 : n_signals + 1]) if len(fields) > 2]
    return len(gains) == n_signals and all(gain and float(gain[0]) != 0 for gain in gains)


def _read(reader: object, stem: Path, **arguments: object) -> wfdb.Record:
    """Call a wfdb reader; what it raises on damaged files becomes `MalformedInput`."""
    try:
        return reader(str(stem), **arguments)  # type: ignore[operator]
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else stem.name
        raise MalformedInput(f"{missing} is missing.", "header", "header and signal files", missing) from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OSError) as error:
        raise MalformedInput(f"wfdb cannot read {stem.name}: {error}.", "header", "a readable WFDB record") from error
