"""Erasing for good: a recording, all of an origin, or all of a device, with everything that was kept of it."""

from dataclasses import dataclass

import orjson
from sqlalchemy import ColumnElement, Connection, Engine, delete, or_, select, text

from ecg.cardioai.assemble import inflate
from ecg.cardioai.tables import messages, parts, quarantine, sequences
from ecg.errors import InconsistentInput, MalformedInput
from ecg.store.database import writing
from ecg.store.tables import recordings, results

_TABLES = (recordings, sequences, parts, results, messages, quarantine)


@dataclass(frozen=True)
class Erased:
    """How much was erased."""

    recordings: int
    messages: int
    quarantined: int


def erase(
    engine: Engine, record_id: str | None = None, origin_id: str | None = None, device_id: str | None = None
) -> Erased:
    """Delete all that is kept under one id: recordings in any state, their parts and results, log lines, quarantine.

    A quarantined message goes when it holds the id as a value anywhere. On SQLite deleted bytes are overwritten and the
    write-ahead log is emptied; on PostgreSQL the tables are vacuumed. Copies in backups are not reached. Raises
    `MalformedInput` unless exactly one id is given, `InconsistentInput` when something is left, as when a message of it
    came meanwhile.
    """
    given = [one for one in (record_id, origin_id, device_id) if one]
    if len(given) != 1:
        raise MalformedInput("Exactly one of record, origin and device is erased.", "id", "one id", len(given))
    if record_id:
        condition = recordings.c.record_id == record_id
    elif origin_id:
        condition = recordings.c.origin_id == origin_id
    else:
        condition = sequences.c.device_id == device_id
    with writing(engine) as connection:
        total = _delete(connection, condition, given[0], origin_id)
    _overwrite(engine)
    with writing(engine) as connection:
        left = len(_recordings(connection, condition)) + len(_quarantined(connection, [], given[0], origin_id))
    if left:
        raise InconsistentInput("Something of it was received meanwhile; erase it again.", "id", 0, left)
    return total


def _delete(connection: Connection, condition: ColumnElement[bool], wanted: str, origin_id: str | None) -> Erased:
    found = _recordings(connection, condition)
    stale = _quarantined(connection, found, wanted, origin_id)
    named = select(quarantine.c.message_id).where(quarantine.c.id.in_(stale))
    of_it = or_(messages.c.sequence_id.in_(found), messages.c.message_id.in_(named))
    if origin_id is not None:
        of_it = or_(of_it, messages.c.origin_id == origin_id)
    lines = connection.execute(delete(messages).where(of_it)).rowcount
    from_quarantine = connection.execute(delete(quarantine).where(quarantine.c.id.in_(stale))).rowcount
    gone = connection.execute(delete(recordings).where(recordings.c.id.in_(found))).rowcount
    return Erased(gone, lines, from_quarantine)


def _recordings(connection: Connection, condition: ColumnElement[bool]) -> list[str]:
    query = select(recordings.c.id).join_from(recordings, sequences, isouter=True).where(condition)
    return list(connection.scalars(query))


def _quarantined(connection: Connection, found: list[str], wanted: str, origin_id: str | None) -> list[int]:
    """Numbers of the quarantined messages of these recordings, of the origin, or that hold the wanted id as a value."""
    numbers = []
    for row in connection.execute(select(quarantine)):
        of_it = row.sequence_id in found or (origin_id is not None and row.origin_id == origin_id)
        if of_it or _holds(inflate(row.body), wanted):
            numbers.append(row.id)
    return numbers


def _holds(body: bytes, wanted: str) -> bool:
    """Whether a text in a message is the wanted one. Senders escape letters differently, so the body is decoded."""
    try:
        values = [orjson.loads(body)]
    except orjson.JSONDecodeError:
        return orjson.dumps(wanted) in body
    while values:
        value = values.pop()
        if value == wanted:
            return True
        if isinstance(value, dict):
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)
    return False


def _overwrite(engine: Engine) -> None:
    """Take what was deleted out of the store's files, too."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            for table in _TABLES:
                connection.execute(text(f"VACUUM {table.name}"))
            return
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
