"""Exchanged electrodes, from what the precordial leads say the limb leads should show.

The heart vector that V1 to V6 see at the peak of P, QRS and T predicts leads I and II. A limb-lead reversal is the
exchange after which prediction and recording agree best, when that is clearly better than without one (the idea of
Kors and van Herpen, J Electrocardiol 2001;34 Suppl:125, with three instants instead of whole leads). A precordial
exchange is the one after which neighbouring leads are most alike (`docs/quality.md` has the figures of both).
"""

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from ecg.leads import PRECORDIAL_LEADS
from ecg.quality.detect import BEFORE_S

Floats = NDArray[np.float64]
INDEPENDENT_LEADS = ("I", "II", *PRECORDIAL_LEADS)

# The recorded I and II as functions of the true ones; each exchange undoes itself.
EXCHANGES = {
    "LA/RA": np.array([[-1.0, 0.0], [-1.0, 1.0]]),
    "RA/LL": np.array([[1.0, -1.0], [0.0, -1.0]]),
    "LA/LL": np.array([[0.0, 1.0], [1.0, 0.0]]),
}
# By how much the log-likelihood must rise. LA/LL leaves every wave plausible in most recordings, so it needs more.
MARGINS = {"LA/RA": 0.5, "RA/LL": 0.5, "LA/LL": 3.0}
NEIGHBOUR_GAIN = 1.07  # by which exchanging two precordial leads must shorten the path V1 to V6
LEAST_P = 0.03  # of the QRS: under it there is no P wave
DEGREES_OF_FREEDOM = 4.0  # of the Student distribution of the residuals: outliers are common
WAVE_WEIGHTS = (2.0, 1.0, 1.0)  # P, QRS, T: the P axis varies least between people


@dataclass(frozen=True, eq=False)
class LimbModel:
    """What V1 to V6 say about I and II, per wave (P, QRS, T), in fractions of the length of the eight-lead vector.

    Attributes
    ----------
    predict
        float64 [3, 6, 2]: I and II from V1 to V6.
    precision
        float64 [3, 2, 2]: inverse covariance of what is left.
    """

    predict: Floats
    precision: Floats


# Ridge regression on 128 recordings with correct leads: benchmarks/lead_reversal.py prints it anew.
MODEL = LimbModel(
    predict=np.array([
        [[-0.3056, -0.2715], [0.2456, 0.0058], [0.2879, 0.3614], [0.1943, 0.3932], [0.276, 0.4736], [0.5383, 0.6951]],
        [[-0.3334, -0.281], [0.0242, -0.1156], [0.0256, 0.0291], [0.0971, 0.1408], [0.2419, 0.1652], [0.3021, 0.2724]],
        [[-0.3521, -0.1727], [0.2223, 0.1212], [0.0653, 0.1206], [0.0008, 0.0055], [0.2111, 0.2005], [0.4585, 0.4345]],
    ]),
    precision=np.linalg.inv(np.array([
        [[0.0729, 0.0120], [0.0120, 0.0799]],
        [[0.0202, 0.0044], [0.0044, 0.0212]],
        [[0.0284, 0.0014], [0.0014, 0.0400]],
    ])),
)  # fmt: skip


def wave_vectors(beats: NDArray[np.float32], fs_hz: float) -> Floats:
    """I, II, V1 to V6 at the peaks of P, QRS and T, float64 [3, 8], each of unit length; P is zero where there is none.

    `beats` is the median beat of `INDEPENDENT_LEADS`, float32 [8, sample], from `BEFORE_S` before the QRS.
    """
    beats = beats.astype(np.float64)

    def at(seconds: float) -> int:
        return round((BEFORE_S + seconds) * fs_hz)

    before = beats[:, at(-0.28) : at(-0.07)]
    along = np.linspace(0.0, 1.0, before.shape[1])
    level = np.outer(before[:, :3].mean(axis=1), 1 - along) + np.outer(before[:, -3:].mean(axis=1), along)
    pr_level: Floats = np.asarray(np.median(beats[:, at(-0.10) : at(-0.06)], axis=1), dtype=np.float64)
    rest = beats - pr_level[:, None]
    waves = [
        _at_peak(before - level, 0.015 * fs_hz),
        _at_peak(rest[:, at(-0.06) : at(0.08)], 0.005 * fs_hz),
        _at_peak(rest[:, at(0.14) : at(0.42)], 0.020 * fs_hz),
    ]
    if np.linalg.norm(waves[0]) < LEAST_P * np.linalg.norm(waves[1]):
        waves[0] = np.zeros(len(beats))
    return _unit(np.stack(waves))


