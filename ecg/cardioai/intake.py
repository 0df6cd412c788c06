"""Keeping messages: every rule that decides what a message means for its recording, inside one transaction."""

from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ecg.cardioai.devices import Turn, complete_calibration, make_ready, next_state
from ecg.cardioai.receipts import Fault, Incoming, Limits, Outcome, Part, Receipt
from ecg.cardioai.tables import messages, parts, quarantine, sequences
from ecg.errors import QuotaExceeded
from ecg.formats.cardioai_message import Payload, calibration_fields
from ecg.store.database import clock
from ecg.store.states import State
from ecg.store.tables import recordings


def keep(connection: Connection, incoming: Incoming, limits: Limits) -> Receipt:
    """Keep one message and say what became of it; durable once the transaction is.

    Raises `QuotaExceeded` when its origin has too much unfinished work here; nothing has been written then.
    """
    turn = Turn(connection, limits, clock(connection))
    part = incoming.part
    # Locked first: two nodes that receive parts of one recording take turns (PostgreSQL; SQLite has one writer).
    recording = _locked(connection, part.payload.sequence_id) if part else None
    known = connection.execute(select(messages).where(messages.c.message_id == incoming.message_id)).one_or_none()
    if known is not None and (known.content_hash, known.sequence_id, known.part_index) != incoming.identity:
        fault = Fault("message_id_reused", f"Message id {incoming.message_id} came before with another content.")
        return _quarantined(turn, incoming, fault, log=False)
    if part is None:
        if known is not None:
            return _receipt(incoming, Outcome.QUARANTINED, None, known.reason)
        fault = incoming.fault or Fault("malformed_input", "No payload.")
        return _quarantined(turn, incoming, fault)
    again = known is not None and known.outcome == Outcome.QUARANTINED
    near = {} if recording is None else _stored_near(connection, part.payload)
    contradiction = _contradiction(incoming, part.payload, limits) or _misfit(incoming, part, recording, near, limits)
    is_new = recording is None or part.payload.index not in near
    if contradiction is None and is_new:
        contradiction = _excess(incoming, part, recording, limits)
    if contradiction is not None:
        return _quarantined(turn, incoming, contradiction, log=known is None)
    if is_new:
        _check_quota(turn, incoming, part.payload, recording)
    if again:  # its address or its recording is another by now
        forget_quarantined(connection, incoming.message_id, incoming.content_hash)
    if recording is None or is_new:
        outcome = Outcome.ACCEPTED
        state, reason = _add(turn, incoming, part, recording)
    else:
        outcome = Outcome.DUPLICATE
        state, reason = _learn_fs(turn, recording, _stated(incoming, part.payload).get("fs"))
    if known is None or again:
        _log(turn, incoming, outcome, None)
    return _receipt(incoming, outcome, state, reason)


def forget_quarantined(connection: Connection, message_id: str, content_hash: str) -> None:
    """Drop a quarantined message and its log line, so that it is judged as if it came for the first time."""
    connection.execute(
        delete(quarantine).where(quarantine.c.message_id == message_id, quarantine.c.content_hash == content_hash)
    )
    connection.execute(
        delete(messages).where(
            messages.c.message_id == message_id,
            messages.c.content_hash == content_hash,
            messages.c.outcome == Outcome.QUARANTINED,
        )
    )


def _learn_fs(turn: Turn, recording: Row[Any], fs_hz: float | None) -> tuple[State, str | None]:
    """A repeated part may bring the sampling rate that its recording waits for; state and reason after it."""
    if recording.state != State.WAITING_FS or fs_hz is None:
        return State(recording.state), recording.reason
    known = orjson.loads(recording.calibration) | {"fs": fs_hz}
    return make_ready(turn, recording, known, "sender")


def _locked(connection: Connection, sequence_id: str) -> Row[Any] | None:
    return connection.execute(
        select(recordings, sequences)
        .join_from(recordings, sequences)
        .where(recordings.c.id == sequence_id)
        .with_for_update()
    ).one_or_none()


def _stored_near(connection: Connection, payload: Payload) -> dict[int, Any]:
    """What is kept of this part and of its neighbours, by index."""
    rows = connection.execute(
        select(parts.c.part_index, parts.c.content_hash, parts.c.first_sample, parts.c.last_sample).where(
            parts.c.sequence_id == payload.sequence_id,
            parts.c.part_index.between(payload.index - 1, payload.index + 1),
        )
    )
    return {row.part_index: row for row in rows}


