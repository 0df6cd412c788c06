"""Kept parts back to one `EcgRecord`, sample for sample what the original file holds."""

from typing import Any

import numpy as np
import orjson
import zstandard

from ecg.cardioai.message import MAX_MESSAGE_BYTES, Calibration, calibration_from, decode_envelope, open_payload
from ecg.cardioai.rows import INVALID_SAMPLE, parse_rows
from ecg.leads import distinct_leads
from ecg.record import EcgRecord, Signal, to_millivolt

MAX_BODY_BYTES = 4 * MAX_MESSAGE_BYTES


def assemble(record_id: str, headers: str, calibration: dict[str, Any], bodies: list[bytes]) -> EcgRecord:
    """The recording of complete parts in order; NaN where a sample was sent as invalid.

    Millivolt where gain, baseline and units of every lead are known, computed as WFDB readers do: (value - baseline) /
    gain in float64, then float32. Otherwise the bare ADC values with `unit` None. Raises what `EcgRecord` raises.
    """
    leads = distinct_leads(headers.split(",")[1:])
    known = calibration_from(calibration, len(leads))
    if known.fs_hz is None:
        raise AssertionError("a recording without a sampling rate never becomes ready")
    samples = np.concatenate([_samples(body) for body in bodies])
    gaps = samples == INVALID_SAMPLE
    signal, unit = _physical(samples, known)
    signal[gaps.T] = np.nan
    notes = [f"{int(gaps.sum())} samples were sent as invalid."] if gaps.any() else []
    if unit is None:
        notes.append("Gain, baseline or units are not known: the samples are ADC values.")
    return EcgRecord(signal, leads, known.fs_hz, unit, record_id, "cardioai", tuple(notes))


def _samples(body: bytes) -> np.ndarray[Any, np.dtype[np.int32]]:
    message = zstandard.ZstdDecompressor().decompress(body, max_output_size=MAX_BODY_BYTES)
    payload = open_payload(decode_envelope(message, MAX_BODY_BYTES))
    return parse_rows(payload.headers, payload.data).samples


def _physical(samples: np.ndarray[Any, np.dtype[np.int32]], known: Calibration) -> tuple[Signal, str | None]:
    if known.gain is None or known.baseline is None or known.units is None or "" in known.units:
        return samples.T.astype(np.float32), None
    physical = (samples.astype(np.float64) - np.array(known.baseline)) / np.array(known.gain)
    rows = [to_millivolt(physical[:, lead], unit)[0] for lead, unit in enumerate(known.units)]
    return np.stack(rows).astype(np.float32), "mV"


def read_calibration(text: str) -> dict[str, Any]:
    """The stored calibration of a recording."""
    fields: dict[str, Any] = orjson.loads(text)
    return fields
