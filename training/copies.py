"""One recording as four devices would hand it over: as it is, filtered at 40 Hz, at 100 Hz and at 250 Hz."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal as dsp

from ecg.models.ecgfm.preparation import prepare
from ecg.record import EcgRecord
from training.recordings import SAMPLES

COPIES = ("raw", "40 Hz", "100 Hz rate", "250 Hz rate")


def copies(record: EcgRecord) -> dict[str, NDArray[np.float32]]:
    """Segments float32 [segment, 12, 2500] of each of `COPIES` of the first ten seconds of a 500 Hz recording."""
    standard = record.standard()
    made = {"raw": standard, "40 Hz": _with(standard, _low_passed(standard.signal, standard.fs_hz), standard.fs_hz)}
    for rate in (100.0, 250.0):
        # An anti-alias filter and every so-manieth sample, as databases make their copies of lower rates.
        lower = dsp.resample_poly(standard.signal.astype(np.float64), int(rate), int(standard.fs_hz), axis=1)
        made[f"{rate:g} Hz rate"] = _with(standard, lower, rate)
    longest = SAMPLES // 2500
    return {name: prepare(copy)[:longest] for name, copy in made.items()}


def _low_passed(signal: NDArray[np.float32], fs_hz: float) -> NDArray[np.float64]:
    sections = dsp.butter(4, 40.0, fs=fs_hz, output="sos")
    filtered: NDArray[np.float64] = dsp.sosfiltfilt(sections, signal.astype(np.float64), axis=1)
    return filtered


def _with(record: EcgRecord, signal: NDArray[np.floating], fs_hz: float) -> EcgRecord:
    return EcgRecord(np.ascontiguousarray(signal, dtype=np.float32), record.leads, fs_hz, record.unit)