def _stated(incoming: Incoming, payload: Payload) -> dict[str, Any]:
    """The calibration that the message, or else its address, states."""
    in_address = {} if incoming.fs_hz is None else {"fs": incoming.fs_hz}
    return in_address | calibration_fields(payload.calibration)


def _contradiction(incoming: Incoming, payload: Payload, limits: Limits) -> Fault | None:
    """What makes the part unusable in any recording, or None."""
    in_message, in_query = payload.calibration.fs_hz, incoming.fs_hz
    if in_message is not None and in_query is not None and in_message != in_query:
        return Fault("fs_contradiction", f"The message says {in_message:g} Hz and its address {in_query:g} Hz.")
    if payload.sequence > limits.max_parts:
        return Fault("too_many_parts", f"{payload.sequence} parts are more than {limits.max_parts}.")
    return None


def _misfit(
    incoming: Incoming, part: Part, recording: Row[Any] | None, near: dict[int, Any], limits: Limits
) -> Fault | None:
    """What makes the part unusable in its recording, or None. `near` is what came before, of it and its neighbours."""
    if recording is None:
        return None
    payload, index = part.payload, part.payload.index
    if index in near and near[index].content_hash != incoming.content_hash:
        return Fault("conflicting_part", f"Part {index} came before with other samples.")
    differing = _differing(incoming, payload, recording)
    if differing:
        return Fault("inconsistent_part", f"{', '.join(differing)} differs from the parts that came before.")
    if index not in near and recording.bytes_received + incoming.size > limits.recording_bytes:
        return Fault("recording_too_large", f"Its parts have more than {limits.recording_bytes} bytes.")
    last, following = near.get(index - 1), near.get(index + 1)
    if last is not None and last.last_sample + 1 != part.first_sample:
        where = f"starts at sample {part.first_sample}, but the part before it ends at {last.last_sample}."
    elif following is not None and following.first_sample != part.last_sample + 1:
        where = f"ends at sample {part.last_sample}, but the part after it starts at {following.first_sample}."
    else:
        return None
    return Fault("index_gap", f"Part {index} {where}")


def _excess(incoming: Incoming, part: Part, recording: Row[Any] | None, limits: Limits) -> Fault | None:
    """A fault when the recording would be longer with this part than is ever analysed."""
    before = {} if recording is None else orjson.loads(recording.calibration)
    samples = part.samples + (0 if recording is None else recording.samples_received)
    fs_hz = _stated(incoming, part.payload).get("fs", before.get("fs"))
    return limits.excess(samples, part.payload.headers.count(","), fs_hz)


def _differing(incoming: Incoming, payload: Payload, recording: Row[Any]) -> list[str]:
    """Names of what a part says otherwise than the parts that came before; what either leaves out does not differ."""
    before = orjson.loads(recording.calibration)
    stated = orjson.loads(orjson.dumps(_stated(incoming, payload)))  # tuples to lists, as those before
    pairs = {name: (before.get(name), value) for name, value in stated.items()} | {
        "originId": (recording.origin_id, incoming.origin_id if incoming.origin_is_proven else None),
        "sequence": (recording.parts_expected, payload.sequence),
        "headers": (recording.headers, payload.headers),
        "recordId": (recording.record_id, payload.record_id),
        "deviceId": (recording.device_id, payload.device_id),
        "customerId": (recording.customer_id, payload.customer_id),
        "deviceCode": (recording.device_code, incoming.device_code),
    }
    return [name for name, (said, says) in pairs.items() if None not in (said, says) and said != says]


def _check_quota(turn: Turn, incoming: Incoming, payload: Payload, recording: Row[Any] | None) -> None:
    """Refuse to begin or to lengthen a recording; one that the part completes is taken, for that makes room."""
    if payload.sequence == (1 if recording is None else recording.parts_received + 1):
        return
    count, size = turn.connection.execute(
        select(func.count(), func.coalesce(func.sum(sequences.c.bytes_received), 0))
        .join_from(recordings, sequences)
        .where(recordings.c.origin_id == incoming.origin_id, recordings.c.state == State.OPEN)
    ).one()
    most, most_bytes = turn.limits.open_recordings_per_origin, turn.limits.open_bytes_per_origin
    if (recording is None and count >= most) or size >= most_bytes:
        raise QuotaExceeded(
            f"{count} unfinished recordings of this origin wait for parts.",
            "originId",
            f"< {most} recordings, < {most_bytes} bytes",
            f"{count} recordings, {size} bytes",
            retry_after_s=60.0,
        )


