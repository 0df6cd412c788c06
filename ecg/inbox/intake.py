"""Keeping messages: every rule that decides what a message means for its recording, inside one transaction."""

from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ecg.cardioai.message import Payload, calibration_fields
from ecg.errors import QuotaExceeded
from ecg.inbox.database import clock
from ecg.inbox.devices import complete_calibration
from ecg.inbox.receipts import Fault, Incoming, Limits, Part, Receipt
from ecg.inbox.tables import Outcome, State, messages, parts, quarantine, recordings

_COLLECTING = (State.OPEN, State.INCOMPLETE)


def keep(connection: Connection, incoming: Incoming, limits: Limits) -> Receipt:
    """Keep one message and say what became of it; durable once the transaction is.

    Raises `QuotaExceeded` when its origin has too much unfinished work here; nothing has been written then.
    """
    now = clock(connection)
    # Locked first: two nodes that receive parts of one recording take turns (PostgreSQL; SQLite has one writer).
    recording = _locked(connection, incoming.part.payload.sequence_id) if incoming.part else None
    known = connection.execute(select(messages).where(messages.c.message_id == incoming.message_id)).one_or_none()
    if known is not None:
        return _repeated(connection, incoming, known, recording, now)
    part = incoming.part
    if part is None:
        return _quarantined(connection, incoming, incoming.fault or Fault("malformed_input", "No payload."), now)
    stored_hash = _stored_hash(connection, part.payload) if recording is not None else None
    fault = _contradiction(incoming, part.payload, recording, stored_hash, limits)
    if fault is not None:
        return _quarantined(connection, incoming, fault, now)
    if recording is not None and stored_hash is not None:
        state = learn_fs(connection, recording, incoming, now)
        _log(connection, incoming, Outcome.DUPLICATE, None, now)
        return _receipt(incoming, Outcome.DUPLICATE, state, recording.reason)
    if recording is None and part.payload.sequence > 1:
        _check_quota(connection, incoming, limits)
    state, reason = _add(connection, incoming, part, recording, now)
    _log(connection, incoming, Outcome.ACCEPTED, None, now)
    return _receipt(incoming, Outcome.ACCEPTED, state, reason)


def forget_quarantined(connection: Connection, quarantine_id: int) -> None:
    """Drop a quarantined message and its log line, so that its replay is judged as if it came for the first time."""
    row = connection.execute(
        delete(quarantine)
        .where(quarantine.c.id == quarantine_id)
        .returning(quarantine.c.message_id, quarantine.c.content_hash)
    ).one()
    connection.execute(
        delete(messages).where(
            messages.c.message_id == row.message_id,
            messages.c.content_hash == row.content_hash,
            messages.c.outcome == Outcome.QUARANTINED,
        )
    )


def learn_fs(connection: Connection, recording: Row[Any], incoming: Incoming, now: float) -> State:
    """A repeated part may bring the sampling rate that its recording waits for; the state after it."""
    assert incoming.part is not None  # noqa: S101  (only parts have recordings)
    state = State(recording.state)
    fs_hz = _stated_fs(incoming, incoming.part.payload)
    if state is not State.WAITING_FS or fs_hz is None:
        return state
    calibration = orjson.loads(recording.calibration) | {"fs": fs_hz}
    connection.execute(
        update(recordings)
        .where(recordings.c.sequence_id == recording.sequence_id)
        .values(
            calibration=orjson.dumps(calibration).decode(),
            fs_source="sender",
            state=State.READY,
            reason=None,
            ready_at=now,
        )
    )
    return State.READY


def _locked(connection: Connection, sequence_id: str) -> Row[Any] | None:
    return connection.execute(
        select(recordings).where(recordings.c.sequence_id == sequence_id).with_for_update()
    ).one_or_none()


def _stored_hash(connection: Connection, payload: Payload) -> str | None:
    """Content hash of the part that came before under this index, if one did."""
    return connection.scalar(
        select(parts.c.content_hash).where(
            parts.c.sequence_id == payload.sequence_id, parts.c.part_index == payload.index
        )
    )


def _identity(incoming: Incoming) -> tuple[str, str | None, int | None]:
    if incoming.part is None:
        return incoming.content_hash, None, None
    return incoming.content_hash, incoming.part.payload.sequence_id, incoming.part.payload.index


