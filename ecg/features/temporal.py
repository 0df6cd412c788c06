"""Temporal features: rate, variability and order of the beats.

Variability follows the Task Force of ESC and NASPE (Circulation 1996;93:1043) as far as a short recording allows:
over intervals between two beats of the dominant rhythm, and nothing in the frequency domain.
"""

from itertools import pairwise

import numpy as np

from ecg.features.schema import Feature
from ecg.measurement.intervals import Measurements

_MS = (
    "nn_mean",
    "nn_sd",
    "nn_rmssd",
    "nn_median",
    "nn_iqr",
    "nn_min",
    "nn_max",
    "nn_mean_step",
    "nn_sd1",
    "nn_sd2",
)
_PURE = (
    "nn_cv",
    "nn_step_cv",
    "nn_pnn20",
    "nn_pnn50",
    "nn_sd1_over_sd2",
    "nn_lag1_correlation",
    "nn_entropy",
)
_MEASURED = (("heart_rate", "bpm"), ("rr_mean", "ms"), ("rr_sd", "ms"), ("rmssd", "ms"))
_EVIDENCE = ("rr_irregularity", "p_wave_fraction", "paced_fraction")
_CLASSES = ("premature", "ectopic", "paced")
_ENTROPY_BIN_MS = 25.0

FEATURES: tuple[Feature, ...] = (
    *(Feature(name, unit, "temporal") for name, unit in _MEASURED),
    Feature("heart_rate_sd", "bpm", "temporal"),
    *(Feature(name, "", "temporal") for name in _EVIDENCE),
    Feature("beats_per_minute_span", "bpm", "temporal"),
    *(Feature(f"{name}_beat_fraction", "", "temporal") for name in _CLASSES),
    *(Feature(name, "ms", "temporal") for name in _MS),
    *(Feature(name, "", "temporal") for name in _PURE),
)


def values(measurements: Measurements, fs_hz: float) -> list[float | None]:
    """Values in the order of `FEATURES`; variability is None under four intervals of the dominant rhythm."""
    classes = measurements.beats.classes
    rr = measurements.beats.rr * (1000.0 / fs_hz)
    known = rr[~np.isnan(rr)]
    both = np.array([a == b == "dominant" for a, b in pairwise(classes)], dtype=bool) & ~np.isnan(rr)
    span = None if len(known) < 2 else 60000.0 / float(known.min()) - 60000.0 / float(known.max())
    return [
        *(getattr(measurements, name).value for name, _ in _MEASURED),
        measurements.heart_rate.spread,
        *(getattr(measurements.rhythm, name).value for name in _EVIDENCE),
        span,
        *(classes.count(name) / len(classes) if classes else None for name in _CLASSES),
        *_variability(rr, both),
    ]


def _variability(rr: np.ndarray[tuple[int], np.dtype[np.float64]], normal: np.ndarray) -> list[float | None]:
    nn = rr[normal]
    pairs = normal[1:] & normal[:-1]
    step = np.diff(rr)[pairs]
    if len(nn) < 4 or len(step) < 3:
        return [None] * (len(_MS) + len(_PURE))
    mean, variance = float(nn.mean()), float(nn.var(ddof=1))
    rmssd = float(np.sqrt((step**2).mean()))
    sd1 = float(step.std(ddof=1)) / np.sqrt(2.0)
    sd2 = float(np.sqrt(max(2.0 * variance - sd1**2, 0.0)))
    low, median, high = (float(q) for q in np.percentile(nn, (25, 50, 75)))
    earlier, later = rr[:-1][pairs] - mean, rr[1:][pairs] - mean
    power = float(np.sqrt((earlier**2).sum() * (later**2).sum()))
    share = np.unique(np.floor(nn / _ENTROPY_BIN_MS), return_counts=True)[1] / len(nn)
    return [
        mean,
        variance**0.5,
        rmssd,
        median,
        high - low,
        float(nn.min()),
        float(nn.max()),
        float(np.abs(step).mean()),
        sd1,
        sd2,
        variance**0.5 / mean,
        rmssd / mean,
        float((np.abs(step) > 20).mean()),
        float((np.abs(step) > 50).mean()),
        sd1 / sd2 if sd2 else None,
        float((earlier * later).sum()) / power if power else None,
        float(-(share * np.log2(share)).sum()),
    ]
