"""Heights of the waves in each lead of the median beat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.filters import Float
from ecg.measurement.median import MedianBeat
from ecg.measurement.variation import height_spread
from ecg.values import PLAUSIBLE_MV, Value, missing

NO_QRS = "the QRS complex has no clear edges"
NO_T = "the end of the T wave was not found"
NO_LEAD = "the lead is flat or mostly missing"
NO_UNIT = "the unit of the samples is not known"
#: Between which heights each of `LeadAmplitudes` lies: Q and S are no lower than the level, R is no higher.
_ANY = (-np.inf, np.inf)
_BELOW = (-np.inf, 0.0)
_ABOVE = (0.0, np.inf)
_BOUNDS_MV = (_ANY, _BELOW, _ABOVE, _BELOW, _ANY, _ANY, _ANY, _ANY)


@dataclass(frozen=True)
class LeadAmplitudes:
    """Amplitudes of one lead in mV against the isoelectric level before the QRS complex; signed."""

    p: Value
    q: Value
    r: Value
    s: Value
    t: Value
    st_j: Value
    st_60: Value
    st_80: Value


def lead_amplitudes(median: MedianBeat | None, beats: Float, unit: str | None) -> dict[str, LeadAmplitudes]:
    """The amplitudes of each lead of the median beat; their spread is that over `beats` [beat, lead, sample]."""
    if median is None:
        return {}
    columns = _amplitude_columns(median, beats, unit)
    return {
        lead: LeadAmplitudes(
            *(
                missing("mV", column) if isinstance(column, str) else Value(column[row][0], "mV", column[row][1])
                for column in columns
            )
        )
        if median.usable[row]
        else LeadAmplitudes(*[missing("mV", NO_LEAD)] * len(columns))
        for row, lead in enumerate(median.leads)
    }


def _amplitude_columns(
    median: MedianBeat, beats: Float, unit: str | None
) -> list[list[tuple[float, float | None]] | str]:
    """Height in mV and its spread for each lead, in the order of `LeadAmplitudes`, or why there is none."""
    no_mv = no_millivolts(median, unit)
    if no_mv is not None or median.qrs is None:
        return [no_mv or NO_QRS] * len(_BOUNDS_MV)
    onset, offset = round(median.qrs.onset), round(median.qrs.offset)
    wave = median.above_level()
    qrs = wave[:, onset : offset + 1]
    top = qrs.argmax(axis=1)
    sample = np.arange(qrs.shape[1])
    q, s = (np.where(side, qrs, np.inf).argmin(axis=1) for side in (sample <= top[:, None], sample >= top[:, None]))
    p = None if median.p is None else _farthest(wave, median.p.onset, median.p.offset)
    t = None if median.t is None else _farthest(wave, median.qrs.offset, median.t.end)
    after = [np.full(len(wave), min(offset + ms // 2, wave.shape[1] - 1)) for ms in (0, 60, 80)]
    places = (p, onset + q, onset + top, onset + s, t, *after)
    at = np.stack([onset + top if place is None else place for place in places], axis=1)
    heights = np.clip(wave[np.arange(len(wave))[:, None], at], *np.array(_BOUNDS_MV).T).tolist()
    spreads = height_spread(beats, at, median.level).tolist() if len(beats) else [[None] * len(places)] * len(wave)
    reasons = [median.no_p if p is None else None, None, None, None, NO_T if t is None else None, None, None, None]
    columns = zip(zip(*heights, strict=True), zip(*spreads, strict=True), strict=True)
    return [reason or list(zip(*column, strict=True)) for reason, column in zip(reasons, columns, strict=True)]


def no_millivolts(median: MedianBeat | None, unit: str | None) -> str | None:
    """Why the samples cannot be taken as mV: their unit is unknown, or the QRS is not of a size that an ECG has.

    None when they can.
    """
    if unit is None:
        return NO_UNIT
    if median is None or median.qrs is None:
        return None
    qrs = median.signal[median.usable, round(median.qrs.onset) : round(median.qrs.offset) + 1]
    height = float(np.median(np.ptp(qrs, axis=1)))
    low, high = PLAUSIBLE_MV
    return None if low <= height <= high else f"a QRS complex of {height:.3g} mV is not plausible: check the unit"


def _farthest(wave: Float, start: float, end: float) -> NDArray[np.int64]:
    """Where each lead is farthest from zero within a span, int64 [lead]."""
    at: NDArray[np.int64] = np.abs(wave[:, round(start) : round(end) + 1]).argmax(axis=1) + round(start)
    return at
