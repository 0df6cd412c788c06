"""Exchanged electrodes, from what the precordial leads say the limb leads should show.

The course of P, QRS and T in V1 to V6 predicts their course in leads I and II. A limb-lead reversal is the exchange
after which prediction and recording agree best, when that is clearly better than without one (the idea of Kors and van
Herpen, J Electrocardiol 2001;34 Suppl:125, with likelihoods instead of correlations), and when the ventricles
do not object: a P wave from another focus has another axis. A precordial exchange is the one after which neighbouring
leads are most alike (`docs/quality.md` has the figures of both).
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import median
from ecg.leads import INDEPENDENT_LEADS, PRECORDIAL_LEADS
from ecg.measurement.limits import P_WAVE
from ecg.measurement.median import MedianBeat
from ecg.quality.limits import BEAT_CHECK, REVERSAL

Floats = NDArray[np.float64]

# The recorded I and II as functions of the true ones; each exchange undoes itself.
EXCHANGES = {
    "LA/RA": np.array([[-1.0, 0.0], [-1.0, 1.0]]),
    "RA/LL": np.array([[1.0, -1.0], [0.0, -1.0]]),
    "LA/LL": np.array([[0.0, 1.0], [1.0, 0.0]]),
}
V1_TURNED = "V1/-V1"  # no fault that can be named: in right bundle branch block V1 may be the opposite of V2
WAVES = ("P", "QRS", "T")
_EXCHANGED = tuple(combinations(range(6), 2))
# Two precordial leads exchanged, or one turned over: names, the order of the leads as they should be, and their signs.
_PRECORDIAL = (
    *(f"V{first + 1}/V{second + 1}" for first, second in _EXCHANGED),
    *(f"{lead}/-{lead}" for lead in PRECORDIAL_LEADS[1:]),
)
_ORDERS = np.array(
    [range(6), *([{a: b, b: a}.get(lead, lead) for lead in range(6)] for a, b in _EXCHANGED), *[range(6)] * 5],
    dtype=np.intp,
)
_SIGNS = np.concatenate([np.ones((1 + len(_EXCHANGED), 6)), 1.0 - 2.0 * np.eye(6)[1:]])
_GAINS = np.array([1.0, *[REVERSAL.exchange_gain] * len(_EXCHANGED), *[REVERSAL.turn_gain] * 5])


@dataclass(frozen=True)
class Suspicion:
    """Electrodes that seem exchanged, or ``"all leads"`` turned over; `certain` when every wave that tells agrees."""

    what: str
    certain: bool


@dataclass(frozen=True, eq=False)
class WaveModel:
    """What V1 to V6 say about I and II over n instants of one wave, in fractions of the wave's size.

    Attributes
    ----------
    predict
        float64 [n * 6, n * 2]: I and II at each instant from V1 to V6 at all of them.
    precision
        float64 [n * 2, n * 2]: inverse covariance of what is left.
    """

    predict: Floats
    precision: Floats


@lru_cache(maxsize=1)
def limb_models() -> dict[str, WaveModel]:
    """The models of `WAVES`, fitted by benchmarks/lead_reversal.py, which writes the file."""
    content = json.loads(resources.files("ecg.quality").joinpath("limb_leads.json").read_text())
    return {
        wave: WaveModel(np.array(content[wave]["predict"]), np.linalg.inv(np.array(content[wave]["covariance"])))
        for wave in WAVES
    }


def wave_vectors(median: MedianBeat) -> dict[str, Floats] | None:
    """I, II, V1 to V6 over the instants of each wave that is there, float64 [instant, 8] in fractions of its size.

    None without a QRS complex or one of these leads. The size counts I, II and III alike, so that no exchange of limb
    electrodes changes it.
    """
    rows = [median.leads.index(lead) for lead in INDEPENDENT_LEADS if lead in median.leads]
    if len(rows) < len(INDEPENDENT_LEADS) or not median.usable[rows].all():
        return None
    if median.qrs is None:
        return None
    onset, offset = round(median.qrs.onset), round(median.qrs.offset)
    beat = median.above_level()[rows]
    peak = onset + int(_size(beat[:, onset : offset + 1].T).argmax())
    waves = {"QRS": _scaled(_around(beat, peak + np.array(REVERSAL.qrs_at), REVERSAL.qrs_half))}
    if median.t is not None:
        waves["T"] = _scaled(_around(beat, round(median.t.peak) + np.array(REVERSAL.t_at), REVERSAL.t_half))
    if median.p is not None:
        wave = beat[:, max(0, round(median.p.onset - P_WAVE.toe)) : round(median.p.offset) + 1]
        along = np.linspace(0.0, 1.0, wave.shape[1])
        wave = wave - np.outer(wave[:, :4].mean(axis=1), 1 - along) - np.outer(wave[:, -4:].mean(axis=1), along)
        waves["P"] = _scaled(
            _around(wave, np.rint(np.array(REVERSAL.p_shares) * wave.shape[1]).astype(np.intp), REVERSAL.p_half)
        )
    return waves


def limb_reversal(waves: dict[str, Floats], heart_rate: float | None, models: dict[str, WaveModel]) -> Suspicion | None:
    """The limb electrodes that seem exchanged, or None; `waves` from `wave_vectors`, the rate in bpm.

    Not certain when QRS and T do not say so as well, by `ReversalLimits.ventricles` or, without a clear P wave, by
    `ventricles_alone`: an ectopic atrial rhythm turns the P wave alone.
    """
    return verdict(exchange_gains(waves, models), clear_p=has_clear_p(waves, heart_rate))


def verdict(gains: dict[str, tuple[float, float]], *, clear_p: bool) -> Suspicion | None:
    """What `exchange_gains` mean."""
    best = max(gains, key=lambda name: sum(gains[name]))
    total, ventricles = sum(gains[best]), gains[best][1]
    if best == V1_TURNED or total <= (REVERSAL.margin if clear_p else REVERSAL.margin_unsure):
        return None
    return Suspicion(
        best, total > REVERSAL.certain and ventricles > (REVERSAL.ventricles if clear_p else REVERSAL.ventricles_alone)
    )


def turned_over(waves: dict[str, Floats], *, clear_p: bool) -> Suspicion | None:
    """All leads with the wrong sign, when P, QRS and T point away from I, II, V5 and V6; None otherwise.

    No exchange of electrodes does that. Infarction and conduction disturbances turn QRS and T over, and leave the
    atria alone: it is certain only where a clear P wave says so, too, or, without P, both others without exception.
    """
    signs = np.array([[_sign(vectors[:, [0, 1]]), _sign(vectors[:, [6, 7]])] for vectors in waves.values()])
    frontal, lateral = signs.sum(axis=0)
    qrs = signs[list(waves).index("QRS")].mean()
    if qrs >= 0.0 or frontal + lateral >= 0.0:
        return None
    most = qrs < REVERSAL.qrs_polarity and max(frontal, lateral) < REVERSAL.polarity
    if "P" in waves:
        sure = clear_p and signs[list(waves).index("P")].max() < REVERSAL.polarity
    else:
        sure = len(waves) > 1 and signs.max() < REVERSAL.polarity_without_p
    return Suspicion("all leads", bool(most and sure))


def _sign(values: Floats) -> float:
    """Sum over sum of magnitudes: 1 where all are positive, -1 where all are negative."""
    return float(values.sum() / max(float(np.abs(values).sum()), 1e-12))


def has_clear_p(waves: dict[str, Floats], heart_rate: float | None) -> bool:
    """Whether there is a P wave that stands apart from the T wave before it."""
    return "P" in waves and heart_rate is not None and heart_rate <= REVERSAL.fast_bpm


def exchange_gains(waves: dict[str, Floats], models: dict[str, WaveModel]) -> dict[str, tuple[float, float]]:
    """By how much the log-likelihoods of P, and of QRS and T, rise when each of `EXCHANGES` is undone, or V1 turned.

    V1 is turned in QRS and T only: a bundle branch block leaves the atria alone.
    """
    here = _atria_ventricles(waves, models)
    gains = {
        name: (after[0] - here[0], after[1] - here[1])
        for name in (*EXCHANGES, V1_TURNED)
        for after in [_atria_ventricles(exchanged(waves, name), models)]
    }
    return gains | {V1_TURNED: (0.0, gains[V1_TURNED][1])}


def exchanged(waves: dict[str, Floats], name: str) -> dict[str, Floats]:
    """The vectors with the wires of one of `EXCHANGES`, or of a pair such as ``"V1/V2"`` or ``"V1/-V1"``, swapped."""
    wires = np.eye(len(INDEPENDENT_LEADS))
    if name in EXCHANGES:
        wires[:2, :2] = EXCHANGES[name]
    elif "-" in name:
        wires[INDEPENDENT_LEADS.index(name[:2])] *= -1.0
    else:
        pair = [INDEPENDENT_LEADS.index(lead) for lead in name.split("/")]
        wires[pair] = wires[pair[::-1]]
    return {wave: vectors @ wires.T for wave, vectors in waves.items()}


def _atria_ventricles(waves: dict[str, Floats], models: dict[str, WaveModel]) -> tuple[float, float]:
    """Log-likelihoods, up to a constant, of I and II given V1 to V6: in the P wave, and in QRS and T."""
    total = {"P": 0.0, "QRS": 0.0, "T": 0.0}
    for wave, vectors in waves.items():
        left = vectors[:, :2].ravel() - vectors[:, 2:].ravel() @ models[wave].predict
        distance = float(left @ models[wave].precision @ left)
        total[wave] = -(REVERSAL.degrees_of_freedom + len(left)) / 2 * np.log1p(distance / REVERSAL.degrees_of_freedom)
    return total["P"], total["QRS"] + total["T"]


def precordial_reversal(beats: NDArray[np.float32], fs_hz: float) -> str | None:
    """Two precordial leads that seem exchanged, ``"V1/V2"``, or one of V2 to V6 turned over, ``"V2/-V2"``.

    None for neither; `beats` are of V1 to V6, [6, sample].
    """
    start, stop, level = (round((BEAT_CHECK.before_s + s) * fs_hz) for s in (-0.06, 0.40, -0.10))
    shapes = beats[:, start:stop] - median(beats[:, level:start])[:, None]
    shapes = shapes / np.maximum(np.linalg.norm(shapes, axis=1, keepdims=True), 1e-12)
    alike = (shapes @ shapes.T)[_ORDERS[:, :-1], _ORDERS[:, 1:]] * _SIGNS[:, :-1] * _SIGNS[:, 1:]
    lengths = np.sqrt(np.maximum(0.0, 2 - 2 * alike)).sum(axis=1)  # of the path V1 to V6 as it is, and changed
    best = int((_GAINS * lengths).argmin())
    return _PRECORDIAL[best - 1] if best else None


def _around(beat: Floats, at: NDArray[np.intp], half: int) -> Floats:
    """Means of [lead, sample] around some samples, float64 [instant, lead]."""
    index = np.clip(at[:, None] + np.arange(-half, half + 1), 0, beat.shape[1] - 1)
    means: Floats = beat[:, index].mean(axis=2).T
    return means


def _scaled(vectors: Floats) -> Floats:
    """Vectors of a wave [instant, 8] in fractions of the largest one's length."""
    return vectors / max(float(_size(vectors).max()), 1e-12)


def _size(vectors: Floats) -> Floats:
    """Length of each vector [instant, 8], the limb part counted over I, II and III."""
    first, second = vectors[:, 0], vectors[:, 1]
    limb = (first**2 + second**2 + (second - first) ** 2) / 1.5
    size: Floats = np.sqrt(limb + (vectors[:, 2:] ** 2).sum(axis=1))
    return size