def limb_reversal(vectors: Floats, model: LimbModel = MODEL) -> str | None:
    """The limb electrodes that seem exchanged, or None; `vectors` from `wave_vectors`."""
    here = log_likelihood(vectors, model)
    gains = {name: log_likelihood(exchanged(vectors, name), model) - here for name in EXCHANGES}
    # an LA/LL exchange is nearly invisible, so the others must beat that explanation too
    for name in ("LA/RA", "RA/LL"):
        gains[name] -= float(np.logaddexp(0.0, gains["LA/LL"]))
    margins = MARGINS
    if not vectors[0].any():  # without P waves the rhythm may be paced or ventricular, with any axis
        margins = {name: 4 * margin for name, margin in MARGINS.items()}
    best = max(gains, key=lambda name: gains[name] - margins[name])
    return best if gains[best] > margins[best] else None


def exchanged(vectors: Floats, name: str) -> Floats:
    """The vectors with the wires of one of `EXCHANGES` swapped."""
    limb = vectors[..., :2] @ EXCHANGES[name].T
    return _unit(np.concatenate([limb, vectors[..., 2:]], axis=-1))


def log_likelihood(vectors: Floats, model: LimbModel) -> float:
    """How well I and II fit V1 to V6, up to a constant."""
    left = vectors[:, :2] - (vectors[:, None, 2:] @ model.predict)[:, 0]
    distance = (left[:, None] @ model.precision @ left[:, :, None])[:, 0, 0]
    fit = -(DEGREES_OF_FREEDOM + 2) / 2 * np.log1p(distance / DEGREES_OF_FREEDOM)
    return float(fit @ np.array(WAVE_WEIGHTS))


def precordial_reversal(beats: NDArray[np.float32], fs_hz: float) -> str | None:
    """Two precordial leads that seem exchanged, such as ``"V1/V2"``, or None; `beats` of V1 to V6, [6, sample]."""
    start, stop, level = (round((BEFORE_S + s) * fs_hz) for s in (-0.06, 0.40, -0.10))
    shapes = beats[:, start:stop] - np.median(beats[:, level:start], axis=1, keepdims=True)
    shapes = shapes / np.maximum(np.linalg.norm(shapes, axis=1, keepdims=True), 1e-12)
    apart = np.sqrt(np.maximum(0.0, 2 - 2 * (shapes @ shapes.T))).tolist()

    def path(order: list[int]) -> float:
        return float(sum(apart[a][b] for a, b in pairwise(order)))

    lengths = {}
    for first, second in combinations(range(6), 2):
        order = list(range(6))
        order[first], order[second] = second, first
        lengths[f"V{first + 1}/V{second + 1}"] = path(order)
    best = min(lengths, key=lambda name: lengths[name])
    return best if path(list(range(6))) > NEIGHBOUR_GAIN * lengths[best] else None


def _at_peak(wave: Floats, half_width: float) -> Floats:
    """Mean of [lead, sample] around the sample where all leads together are largest, [lead]."""
    peak = int(np.argmax((wave**2).sum(axis=0)))
    width = round(half_width)
    mean: Floats = wave[:, max(0, peak - width) : peak + width + 1].mean(axis=1)
    return mean


def _unit(vectors: Floats) -> Floats:
    """Scaled to unit length, the limb part counted over I, II and III so that an exchange does not change it."""
    first, second = vectors[..., 0], vectors[..., 1]
    limb = (first**2 + second**2 + (second - first) ** 2) / 1.5
    length = np.sqrt(limb + (vectors[..., 2:] ** 2).sum(axis=-1))
    unit: Floats = vectors / np.maximum(length, 1e-12)[..., None]
    return unit
