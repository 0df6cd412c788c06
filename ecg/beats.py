"""Where the beats are, and which of them belong to the dominant rhythm."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import signal as dsp
from sleepecg import detect_heartbeats

from ecg.delineation.condition import FS_HZ, Conditioned, Float

BeatClass = Literal["dominant", "premature", "ectopic", "paced"]
Index = NDArray[np.int64]

_QRS_HALF = 30  # 60 ms each side of R: the stretch compared between beats
_SHIFT = 10  # largest shift tried when a beat is aligned, 20 ms
_SAME_SHAPE = 0.9  # correlation over all leads above which two beats have one shape


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats of a recording.

    Attributes
    ----------
    r_samples
        int64 [beat], R peaks as sample indexes of the recording, rising.
    classes
        Class of each beat. ``dominant``: shape of the dominant rhythm; ``premature``: that shape, early;
        ``ectopic``: another shape; ``paced``: preceded by a pacing spike.
    detector_agreement
        Share of beats that a second look at each single lead confirms, 0 to 1; None when there are no beats.
    """

    r_samples: Index
    classes: tuple[BeatClass, ...]
    detector_agreement: float | None

    def of(self, *classes: BeatClass) -> Index:
        """Positions in `r_samples` of the beats of the given classes, int64."""
        return np.array([i for i, name in enumerate(self.classes) if name in classes], dtype=np.int64)


def find_r(conditioned: Conditioned) -> Index:
    """R peaks, int64 [beat], in 500 Hz samples: sleepecg on the root mean square over the usable leads."""
    signal = conditioned.signal[conditioned.usable]
    if len(signal) == 0 or signal.shape[1] < FS_HZ:
        return np.zeros(0, dtype=np.int64)
    band = qrs_band(signal)
    activity = np.ascontiguousarray(np.sqrt((band**2).mean(axis=0)))
    rough: Index = detect_heartbeats(activity, FS_HZ / 2)
    return _refine(2 * rough, signal)


def qrs_band(signal: Float) -> Float:
    """The 5–30 Hz band at 250 Hz, each lead divided by its own median magnitude, float64 [lead, sample]."""
    half = signal[:, : signal.shape[1] // 2 * 2].reshape(len(signal), -1, 2).mean(axis=2)
    band = dsp.sosfiltfilt(dsp.butter(2, (5, 30), "bandpass", fs=FS_HZ / 2, output="sos"), half, axis=1)
    scale = np.median(np.abs(band), axis=1, keepdims=True)
    normalised: Float = band / np.where(scale > 0, scale, 1.0)
    return normalised


def _refine(rough: Index, signal: Float) -> Index:
    """Each beat moved to the largest summed magnitude within 50 ms."""
    reach = 25
    inside: Index = rough[(rough >= 0) & (rough < signal.shape[1])]
    if len(inside) == 0:
        return inside
    at = np.clip(inside[:, None] + np.arange(-reach, reach + 1), 0, signal.shape[1] - 1)
    magnitude = np.abs(signal[:, at]).sum(axis=0)
    return np.unique(np.take_along_axis(at, magnitude.argmax(axis=1)[:, None], axis=1)[:, 0])


def align_and_classify(conditioned: Conditioned, r: Index) -> tuple[Index, tuple[BeatClass, ...]]:
    """R positions aligned to their shape's template, and the class of each beat."""
    if len(r) == 0:
        return r, ()
    signal = conditioned.signal
    groups: list[list[int]] = []
    templates: list[Float] = []
    aligned = r.copy()
    for beat, position in enumerate(r):
        best, best_group, best_shift = -1.0, -1, 0
        for number, template in enumerate(templates):
            correlation, shift = _match(signal, int(position), template)
            if correlation > best:
                best, best_group, best_shift = correlation, number, shift
        if best >= _SAME_SHAPE:
            groups[best_group].append(beat)
            aligned[beat] = position + best_shift
        else:
            groups.append([beat])
            templates.append(_unit(_cut(signal, np.array([position]), _QRS_HALF)[0]))
    dominant = max(groups, key=len)
    early = _early(aligned)
    names: list[BeatClass] = [
        ("premature" if early[beat] else "dominant") if beat in dominant else "ectopic" for beat in range(len(r))
    ]
    return aligned, tuple(names)


def _early(r: Index) -> NDArray[np.bool_]:
    """Beats that come before 80 % of the median of the neighbouring intervals, bool [beat]."""
    early = np.zeros(len(r), dtype=bool)
    if len(r) > 3:
        rr = np.diff(r)
        early[1:] = rr < 0.8 * np.median(rr)
    return early


def _cut(signal: Float, at: Index, half: int) -> Float:
    """Stretches of all leads around positions, float64 [beat, lead, 2·half + 1]; ends repeat the last sample."""
    index = np.clip(at[:, None] + np.arange(-half, half + 1), 0, signal.shape[1] - 1)
    pieces: Float = signal[:, index].transpose(1, 0, 2)
    return pieces


def _unit(piece: Float) -> Float:
    centred = piece - piece.mean(axis=-1, keepdims=True)
    norm = np.sqrt((centred**2).sum())
    unit: Float = centred / (norm if norm > 0 else 1.0)
    return unit


def _match(signal: Float, position: int, template: Float) -> tuple[float, int]:
    """Highest correlation with a template over small shifts, and that shift in samples."""
    wide = _cut(signal, np.array([position]), _QRS_HALF + _SHIFT)[0]
    windows = np.lib.stride_tricks.sliding_window_view(wide, 2 * _QRS_HALF + 1, axis=1).transpose(1, 0, 2)
    centred = windows - windows.mean(axis=2, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=(1, 2)))
    correlations = (centred * template).sum(axis=(1, 2)) / np.where(norms > 0, norms, 1.0)
    best = int(correlations.argmax())
    return float(correlations[best]), best - _SHIFT
