"""A recording at about 125 Hz between 0.8 and 20 Hz: all that P waves, flutter waves and the width of a beat need."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.dsp import block_means
from ecg.filters import band_passed
from ecg.measurement.intervals import Measurements
from ecg.record import EcgRecord

Float = NDArray[np.float64]

_FS_HZ = 125.0
_BAND_HZ = (0.8, 20.0)


@dataclass(frozen=True, eq=False)
class LowRateSignal:
    """The recording with its beats on a coarser clock.

    Attributes
    ----------
    signal
        float64 [lead, sample], missing samples bridged by zeros.
    leads
        Name of each row.
    fs_hz
        Samples per second.
    r
        float64 [beat], R peaks in samples of `signal`.
    """

    signal: Float
    leads: tuple[str, ...]
    fs_hz: float
    r: Float

    def coarser(self, duration_s: float) -> "LowRateSignal":
        """The first seconds at half the rate: the waves looked for in it lie below 15 Hz."""
        short = self.signal[:, : round(duration_s * self.fs_hz) : 2]
        return LowRateSignal(short, self.leads, self.fs_hz / 2, self.r / 2)

    def outside_beats(self, before_s: float, after_s: float) -> NDArray[np.bool_]:
        """Samples that lie in no beat's stretch around its R, bool [sample]."""
        outside = np.ones(self.signal.shape[1], dtype=bool)
        for r in self.r:
            outside[max(0, int(r - before_s * self.fs_hz)) : max(0, int(r + after_s * self.fs_hz))] = False
        return outside


def low_rate_signal(record: EcgRecord, measurements: Measurements) -> LowRateSignal:
    """The recording as `LowRateSignal`: block means, then a zero-phase second-order Butterworth band-pass."""
    step = max(1, round(record.fs_hz / _FS_HZ))
    samples = block_means(record.signal, step).astype(np.float64)
    if np.isnan(samples).any():
        samples = np.nan_to_num(samples)
    fs_hz = record.fs_hz / step
    band = band_passed(samples, *_BAND_HZ, fs_hz)
    r: Float = measurements.beats.r_samples * np.float64(fs_hz / record.fs_hz)
    return LowRateSignal(band, record.leads, fs_hz, r)
