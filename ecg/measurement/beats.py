"""Where the beats are, and which of them belong to the dominant rhythm."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import median
from ecg.filters import Float
from ecg.measurement.condition import Conditioned
from ecg.measurement.detect import detect_qrs
from ecg.measurement.limits import CLASSES, MEDIAN_BEAT, SPIKES
from ecg.measurement.low_beats import add_low_beats
from ecg.peaks import Index

BeatClass = Literal["dominant", "premature", "ectopic", "paced"]


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats of a recording.

    Attributes
    ----------
    r_samples
        int64 [beat], R peaks as sample indexes of the recording, rising.
    classes
        Class of each beat. ``dominant``: shape of the dominant rhythm; ``premature``: that shape, early in an
        otherwise regular rhythm; ``ectopic``: another shape; ``paced``: preceded by a pacing spike.
    measured
        bool [beat], the beats that the median beat is made of: the dominant ones, or the paced ones where there are
        fewer than three of those.
    after_gap
        bool [beat], whether samples are missing between this beat and the one before, so that beats may be, too.
    """

    r_samples: Index
    classes: tuple[BeatClass, ...]
    measured: NDArray[np.bool_]
    after_gap: NDArray[np.bool_]

    @cached_property
    def rr(self) -> Float:
        """RR intervals in samples, float64 [beat - 1]; NaN where samples are missing between the beats."""
        return _rr(self.r_samples, self.after_gap)

    @cached_property
    def typical_rr(self) -> float:
        """Median RR in samples; of all intervals where each of them crosses a gap."""
        rr = self.rr
        known = rr[~np.isnan(rr)]
        return float(median(known if len(known) else np.diff(self.r_samples).astype(np.float64)))

    @cached_property
    def irregularity(self) -> float:
        """Median magnitude of successive RR differences over the median RR: about 0.03 in sinus rhythm, 0.2 in AF."""
        steps = np.abs(np.diff(self.rr))
        steps = steps[~np.isnan(steps)]
        return float(median(steps)) / self.typical_rr if len(steps) >= 2 else 0.0

    def is_class(self, name: BeatClass) -> NDArray[np.bool_]:
        """Which beats are of a class, bool [beat]."""
        return np.array([beat == name for beat in self.classes], dtype=bool)


def find_beats(conditioned: Conditioned) -> Beats:
    """Beats of a conditioned recording, `r_samples` in its 500 Hz samples."""
    signal = conditioned.usable_signal
    r = add_low_beats(signal, detect_qrs(signal))
    r = r[~_is_pulse(signal, r)]
    if len(r) == 0:
        nothing = np.zeros(0, dtype=bool)
        return Beats(r, (), nothing, nothing)
    r, shape = _sort_by_shape(signal, r)
    paced = _is_paced(r, conditioned.spikes)
    dominant = _dominant_shape(r, shape, ~paced)
    gaps = conditioned.gaps.mean(axis=1)
    after_gap = np.diff(np.searchsorted(gaps, r), prepend=np.searchsorted(gaps, r[:1])) > 0
    early = _is_early(r, dominant, after_gap)
    measured = dominant & ~early if (dominant & ~early).sum() >= MEDIAN_BEAT.min_beats else dominant
    if dominant.sum() < MEDIAN_BEAT.min_beats <= paced.sum():
        measured = _dominant_shape(r, shape, paced)
    classes: list[BeatClass] = []
    for beat in range(len(r)):
        if paced[beat]:
            classes.append("paced")
        elif not dominant[beat]:
            classes.append("ectopic")
        else:
            classes.append("premature" if early[beat] else "dominant")
    return Beats(r, tuple(classes), measured, after_gap)


def _is_pulse(signal: Float, r: Index) -> NDArray[np.bool_]:
    """Beats that are the same in nearly all leads where the others are not: calibration pulses; bool [beat].

    No heartbeat is: by Einthoven's law aVR is then the negative of I.
    """
    nothing = np.zeros(len(r), dtype=bool)
    if len(r) == 0 or len(signal) < CLASSES.pulse_fewest:
        return nothing
    reach = np.arange(-CLASSES.pulse_half, CLASSES.pulse_half + 1, CLASSES.pulse_step)
    pieces = signal[:, np.clip(r[:, None] + reach, 0, signal.shape[1] - 1)]
    pieces -= pieces.mean(axis=2, keepdims=True)
    common = median(pieces, axis=0)
    unlike = np.sqrt(((pieces - common) ** 2).mean(axis=2))
    size = np.sqrt((common**2).mean(axis=1))
    alike: NDArray[np.bool_] = (unlike < CLASSES.pulse_unlike * size).mean(axis=0) >= CLASSES.pulse_leads
    return alike if alike.mean() < 0.5 else nothing


def _rr(r: Index, after_gap: NDArray[np.bool_]) -> Float:
    return np.where(after_gap[1:], np.nan, np.diff(r))


