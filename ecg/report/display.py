"""The JSON answer with samples and marks for a display: what the page draws."""

import base64
from typing import Any

import numpy as np
import orjson

from ecg.measurement.median import MedianBeat
from ecg.report import json_form
from ecg.report.analysis import Analysis
from ecg.report.conclusion import Conclusion

MEDIA_TYPE = "application/vnd.ecg-serve.display+json"
MISSING = -32768  # int16 of a missing sample
_HIGHEST = 32767
_FINE_MV = 0.001  # one count is a microvolt where that reaches


def to_json(analysis: Analysis, conclusion: Conclusion) -> bytes:
    """The JSON answer with one key more, ``waveform`` (`waveform_dict`)."""
    body = json_form.to_dict(analysis, conclusion) | {"waveform": waveform_dict(analysis)}
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def waveform_dict(analysis: Analysis) -> dict[str, Any]:
    """The recording's samples, its beats and its median beat with the edges of the waves, JSON-ready.

    Limb leads that follow from I and II are there, too (`EcgRecord.completed`). Samples are little-endian int16 in
    base64, a string for each lead; times `scale` they are in `unit`. `beats` are in seconds. Marks of the median beat
    are in milliseconds from its R; null where the wave was not found.
    """
    record, measurements = analysis.record.completed(), analysis.examination.measurements
    beat = measurements.median_beat
    return _block(record.signal, record.leads, record.fs_hz, record.unit) | {
        "beats": [round(float(r) / record.fs_hz, 4) for r in measurements.beats.r_samples],
        "median_beat": None if beat is None else _median_dict(beat, record.unit),
    }


def marks_ms(beat: MedianBeat) -> dict[str, float | None]:
    """Edges and peaks of the waves in milliseconds from R; None where a wave was not found."""
    p, qrs, t = beat.p, beat.qrs, beat.t
    found = {
        "p_onset": None if p is None else p.onset,
        "p_peak": None if p is None else p.peak,
        "p_offset": None if p is None else p.offset,
        "qrs_onset": None if qrs is None else qrs.onset,
        "qrs_offset": None if qrs is None else qrs.offset,
        "t_peak": None if t is None else t.peak,
        "t_end": None if t is None else t.end,
    }
    return {name: None if at is None else round((at - beat.r) * 1000.0 / beat.fs_hz, 1) for name, at in found.items()}


def _median_dict(beat: MedianBeat, unit: str | None) -> dict[str, Any]:
    usable = [i for i, good in enumerate(beat.usable) if good]
    leads = tuple(beat.leads[i] for i in usable)
    return _block(beat.signal[usable], leads, beat.fs_hz, unit) | {"r": beat.r, "marks": marks_ms(beat)}


def _block(signal: np.ndarray[Any, Any], leads: tuple[str, ...], fs_hz: float, unit: str | None) -> dict[str, Any]:
    highest = float(np.nanmax(np.abs(signal), initial=0.0))
    scale = max(_FINE_MV, highest / _HIGHEST) if unit is not None else (highest / _HIGHEST or 1.0)
    counts = np.where(np.isnan(signal), MISSING, np.rint(np.nan_to_num(signal) / scale)).astype("<i2")
    samples = [base64.b64encode(row.tobytes()).decode("ascii") for row in counts]
    return {"fs": fs_hz, "unit": unit, "leads": list(leads), "scale": scale, "missing": MISSING, "samples": samples}