def _add(turn: Turn, incoming: Incoming, part: Part, recording: Row[Any] | None) -> tuple[State, str | None]:
    """Insert the part and move its recording on; the state after it, and why if it is stuck."""
    payload = part.payload
    stated = _stated(incoming, payload)
    known = stated if recording is None else orjson.loads(recording.calibration) | stated
    received = 1 if recording is None else recording.parts_received + 1
    samples = part.samples + (0 if recording is None else recording.samples_received)
    source = "sender" if "fs" in known else None
    state: dict[str, Any] = {"state": State.OPEN, "reason": None}
    if received == payload.sequence:
        n_leads = payload.headers.count(",")
        device_code = incoming.device_code if recording is None else recording.device_code
        known, source = complete_calibration(turn.connection, known, device_code, n_leads)
        state = next_state(turn, known, samples, n_leads)
    sequence = {
        "calibration": orjson.dumps(known).decode(),
        "fs_source": source,
        "parts_received": received,
        "bytes_received": incoming.size + (0 if recording is None else recording.bytes_received),
        "samples_received": samples,
    }
    if recording is None:
        _begin(turn, incoming, payload, state, sequence)
    else:
        this_one = payload.sequence_id
        moved = {"ready_at": None, "last_received_at": turn.now} | state
        turn.connection.execute(update(recordings).where(recordings.c.id == this_one).values(moved))
        turn.connection.execute(update(sequences).where(sequences.c.sequence_id == this_one).values(sequence))
    here = {
        "sequence_id": payload.sequence_id,
        "part_index": payload.index,
        "message_id": incoming.message_id,
        "content_hash": incoming.content_hash,
        "first_sample": part.first_sample,
        "last_sample": part.last_sample,
        "body": incoming.body,
    }
    turn.connection.execute(insert(parts), here)
    return state["state"], state["reason"]


def _begin(turn: Turn, incoming: Incoming, payload: Payload, state: dict[str, Any], sequence: dict[str, Any]) -> None:
    """The rows of a recording whose first part this is."""
    recording = {
        "id": payload.sequence_id,
        "record_id": payload.record_id,
        "origin_id": incoming.origin_id,
        "origin_code": incoming.origin_code,
        "first_received_at": turn.now,
        "last_received_at": turn.now,
    }
    lasting = {
        "sequence_id": payload.sequence_id,
        "device_code": incoming.device_code,
        "device_id": payload.device_id,
        "customer_id": payload.customer_id,
        "headers": payload.headers,
        "parts_expected": payload.sequence,
    }
    turn.connection.execute(insert(recordings), recording | state)
    turn.connection.execute(insert(sequences), lasting | sequence)


def _quarantined(turn: Turn, incoming: Incoming, fault: Fault, log: bool = True) -> Receipt:
    there = turn.connection.execute(
        select(quarantine.c.id).where(
            quarantine.c.message_id == incoming.message_id, quarantine.c.content_hash == incoming.content_hash
        )
    ).one_or_none()
    if there is None:
        _check_quarantine_quota(turn, incoming)
        entry = {
            "fs_hz": incoming.fs_hz,
            "code": fault.code,
            "reason": fault.reason,
            "size": len(incoming.body),
            "body": incoming.body,
        }
        turn.connection.execute(insert(quarantine), incoming.columns(turn.now) | entry)
    if log:
        _log(turn, incoming, Outcome.QUARANTINED, str(fault))
    return _receipt(incoming, Outcome.QUARANTINED, None, str(fault))


def _check_quarantine_quota(turn: Turn, incoming: Incoming) -> None:
    """Refuse a message that cannot be used when its origin has filled its share of the quarantine."""
    count, size = turn.connection.execute(
        select(func.count(), func.coalesce(func.sum(quarantine.c.size), 0)).where(
            quarantine.c.origin_id == incoming.origin_id
        )
    ).one()
    most, most_bytes = turn.limits.quarantined_per_origin, turn.limits.quarantined_bytes_per_origin
    if count >= most or size + len(incoming.body) > most_bytes:
        raise QuotaExceeded(
            f"{count} messages of this origin are in quarantine; an operator has to look at them.",
            "originId",
            f"< {most} messages, <= {most_bytes} bytes",
            f"{count} messages, {size} bytes",
            retry_after_s=600.0,
        )


def _log(turn: Turn, incoming: Incoming, outcome: Outcome, reason: str | None) -> None:
    turn.connection.execute(insert(messages), incoming.columns(turn.now) | {"outcome": outcome, "reason": reason})


def _receipt(incoming: Incoming, outcome: Outcome, state: State | None, reason: str | None) -> Receipt:
    _, sequence_id, index = incoming.identity
    return Receipt(incoming.message_id, outcome, sequence_id, index, state, reason)
