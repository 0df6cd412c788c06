"""The input ECG-FM was trained on: twelve leads at 500 Hz, each standardised, cut into five-second segments."""

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InvalidSamples, RecordingTooShort
from ecg.record import EcgRecord

MODEL_FS_HZ = 500
SEGMENT_SAMPLES = 2500
SEGMENT_S = SEGMENT_SAMPLES / MODEL_FS_HZ
#: Names the recipe in provenance. Change it with any change that can move a prepared sample.
PREPARATION = "ecg-fm/1: 12 leads, linear 500 Hz, z-score per lead over the recording, 2500-sample segments"


def prepare(record: EcgRecord) -> NDArray[np.float32]:
    """Segments for ECG-FM, float32 [segment, 12, 2500], no unit (standardised).

    The steps of fairseq-signals' ``preprocess.py`` (commit 6b9e137), in its order: standard lead order; linear
    interpolation to 500 Hz with the end points aligned and the length truncated; z-score of each lead over the whole
    recording with the population deviation, a constant lead becoming zeros; non-overlapping 2500-sample segments from
    the start, the remainder dropped. Within 2e-6 of the authors' stored arrays.

    Where the authors define nothing, nothing is invented: a lead that is absent and cannot be derived raises
    `MissingLeads`, a missing sample `InvalidSamples`, less than five seconds `RecordingTooShort`.
    """
    record = record.standard()
    check_finite(record)
    resampled = _resample(record.signal, record.fs_hz)
    n_segments = resampled.shape[1] // SEGMENT_SAMPLES
    if n_segments == 0:
        raise RecordingTooShort(
            f"{record.duration_s:.2f} s is shorter than one segment of {SEGMENT_S:g} s.",
            "signal", f">= {SEGMENT_S:g} s", round(record.duration_s, 3),
        )  # fmt: skip
    standardised = _standardise(resampled)[:, : n_segments * SEGMENT_SAMPLES]
    segments = standardised.reshape(12, n_segments, SEGMENT_SAMPLES).transpose(1, 0, 2)
    return np.ascontiguousarray(segments, dtype=np.float32)


def check_finite(record: EcgRecord) -> None:
    """Raise `InvalidSamples` naming the leads that hold missing samples."""
    missing = np.isnan(record.signal).sum(axis=1)
    if missing.any():
        counts = {lead: int(n) for lead, n in zip(record.leads, missing, strict=True) if n}
        raise InvalidSamples(
            f"Missing samples (NaN) in {', '.join(counts)}; the models need every sample.",
            "signal", "finite samples", counts,
        )  # fmt: skip


def _resample(signal: NDArray[np.float32], fs_hz: float) -> NDArray[np.float64]:
    """Linear interpolation to 500 Hz, float64 [lead, sample]; end points aligned as the authors do."""
    if fs_hz == MODEL_FS_HZ:
        return signal.astype(np.float64)
    n_in = signal.shape[1]
    n_out = int(n_in * (MODEL_FS_HZ / fs_hz))
    at = np.linspace(0, n_out - 1, n_in)
    wanted = np.arange(n_out)
    return np.stack([np.interp(wanted, at, row.astype(np.float64)) for row in signal])


def _standardise(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = signal.mean(axis=1, keepdims=True)
    deviation = signal.std(axis=1, keepdims=True)
    constant = signal.min(axis=1, keepdims=True) == signal.max(axis=1, keepdims=True)
    scaled: NDArray[np.float64] = np.where(constant, 0.0, (signal - mean) / np.where(constant, 1.0, deviation))
    return scaled
