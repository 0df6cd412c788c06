"""The input ECG-FM was trained on: twelve leads at 500 Hz, each standardised, cut into five-second segments."""

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InvalidSamples, MissingLeads, RecordingTooShort
from ecg.leads import STANDARD_LEADS
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
    check_preparable(record)
    resampled = _resample(record.standard().signal, record.fs_hz)
    n_segments = resampled.shape[1] // SEGMENT_SAMPLES
    standardised = _standardise(resampled)[:, : n_segments * SEGMENT_SAMPLES]
    segments = standardised.reshape(12, n_segments, SEGMENT_SAMPLES).transpose(1, 0, 2)
    return np.ascontiguousarray(segments, dtype=np.float32)


def segment_count(record: EcgRecord) -> int:
    """How many segments `prepare` makes of a recording; 0 when it is shorter than five seconds."""
    return _resampled_length(record.n_samples, record.fs_hz) // SEGMENT_SAMPLES


def check_preparable(record: EcgRecord) -> None:
    """Raise the `UnusableRecording` that `prepare` would raise, without preparing anything."""
    missing_leads = record.missing_standard_leads()
    if missing_leads:
        raise MissingLeads(
            f"Missing leads: {', '.join(missing_leads)}.", "lead_names", list(STANDARD_LEADS), list(record.leads)
        )
    if segment_count(record) == 0:
        raise RecordingTooShort(
            f"{record.duration_s:.2f} s is shorter than one segment of {SEGMENT_S:g} s.",
            "signal",
            f">= {SEGMENT_S:g} s",
            round(record.duration_s, 3),
        )
    counts = {
        lead: int(np.isnan(row).sum())
        for lead, row in zip(record.leads, record.signal, strict=True)
        if lead in STANDARD_LEADS and np.isnan(row).any()
    }
    if counts:
        raise InvalidSamples(
            f"Missing samples (NaN) in {', '.join(counts)}; the models need every sample.",
            "signal",
            "finite samples",
            counts,
        )


def _resampled_length(n_samples: int, fs_hz: float) -> int:
    return n_samples if fs_hz == MODEL_FS_HZ else int(n_samples * (MODEL_FS_HZ / fs_hz))


def _resample(signal: NDArray[np.float32], fs_hz: float) -> NDArray[np.float64]:
    """Linear interpolation to 500 Hz, float64 [lead, sample]; end points aligned as the authors do."""
    if fs_hz == MODEL_FS_HZ:
        return signal.astype(np.float64)
    n_in = signal.shape[1]
    n_out = _resampled_length(n_in, fs_hz)
    at = np.linspace(0, n_out - 1, n_in)
    wanted = np.arange(n_out)
    return np.stack([np.interp(wanted, at, row.astype(np.float64)) for row in signal])


def _standardise(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = signal.mean(axis=1, keepdims=True)
    deviation = signal.std(axis=1, keepdims=True)
    constant = signal.min(axis=1, keepdims=True) == signal.max(axis=1, keepdims=True)
    scaled: NDArray[np.float64] = np.where(constant, 0.0, (signal - mean) / np.where(constant, 1.0, deviation))
    return scaled
