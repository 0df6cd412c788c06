"""Kept parts back to one `EcgRecord`, sample for sample what the original file holds."""

from typing import Any

import numpy as np
import orjson
import zstandard
from sqlalchemy import Engine, select

from ecg.cardioai.receipts import DEFAULT_LIMITS, Limits
from ecg.cardioai.tables import parts, sequences
from ecg.errors import MalformedInput, RecordingTooLong
from ecg.formats.cardioai_json import physical, start_of
from ecg.formats.cardioai_message import MAX_MESSAGE_BYTES, calibration_from, decode_envelope, open_payload
from ecg.formats.cardioai_rows import parse_rows
from ecg.leads import distinct_leads
from ecg.record import EcgRecord
from ecg.store.database import reading
from ecg.store.tables import recordings

MAX_BODY_BYTES = 4 * MAX_MESSAGE_BYTES


def load(engine: Engine, sequence_id: str, limits: Limits = DEFAULT_LIMITS) -> EcgRecord:
    """The recording of a sequence whose parts are all kept.

    Raises `RecordingTooLong` for more than `limits` allow, before its parts are read, and what `assemble` raises when
    they make no valid record.
    """
    with reading(engine) as connection:
        row = connection.execute(
            select(recordings.c.record_id, sequences)
            .join_from(recordings, sequences)
            .where(sequences.c.sequence_id == sequence_id)
        ).one_or_none()
        if row is None:
            raise MalformedInput("The recording is no longer kept.", "sequenceId", None, sequence_id)
        calibration = orjson.loads(row.calibration)
        excess = limits.excess(row.samples_received, row.headers.count(","), calibration.get("fs"))
        if excess is not None:
            raise RecordingTooLong(excess.reason, "data", f"<= {limits.recording_s:g} s", row.samples_received)
        bodies = connection.scalars(
            select(parts.c.body).where(parts.c.sequence_id == sequence_id).order_by(parts.c.part_index)
        ).all()
    return assemble(row.record_id, row.headers, calibration, list(bodies))


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
    made = [physical(_samples(body), known) for body in bodies]
    signal = np.concatenate([signal for signal, _ in made], axis=1)
    unit = made[0][1]
    missing = int(np.isnan(signal).sum())
    notes = [f"{missing} samples were sent as invalid."] if missing else []
    if unit is None:
        notes.append("Gain, baseline or units are not known: the samples are ADC values.")
    acquired = start_of(known)
    if known.acquired is not None and acquired is None:
        notes.append("The start time is not ISO 8601 and was left out.")
    return EcgRecord(signal, leads, known.fs_hz, unit, record_id, "cardioai", tuple(notes), acquired)


def inflate(body: bytes) -> bytes:
    """A kept message as it came."""
    return zstandard.ZstdDecompressor().decompress(body, max_output_size=MAX_BODY_BYTES)


def _samples(body: bytes) -> np.ndarray[Any, np.dtype[np.int32]]:
    payload = open_payload(decode_envelope(inflate(body), MAX_BODY_BYTES))
    return parse_rows(payload.headers, payload.data).samples
