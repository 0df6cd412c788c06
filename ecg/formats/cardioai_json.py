"""CardioAI messages and payload files that hold a whole recording in one part."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from ecg.errors import InconsistentInput, UnusableRecording
from ecg.formats.cardioai_message import (
    MAX_MESSAGE_BYTES,
    Calibration,
    Payload,
    check_size,
    decode_envelope,
    decode_payload,
    open_payload,
)
from ecg.formats.cardioai_rows import INVALID_SAMPLE, parse_rows
from ecg.formats.stated import Stated
from ecg.leads import distinct_leads
from ecg.origin import Origin
from ecg.record import EcgRecord, Signal, check_announced, to_millivolt

NAME = "cardioai"


def claims(name: str, head: bytes) -> bool:
    """Whether the first bytes are those of a message or of a payload file."""
    return head.lstrip()[:1] == b"{" and (b'"messageType"' in head or b'"sequenceId"' in head)


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The recording of a message or payload; NaN where a sample was sent as invalid.

    Millivolt where it states gain, baseline and units, else ADC values without a unit. Raises `UnusableRecording` for
    one part of several (the inbox puts those together), `MalformedInput`, `UnknownMessageVersion`, `InputTooLarge`.
    """
    payload = _payload(files[main])
    if payload.sequence != 1:
        raise UnusableRecording(
            f"This is part {payload.index} of {payload.sequence} of a recording; the inbox puts parts together.",
            "sequence",
            1,
            payload.sequence,
        )
    known = payload.calibration
    leads = stated.settle_leads(distinct_leads(payload.headers.split(",")[1:]))
    fs_hz = stated.settle_fs(known.fs_hz)
    check_announced(len(payload.data), fs_hz, max_duration_s)
    signal, unit = physical(parse_rows(payload.headers, payload.data).samples, known)
    if stated.unit is not None and unit is None:
        raise InconsistentInput("The samples are ADC values without a gain.", "units", None, stated.unit)
    stated.settle_unit(unit)
    missing = int(np.isnan(signal).sum())
    notes = [f"{missing} samples were sent as invalid."] if missing else []
    if unit is None:
        notes.append("Gain, baseline or units are not known: the samples are ADC values.")
    sender = payload.customer_id or payload.device_id
    origin = Origin(identifying=("identifiers of the sender",)) if sender else None
    return EcgRecord(signal, leads, fs_hz, unit, None, NAME, tuple(notes), start_of(known), origin)


def _payload(data: bytes) -> Payload:
    check_size(data, MAX_MESSAGE_BYTES)
    if b'"messageType"' in data[:4096]:
        return open_payload(decode_envelope(data))
    return decode_payload(data)


def start_of(known: Calibration) -> datetime | None:
    """When the recording began; None when it is not known or not ISO 8601."""
    try:
        return None if known.acquired is None else datetime.fromisoformat(known.acquired)
    except ValueError:
        return None


def physical(samples: np.ndarray[Any, np.dtype[np.int32]], known: Calibration) -> tuple[Signal, str | None]:
    """float32 [lead, sample] of ADC values [sample, lead], and its unit; NaN where a sample was sent as invalid.

    Millivolt where gain, baseline and units of every lead are known, computed as WFDB readers do: (value - baseline) /
    gain in float64, then float32. Otherwise the bare ADC values and None.
    """
    unit = None
    signal = samples.T.astype(np.float32)
    if known.gain is not None and known.baseline is not None and known.units is not None and "" not in known.units:
        values = (samples.astype(np.float64) - np.array(known.baseline)) / np.array(known.gain)
        rows = [to_millivolt(values[:, lead], unit)[0] for lead, unit in enumerate(known.units)]
        signal, unit = np.stack(rows).astype(np.float32), "mV"
    signal[samples.T == INVALID_SAMPLE] = np.nan
    return signal, unit
