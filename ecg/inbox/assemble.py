"""Kept parts back to one `EcgRecord`, sample for sample what the original file holds."""

from typing import Any

import numpy as np
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
    # Part by part: the integers and their float64 copies take three times the memory of what is made of them.
    made = [_physical(_samples(body), known) for body in bodies]
    signal = np.concatenate([signal for signal, _ in made], axis=1)
    unit = made[0][1]
    missing = int(np.isnan(signal).sum())
    notes = [f"{missing} samples were sent as invalid."] if missing else []
    if unit is None:
        notes.append("Gain, baseline or units are not known: the samples are ADC values.")
    return EcgRecord(signal, leads, known.fs_hz, unit, record_id, "cardioai", tuple(notes))


def _samples(body: bytes) -> np.ndarray[Any, np.dtype[np.int32]]:
    message = zstandard.ZstdDecompressor().decompress(body, max_output_size=MAX_BODY_BYTES)
    payload = open_payload(decode_envelope(message, MAX_BODY_BYTES))
    return parse_rows(payload.headers, payload.data).samples


def _physical(samples: np.ndarray[Any, np.dtype[np.int32]], known: Calibration) -> tuple[Signal, str | None]:
    """float32 [lead, sample] and its unit; NaN where a sample was sent as invalid."""
    unit = None
    signal = samples.T.astype(np.float32)
    if known.gain is not None and known.baseline is not None and known.units is not None and "" not in known.units:
        physical = (samples.astype(np.float64) - np.array(known.baseline)) / np.array(known.gain)
        rows = [to_millivolt(physical[:, lead], unit)[0] for lead, unit in enumerate(known.units)]
        signal, unit = np.stack(rows).astype(np.float32), "mV"
    signal[samples.T == INVALID_SAMPLE] = np.nan
    return signal, unit