def _sort_by_shape(signal: Float, r: Index) -> tuple[Index, Index]:
    """R aligned to the template of its shape, and the number of that shape, both int64 [beat].

    Repeatedly: the beat most alike the rest seeds a shape, its look-alikes join, their median becomes the template.
    What matches none of the first eight shapes shares the last number.
    """
    index = np.clip(
        r[:, None] + np.arange(-CLASSES.half - CLASSES.shift, CLASSES.half + CLASSES.shift + 1), 0, signal.shape[1] - 1
    )
    pieces = signal[:, index].transpose(1, 0, 2)
    shape = np.full(len(r), CLASSES.max_shapes)
    moved = np.zeros(len(r), dtype=np.int64)
    for number in range(CLASSES.max_shapes):
        left = np.flatnonzero(shape == CLASSES.max_shapes)
        if len(left) == 0:
            break
        sample = left[:: max(1, len(left) // CLASSES.seed_beats)]
        centre = _unit(pieces[sample][:, :, CLASSES.shift : -CLASSES.shift]).reshape(len(sample), -1)
        seed = sample[(centre @ centre.T >= CLASSES.same_shape).sum(axis=1).argmax()]
        template = pieces[seed][:, CLASSES.shift : -CLASSES.shift]
        alike = np.zeros(len(left), dtype=bool)
        for _ in range(2):  # the second time against the median of the look-alikes
            correlation, shift = _best_shift(pieces[left], template)
            alike = np.greater_equal(correlation, CLASSES.same_shape)
            if not alike.any():
                break
            rows = np.flatnonzero(alike)[: CLASSES.seed_beats]
            span = shift[rows, None] + CLASSES.shift + np.arange(2 * CLASSES.half + 1)
            template = median(np.take_along_axis(pieces[left[rows]], span[:, None, :], axis=2), axis=0)
        joins = left[alike | np.equal(left, seed)]
        shape[joins] = number
        moved[left[alike]] = shift[alike]
    return r + moved, shape


def _unit(pieces: Float) -> Float:
    centred = pieces - pieces.mean(axis=-1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=(-2, -1), keepdims=True))
    unit: Float = centred / np.where(norm > 0, norm, 1.0)
    return unit


def _best_shift(pieces: Float, template: Float) -> tuple[Float, Index]:
    """Highest correlation of each piece [beat, lead, wide] with a template [lead, narrow], and the shift it takes."""
    half = np.ascontiguousarray(pieces[:, :, ::2])  # half the samples are enough for a 30 Hz shape
    unit = _unit(template)[:, ::2]
    unit /= np.sqrt((unit**2).sum() or 1.0)
    width, n = unit.shape[1], half.shape[2]
    shifts = n - width + 1
    # One matrix holds the template at every shift; without its mean, the pieces' means drop out of the product.
    centred = unit - unit.mean(axis=1, keepdims=True)
    shifted = np.zeros((len(unit), n, shifts))
    for shift in range(shifts):
        shifted[:, shift : shift + width, shift] = centred
    product = half.reshape(len(half), -1) @ shifted.reshape(-1, shifts)
    # Sums of each lead, and of the squares of all, over every window: what the norm without the means is made of.
    until = np.zeros((len(half), len(unit) + 1, n + 1))
    np.cumsum(half, axis=2, out=until[:, 1:, 1:])
    np.cumsum(np.einsum("bln,bln->bn", half, half), axis=1, out=until[:, 0, 1:])
    sums = until[:, :, width:] - until[:, :, :-width]
    power = sums[:, 0] - np.einsum("bls,bls->bs", sums[:, 1:], sums[:, 1:]) / width
    correlations = product / np.sqrt(np.where(power > 1e-9 * sums[:, 0], power, np.inf))
    best = correlations.argmax(axis=1)
    return correlations[np.arange(len(pieces)), best], 2 * best - CLASSES.shift


def _is_paced(r: Index, spikes: Index) -> NDArray[np.bool_]:
    if len(spikes) < SPIKES.min_spikes:
        return np.zeros(len(r), dtype=bool)
    return np.isfinite(spike_lags(r, spikes))


def spike_lags(r: Index, spikes: Index) -> Float:
    """Samples from the first ventricular spike of each beat to its R, float64 [beat]; infinite without one."""
    lag = r[:, None] - spikes[None, :]
    lags: Float = np.where((lag >= -CLASSES.spike_after) & (lag <= CLASSES.spike_before), lag, -np.inf).max(axis=1)
    return np.where(np.isfinite(lags), lags, np.inf)


def _dominant_shape(r: Index, shape: Index, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The beats of the commonest shape among some; of two about equally common, the one that comes less early."""
    numbers, counts = np.unique(shape[among], return_counts=True)
    if len(numbers) == 0:
        return np.zeros(len(r), dtype=bool)
    common = numbers[counts >= CLASSES.as_common * counts.max()]
    rr = np.diff(r, prepend=r[0])
    waits = [np.median(rr[among & (shape == number)]) for number in common] if len(common) > 1 else [0.0]
    dominant: NDArray[np.bool_] = among & (shape == common[int(np.argmax(waits))])
    return dominant


def _is_early(r: Index, dominant: NDArray[np.bool_], after_gap: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Dominant-shape beats after less than 80 % of the median RR, in a rhythm otherwise regular; bool [beat]."""
    early = np.zeros(len(r), dtype=bool)
    if len(r) < 5:
        return early
    rr = _rr(r, after_gap)
    steps = np.diff(rr)
    steps = np.abs(steps[~np.isnan(steps)])
    if len(steps) == 0:
        return early
    typical = median(rr[~np.isnan(rr)])
    if median(steps) < CLASSES.steady * typical:
        early[1:] = rr < CLASSES.early * typical
    return early & dominant
