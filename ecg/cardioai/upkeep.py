"""What operators do: give up waiting for parts, look at and replay the quarantine, and delete what is old."""

import operator
from dataclasses import astuple, dataclass, replace

from sqlalchemy import Engine, and_, delete, func, select, update

from ecg.cardioai.assemble import inflate
from ecg.cardioai.intake import forget_quarantined, keep
from ecg.cardioai.receipts import Limits, Outcome, Receipt
from ecg.cardioai.receiver import decode
from ecg.cardioai.tables import messages, quarantine
from ecg.errors import MalformedInput
from ecg.store.database import clock, reading, writing
from ecg.store.states import State
from ecg.store.tables import recordings

_PRUNED_AT_ONCE = 500
_FINISHED = (State.DONE, State.FAILED, State.INCOMPLETE, State.WAITING_FS)


@dataclass(frozen=True)
class Quarantined:
    """One kept message that could not be used, and why."""

    id: int
    message_id: str
    sequence_id: str | None
    index: int | None
    origin_code: str | None
    code: str
    reason: str
    received_at: float


@dataclass(frozen=True)
class Pruned:
    """How much a retention run deleted."""

    recordings: int
    messages: int
    quarantined: int


def give_up_waiting(engine: Engine, idle_s: float) -> int:
    """Mark recordings ``incomplete`` whose last part came more than `idle_s` ago; how many. A late part reopens one."""
    with writing(engine) as connection:
        done = connection.execute(
            update(recordings)
            .where(recordings.c.state == State.OPEN, recordings.c.last_received_at < clock(connection) - idle_s)
            .values(state=State.INCOMPLETE, reason=f"missing_parts: none came for {idle_s:g} s.")
        )
    return done.rowcount


def quarantined(engine: Engine, code: str | None = None) -> list[Quarantined]:
    """The quarantine, oldest first; only messages of one reason `code` where it is given."""
    wanted = (
        quarantine.c[name]
        for name in ("id", "message_id", "sequence_id", "part_index", "origin_code", "code", "reason", "received_at")
    )
    query = select(*wanted).order_by(quarantine.c.id)  # without the bodies: there may be many
    if code is not None:
        query = query.where(quarantine.c.code == code)
    with reading(engine) as connection:
        return [Quarantined(*row) for row in connection.execute(query)]


def quarantined_body(engine: Engine, quarantine_id: int) -> bytes | None:
    """The message as it came, or None when nothing is quarantined under that number."""
    with reading(engine) as connection:
        body = connection.scalar(select(quarantine.c.body).where(quarantine.c.id == quarantine_id))
    return None if body is None else inflate(body)


def replay(engine: Engine, quarantine_id: int, limits: Limits) -> Receipt | None:
    """Judge a quarantined message again, as if it came now; None when nothing is quarantined under that number."""
    with writing(engine) as connection:
        row = connection.execute(
            select(quarantine).where(quarantine.c.id == quarantine_id).with_for_update()
        ).one_or_none()
        if row is None:
            return None
        forget_quarantined(connection, row.message_id, row.content_hash)
        incoming = decode(inflate(row.body), row.route, row.fs_hz, limits)
        # Its origin is the one it came with; only a proven one is ever held against the recording's.
        proven = row.code == "inconsistent_part" and "originId" in row.reason
        incoming = replace(incoming, origin_id=row.origin_id, origin_is_proven=proven)
        return keep(connection, incoming, limits)


def prune(engine: Engine, older_than_s: float) -> Pruned:
    """Delete what was last touched more than `older_than_s` ago and is not waiting for a worker or open.

    With a recording go its parts, result and message log: the same message would then be new again. Raises
    `MalformedInput` for an age that is not positive: nothing younger than now is old.
    """
    if not older_than_s > 0:
        raise MalformedInput("What is kept for no time at all is never kept.", "keep-days", "> 0", older_than_s)
    total = Pruned(0, 0, 0)
    while (gone := _prune_some(engine, older_than_s)) != Pruned(0, 0, 0):
        total = Pruned(*map(operator.add, astuple(total), astuple(gone)))
    return total


def _prune_some(engine: Engine, older_than_s: float) -> Pruned:
    """One short transaction, so that messages can be kept in between."""
    with writing(engine) as connection:
        before = clock(connection) - older_than_s
        # A result that is younger than its last message keeps its recording.
        finished = func.coalesce(recordings.c.finished_at, recordings.c.last_received_at)
        is_old = and_(recordings.c.state.in_(_FINISHED), recordings.c.last_received_at < before, finished < before)
        old = connection.scalars(select(recordings.c.id).where(is_old).limit(_PRUNED_AT_ONCE)).all()
        stale = connection.scalars(
            select(quarantine.c.id).where(quarantine.c.received_at < before).limit(_PRUNED_AT_ONCE)
        ).all()
        from_quarantine = connection.execute(delete(quarantine).where(quarantine.c.id.in_(stale))).rowcount
        old_refusal = (messages.c.outcome == Outcome.QUARANTINED) & (messages.c.received_at < before)
        log_lines = connection.execute(delete(messages).where(messages.c.sequence_id.in_(old) | old_refusal)).rowcount
        gone = connection.execute(delete(recordings).where(recordings.c.id.in_(old))).rowcount
    return Pruned(gone, log_lines, from_quarantine)
