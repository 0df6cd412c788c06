"""Temporal features: rate, variability and order of the beats.

Variability follows the Task Force of ESC and NASPE (Circulation 1996;93:1043) as far as a short recording allows:
over intervals between two beats of the dominant rhythm, and nothing in the frequency domain.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ecg.features.schema import Block, Feature, Inputs, block, measured

Float = NDArray[np.float64]

_EVIDENCE = ("rr_irregularity", "p_wave_fraction", "paced_fraction")
_CLASSES = ("premature", "ectopic", "paced")
_VARIABILITY = tuple(
    Feature(f"nn_{name}", unit, "temporal")
    for name, unit in (
        *((name, "ms") for name in ("mean", "sd", "rmssd", "median", "iqr", "min", "max", "mean_step", "sd1", "sd2")),
        *((name, "") for name in ("cv", "step_cv", "pnn20", "pnn50", "sd1_over_sd2", "lag1_correlation", "entropy")),
    )
)
_ENTROPY_BIN_MS = 25.0


def _rr_ms(inputs: Inputs) -> Float:
    rr: Float = inputs.measurements.beats.rr * (1000.0 / inputs.fs_hz)
    return rr


def _evidence(inputs: Inputs) -> list[float | None]:
    return [getattr(inputs.measurements.rhythm, name).value for name in _EVIDENCE]


def _rate_span(inputs: Inputs) -> list[float | None]:
    rr = _rr_ms(inputs)
    known = rr[~np.isnan(rr)]
    return [None if len(known) < 2 else 60000.0 / float(known.min()) - 60000.0 / float(known.max())]


def _class_shares(inputs: Inputs) -> list[float | None]:
    classes = inputs.measurements.beats.classes
    return [classes.count(name) / len(classes) if classes else None for name in _CLASSES]


def _variability(inputs: Inputs) -> list[float | None]:
    """None everywhere under four intervals of the dominant rhythm."""
    rr = _rr_ms(inputs)
    dominant = [a == b == "dominant" for a, b in pairwise(inputs.measurements.beats.classes)]
    normal = np.array(dominant, dtype=bool) & ~np.isnan(rr)
    nn = rr[normal]
    pairs = normal[1:] & normal[:-1]
    step = np.diff(rr)[pairs]
    if len(nn) < 4 or len(step) < 3:
        return [None] * len(_VARIABILITY)
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


BLOCKS = (
    measured("temporal", "bpm", "heart_rate"),
    measured("temporal", "ms", "rr_mean", "rr_sd", "rmssd"),
    block("temporal", "bpm", ["heart_rate_sd"], lambda inputs: [inputs.measurements.heart_rate.spread]),
    block("temporal", "", _EVIDENCE, _evidence),
    block("temporal", "bpm", ["beats_per_minute_span"], _rate_span),
    block("temporal", "", [f"{name}_beat_fraction" for name in _CLASSES], _class_shares),
    Block(_VARIABILITY, _variability),
)