def _repeated(
    connection: Connection, incoming: Incoming, known: Row[Any], recording: Row[Any] | None, now: float
) -> Receipt:
    """The answer to a message id that came before."""
    if (known.content_hash, known.sequence_id, known.part_index) != _identity(incoming):
        fault = Fault("message_id_reused", f"Message id {incoming.message_id} came before with another content.")
        return _quarantined(connection, incoming, fault, now, log=False)
    if known.outcome == Outcome.QUARANTINED:
        return _receipt(incoming, Outcome.QUARANTINED, None, known.reason)
    state = learn_fs(connection, recording, incoming, now) if recording is not None else None
    return _receipt(incoming, Outcome.DUPLICATE, state, recording.reason if recording is not None else None)


def _stated_fs(incoming: Incoming, payload: Payload) -> float | None:
    return payload.calibration.fs_hz if payload.calibration.fs_hz is not None else incoming.fs_hz


def _contradiction(
    incoming: Incoming, payload: Payload, recording: Row[Any] | None, stored_hash: str | None, limits: Limits
) -> Fault | None:
    """What makes the part unusable in its recording, or None."""
    in_message, in_query = payload.calibration.fs_hz, incoming.fs_hz
    if in_message is not None and in_query is not None and in_message != in_query:
        return Fault("fs_contradiction", f"The message says {in_message:g} Hz and its address {in_query:g} Hz.")
    if payload.sequence > limits.max_parts:
        return Fault("too_many_parts", f"{payload.sequence} parts are more than {limits.max_parts}.")
    if stored_hash is not None and stored_hash != incoming.content_hash:
        return Fault("conflicting_part", f"Part {payload.index} came before with other samples.")
    if recording is None:
        return None
    said = orjson.loads(recording.calibration) | {
        "sequence": recording.parts_expected,
        "headers": recording.headers,
        "recordId": recording.record_id,
    }
    here = calibration_fields(payload.calibration) | _fs_field(incoming, payload)
    here |= {"sequence": payload.sequence, "headers": payload.headers, "recordId": payload.record_id}
    differing = [name for name, value in orjson.loads(orjson.dumps(here)).items() if said.get(name, value) != value]
    if differing:
        return Fault("inconsistent_part", f"{', '.join(differing)} differs from the parts that came before.")
    return None


def _fs_field(incoming: Incoming, payload: Payload) -> dict[str, float]:
    fs_hz = _stated_fs(incoming, payload)
    return {} if fs_hz is None else {"fs": fs_hz}


def _check_quota(connection: Connection, incoming: Incoming, limits: Limits) -> None:
    count, size = connection.execute(
        select(func.count(), func.coalesce(func.sum(recordings.c.bytes_received), 0)).where(
            recordings.c.origin_id == incoming.origin_id, recordings.c.state.in_(_COLLECTING)
        )
    ).one()
    if count >= limits.open_recordings_per_origin or size >= limits.open_bytes_per_origin:
        raise QuotaExceeded(
            f"{count} unfinished recordings of this origin wait for parts.",
            "originId", f"< {limits.open_recordings_per_origin} recordings, < {limits.open_bytes_per_origin} bytes",
            f"{count} recordings, {size} bytes", retry_after_s=60.0,
        )  # fmt: skip


