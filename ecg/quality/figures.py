"""What is measured in each lead: disturbances relative to the height of the recording's own QRS."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import block_means, median
from ecg.filters import running_mean
from ecg.measurement.condition import frozen
from ecg.quality.beat_check import BeatView, view_beats
from ecg.quality.lead_laws import copies_share, law_residual, law_residual_at_r, readable_by_law, swapped_leads
from ecg.quality.limits import FIGURES
from ecg.record import EcgRecord

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Figures:
    """Disturbances of a recording; arrays are [lead] unless stated.

    Ratios are to the median over leads and seconds of the peak-to-peak in a second, about the height of a QRS.

    Attributes
    ----------
    missing, flat
        Fraction of samples that are NaN; fraction of seconds without movement.
    frozen
        Fraction of the recording in which every lead stands still.
    saturated_s
        Longest stay at an extreme far outside the other leads' range, per ten seconds of recording.
    clipped
        Number of plateaus at the lead's largest or smallest value.
    outlying
        Fraction of seconds that move far more than any QRS does (`FigureLimits.outlying`).
    wander, shift
        Range of the baseline within ten seconds; the largest second difference of one-second medians, as
        far as it exceeds twice their usual one: a jump, not steady wander.
    mains, mains_hz
        Amplitude of the stronger of 50 and 60 Hz, and which.
    noise
        RMS of what is quicker than about 25 Hz in the quiet parts between QRS complexes, mains taken out.
    spikes
        Impulses of one or two samples per second that do not pace.
    residual
        Departure from Einthoven's and Goldberger's laws, exceeded in a tenth of the samples; None where they cannot
        be checked.
    residual_at_r
        The largest departure from the same laws in the QRS complex of the median beat, over the height of the median
        lead's QRS; None as above and under two beats.
    swapped
        Two limb leads whose names are exchanged, as ``"aVL/aVF"``; None for none.
    copies
        Share of the independent leads that are copies of another.
    height
        What the ratios are to, in the unit of the record; 0 when nothing moves.
    beats
        See `BeatView`.
    """

    missing: NDArray[np.float64]
    flat: NDArray[np.float64]
    frozen: float
    saturated_s: NDArray[np.float64]
    clipped: NDArray[np.intp]
    outlying: NDArray[np.float64]
    wander: NDArray[np.float64]
    shift: NDArray[np.float64]
    mains: NDArray[np.float64]
    mains_hz: float
    noise: NDArray[np.float64]
    spikes: NDArray[np.float64]
    residual: float | None
    residual_at_r: float | None
    swapped: str | None
    copies: float
    height: float
    beats: BeatView


def measure_figures(record: EcgRecord, peaks: NDArray[np.intp]) -> Figures:
    """Figures of any valid record of a second or longer; `peaks` are R peaks in samples of the record."""
    missing, signal = _fill(record.signal)
    largest, scale = float(np.abs(signal).max()), 1.0
    if largest > 1e6:  # squares must stay within float32; nothing below depends on the scale
        signal, scale = signal / np.float32(largest), largest
    step = max(1, int(record.fs_hz // FIGURES.working_hz))
    fs_hz = record.fs_hz / step
    n = signal.shape[1] // step
    work = block_means(signal, step) if step > 1 else signal
    seconds = max(1, round(n / fs_hz))  # of nearly that length: a sample less must not cost the last of them
    chunks = work[:, : n // seconds * seconds].reshape(len(work), seconds, -1)
    movement = np.ptp(chunks, axis=2)
    height = _typical(movement)
    wander, shift = _baseline(chunks, height)
    mains, mains_hz, noise = _fast(chunks, fs_hz, height)
    full_of_mains = (mains > FIGURES.full_of_mains) & (mains > FIGURES.mains_over_noise * noise)
    readable = _without_mains(work, full_of_mains, round(fs_hz / mains_hz))
    beats = view_beats(readable, fs_hz, peaks // step)
    dead = np.flatnonzero(movement.max(axis=1) <= FIGURES.flat * height)
    own = median(movement)[:, None]
    outlying = (movement > FIGURES.outlying * height) & (movement > 0.5 * FIGURES.outlying * own)
    residual = law_residual(record.leads, work[:, ::8], height, dead, FIGURES.residual_quantile)
    if residual is not None and residual <= FIGURES.lawful:
        beats = replace(beats, readable=readable_by_law(record.leads, beats.readable, dead))
    return Figures(
        missing=missing,
        flat=(movement <= FIGURES.flat * height).mean(axis=1),
        frozen=float(np.diff(frozen(record)).sum()) / record.n_samples,
        saturated_s=_saturated_s(work, fs_hz, height, outlying.any(axis=1)) * min(1.0, 10.0 / record.duration_s),
        clipped=_plateaus(signal, record.fs_hz),
        outlying=outlying.mean(axis=1),
        wander=wander,
        shift=shift,
        mains=mains,
        mains_hz=mains_hz,
        noise=noise,
        spikes=_spikes(signal, record.fs_hz, height, beats.peaks * step) / record.duration_s,
        residual=residual,
        residual_at_r=law_residual_at_r(record.leads, beats, dead),
        swapped=swapped_leads(record.leads, work[:, ::2], height),
        copies=copies_share(record.leads, work[:, ::2], dead),
        height=height * scale if movement.any() else 0.0,
        beats=beats,
    )


def _fill(signal: Floats) -> tuple[NDArray[np.float64], Floats]:
    """Fraction of NaN per lead, and the signal with them interpolated over."""
    if not np.isnan(signal.sum()):
        return np.zeros(len(signal)), signal
    gaps = np.isnan(signal)
    filled = signal.copy()
    at = np.arange(signal.shape[1])
    for row, gap in zip(filled, gaps, strict=True):
        row[gap] = np.interp(at[gap], at[~gap], row[~gap]) if not gap.all() else 0.0
    return gaps.mean(axis=1), filled


def _typical(movement: Floats) -> float:
    """Median movement; where most leads are dead, that of the live ones; 1 when nothing moves."""
    height = float(median(movement.ravel()))
    if height <= 1e-6 * float(movement.max()):
        live = movement[movement > 1e-6 * float(movement.max())]
        height = float(np.median(live)) if live.size else 1.0
    return height


def _baseline(chunks: Floats, height: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wander and shift per lead; of recordings longer than ten seconds the median over stretches of ten."""
    level = median(chunks[:, :, ::3]).astype(np.float64) / height
    stretch = min(10, level.shape[1])
    level = level[:, : level.shape[1] // stretch * stretch].reshape(len(level), -1, stretch)
    wander = median(np.ptp(level, axis=2))
    if stretch < 3:
        return wander, np.zeros(len(level))
    change = np.abs(np.diff(level, n=2, axis=2))
    # steady wander, however large, changes all the time; a pushed electrode once
    sudden = np.maximum(0.0, change.max(axis=2) - 2 * median(change))
    return wander, median(sudden)


def _fast(chunks: Floats, fs_hz: float, height: float) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Mains amplitude, its frequency, and noise per lead, from [lead, second, sample]."""
    n = chunks.shape[2]
    lines = _lines(fs_hz)
    mains, mains_hz = np.zeros(len(chunks)), FIGURES.mains_hz[0]
    parts = (chunks.reshape(-1, n) @ _line_waves(n, fs_hz)).reshape(len(chunks), chunks.shape[1], 2, len(lines), 3)
    size = median(np.hypot(parts[:, :, 0], parts[:, :, 1]), axis=1) / height
    for index, hz in enumerate(lines):
        amplitude = np.maximum(0.0, size[:, index, 0] - size[:, index, 1:].max(axis=1)).astype(np.float64)
        if amplitude.max() > mains.max():
            mains, mains_hz = amplitude, hz
    k = max(1, round(0.008 * fs_hz))
    fast = chunks[:, :, k:-k] - 0.5 * (chunks[:, :, : -2 * k] + chunks[:, :, 2 * k :])
    stretch = max(1, round(0.1 * fs_hz))
    count = fast.shape[2] // stretch
    stretches = fast[:, :, : count * stretch].reshape(len(chunks), -1, stretch)
    power = np.sort(np.einsum("lps,lps->lp", stretches, stretches) / stretch, axis=1)
    quiet = power[:, int(0.3 * power.shape[1])].astype(np.float64) / height**2
    # the filter passes a line at f with gain 1 - cos(2 pi f k / fs)
    line_power = 0.5 * (mains * (1 - np.cos(2 * np.pi * mains_hz * k / fs_hz))) ** 2
    return mains, mains_hz, np.sqrt(np.maximum(0.0, quiet - line_power))


def _lines(fs_hz: float) -> list[float]:
    return [hz for hz in FIGURES.mains_hz if hz < 0.45 * fs_hz]


@lru_cache(maxsize=16)
def _line_waves(n: int, fs_hz: float) -> Floats:
    """Windowed cosines and sines of each mains frequency and, to tell a line from broad noise and from the QRS, of its
    neighbours 3 Hz away, float32 [n, 2 * line * 3].
    """
    phase = 2 * np.pi * np.outer(np.arange(n) / fs_hz, [hz + off for hz in _lines(fs_hz) for off in (0, -3, 3)])
    waves = np.hstack([np.cos(phase), np.sin(phase)]) * np.hanning(n)[:, None] * (4 / n)
    return waves.astype(np.float32)


def _without_mains(work: Floats, full: NDArray[np.bool_], period: int) -> Floats:
    """The signal with the leads that are full of mains averaged over one period of it, as a reader's filter does."""
    if not full.any():
        return work
    clean = work.copy()
    clean[full] = running_mean(work[full], max(1, period), "edge")
    return clean


def _saturated_s(work: Floats, fs_hz: float, height: float, suspects: NDArray[np.bool_]) -> NDArray[np.float64]:
    longest = np.zeros(len(work))
    for index in np.flatnonzero(suspects):
        row = work[index]
        middle = float(np.median(row))
        for extreme in (float(row.max()), float(row.min())):
            away = abs(extreme - middle)
            if away > FIGURES.outlying * height:
                longest[index] = max(longest[index], _runs(np.abs(row - extreme) <= 0.05 * away).max() / fs_hz)
    return longest


def _plateaus(signal: Floats, fs_hz: float) -> NDArray[np.intp]:
    """Number of stays of 6 ms or more at the lead's extreme, entered with a slope, far from its median."""
    counts = np.zeros(len(signal), dtype=np.intp)
    least = max(3, round(0.006 * fs_hz))
    for extreme in (signal.max(axis=1), signal.min(axis=1)):
        at = signal == extreme[:, None]
        for index in np.flatnonzero(at.sum(axis=1) >= 3 * least):
            row, span = signal[index], float(np.ptp(signal[index]))
            if abs(float(extreme[index]) - float(np.median(row))) < 0.25 * span:
                continue
            starts = np.flatnonzero(np.diff(at[index].astype(np.int8), prepend=0) == 1)
            entered = np.abs(row[np.maximum(starts - 2, 0)] - extreme[index]) > 0.01 * span
            counts[index] += int((entered & (_runs(at[index]) >= least)).sum())
    return counts


def _runs(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Lengths of the runs of True, in order; one zero when there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    lengths: NDArray[np.intp] = edges[1::2] - edges[::2]
    return lengths if lengths.size else np.zeros(1, dtype=np.intp)


def _spikes(signal: Floats, fs_hz: float, height: float, peaks: NDArray[np.intp]) -> NDArray[np.float64]:
    """Number of isolated impulses per lead that are not at a fixed time before the beats; 0 under 250 Hz.

    At lower rates an R wave is as narrow as an impulse.
    """
    counts = np.zeros(len(signal))
    if fs_hz < 250 or not len(peaks):
        return counts
    k = max(1, round(0.002 * fs_hz))
    sharp = np.abs(signal[:, k:-k] - 0.5 * (signal[:, : -2 * k] + signal[:, 2 * k :]))
    for index in np.flatnonzero(sharp.max(axis=1) > 0.25 * height):
        at = np.flatnonzero(sharp[index] > 0.25 * height) + k
        row = signal[index]
        at = at[np.abs(row[at + k] - row[at - k]) < 0.5 * sharp[index, at - k]]
        at = at[np.diff(at, prepend=-fs_hz) > 0.02 * fs_hz]
        following = peaks[np.minimum(np.searchsorted(peaks, at), len(peaks) - 1)] - at
        twins = (np.abs(following[:, None] - following) <= 0.012 * fs_hz).sum(axis=1) - 1
        counts[index] = int((twins < 2).sum())
    return counts