def _add(
    connection: Connection, incoming: Incoming, part: Part, recording: Row[Any] | None, now: float
) -> tuple[State, str | None]:
    """Insert the part and move its recording on; the state after it, and why if it is stuck."""
    payload = part.payload
    stated = calibration_fields(payload.calibration) | _fs_field(incoming, payload)
    received = 1 if recording is None else recording.parts_received + 1
    size = len(incoming.body) + (0 if recording is None else recording.bytes_received)
    known = stated if recording is None else orjson.loads(recording.calibration) | stated
    device_code = incoming.device_code if recording is None else recording.device_code
    values: dict[str, Any] = {
        "calibration": orjson.dumps(known).decode(),
        "fs_source": "sender" if "fs" in known else None,
        "parts_received": received,
        "bytes_received": size,
        "state": State.OPEN,
        "reason": None,
        "last_received_at": now,
        "ready_at": None,
    }
    here = {
        "sequence_id": payload.sequence_id,
        "part_index": payload.index,
        "message_id": incoming.message_id,
        "content_hash": incoming.content_hash,
        "first_sample": part.first_sample,
        "last_sample": part.last_sample,
        "body": incoming.body,
    }
    if recording is None:
        if payload.sequence == 1:
            values |= _whole(connection, payload, known, device_code, now)
        first = {
            "sequence_id": payload.sequence_id,
            "record_id": payload.record_id,
            "origin_id": incoming.origin_id,
            "origin_code": incoming.origin_code,
            "device_code": incoming.device_code,
            "device_id": payload.device_id,
            "customer_id": payload.customer_id,
            "headers": payload.headers,
            "parts_expected": payload.sequence,
            "first_received_at": now,
            "attempts": 0,
        }
        connection.execute(insert(recordings), first | values)
        connection.execute(insert(parts), here)
    else:
        connection.execute(insert(parts), here)
        if received == payload.sequence:
            gap = _gap(connection, payload.sequence_id)
            stuck = {"state": State.QUARANTINED, "reason": gap}
            values |= stuck if gap else _whole(connection, payload, known, device_code, now)
        connection.execute(update(recordings).where(recordings.c.sequence_id == payload.sequence_id), values)
    return values["state"], values["reason"]


def _gap(connection: Connection, sequence_id: str) -> str | None:
    """Where the parts of a recording do not continue each other, or None."""
    at = None
    for index, first, last in connection.execute(
        select(parts.c.part_index, parts.c.first_sample, parts.c.last_sample)
        .where(parts.c.sequence_id == sequence_id)
        .order_by(parts.c.part_index)
    ):
        if at is not None and first != at + 1:
            return f"index_gap: part {index} starts at sample {first}, but the part before it ends at {at}."
        at = last
    return None


def _whole(
    connection: Connection, payload: Payload, known: dict[str, Any], device_code: str | None, now: float
) -> dict[str, Any]:
    """What changes in a recording whose parts are all there and fit together."""
    calibration, source = complete_calibration(connection, known, device_code, payload.headers.count(","))
    if "fs" not in calibration:
        reason = "unknown_fs: no message and no device entry states the sampling rate."
        return {"state": State.WAITING_FS, "reason": reason}
    return {
        "state": State.READY,
        "ready_at": now,
        "calibration": orjson.dumps(calibration).decode(),
        "fs_source": source,
    }


def _quarantined(connection: Connection, incoming: Incoming, fault: Fault, now: float, log: bool = True) -> Receipt:
    content_hash, sequence_id, part_index = _identity(incoming)
    there = connection.execute(
        select(quarantine.c.id).where(
            quarantine.c.message_id == incoming.message_id, quarantine.c.content_hash == content_hash
        )
    ).one_or_none()
    if there is None:
        entry = {
            "message_id": incoming.message_id,
            "content_hash": content_hash,
            "sequence_id": sequence_id,
            "part_index": part_index,
            "origin_code": incoming.origin_code,
            "route": incoming.route,
            "fs_hz": incoming.fs_hz,
            "code": fault.code,
            "reason": fault.reason,
            "body": incoming.body,
            "received_at": now,
        }
        connection.execute(insert(quarantine), entry)
    if log:
        _log(connection, incoming, Outcome.QUARANTINED, f"{fault.code}: {fault.reason}", now)
    return _receipt(incoming, Outcome.QUARANTINED, None, f"{fault.code}: {fault.reason}")


def _log(connection: Connection, incoming: Incoming, outcome: Outcome, reason: str | None, now: float) -> None:
    content_hash, sequence_id, part_index = _identity(incoming)
    line = {
        "message_id": incoming.message_id,
        "content_hash": content_hash,
        "sequence_id": sequence_id,
        "part_index": part_index,
        "origin_code": incoming.origin_code,
        "route": incoming.route,
        "outcome": outcome,
        "reason": reason,
        "received_at": now,
    }
    connection.execute(insert(messages), line)


def _receipt(incoming: Incoming, outcome: Outcome, state: State | None, reason: str | None) -> Receipt:
    _, sequence_id, index = _identity(incoming)
    return Receipt(incoming.message_id, outcome, sequence_id, index, state, reason)
