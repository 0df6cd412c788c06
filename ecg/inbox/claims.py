"""Who works on which recording: claims with a lease, and the one result that counts."""

import uuid
from dataclasses import dataclass

import orjson
from sqlalchemy import Engine, Update, and_, insert, not_, or_, select, update

from ecg.errors import MalformedInput
from ecg.inbox.assemble import assemble
from ecg.inbox.database import clock, reading, writing
from ecg.inbox.tables import State, parts, recordings, results
from ecg.record import EcgRecord


@dataclass(frozen=True)
class Claim:
    """One worker's right to a recording until `lease_s` pass without a renewal. `token` is new with every claim."""

    sequence_id: str
    token: str
    attempt: int


def claim(engine: Engine, lease_s: float, max_attempts: int) -> Claim | None:
    """The recording that has waited longest, or one whose worker let its lease run out; None when there is none.

    A recording that took `max_attempts` workers down with it fails instead of taking the next.
    """
    with writing(engine) as connection:
        now = clock(connection)
        # A lease that ends much later than one given now was given by a clock that has been put back since.
        in_force = recordings.c.lease_until.between(now, now + 2 * lease_s)
        lapsed = and_(recordings.c.state == State.RUNNING, not_(in_force))
        longest_waiting = (
            select(recordings.c.sequence_id, recordings.c.attempts)
            .where(or_(recordings.c.state == State.READY, lapsed))
            .order_by(recordings.c.ready_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        while (row := connection.execute(longest_waiting).one_or_none()) is not None:
            this_one = update(recordings).where(recordings.c.sequence_id == row.sequence_id)
            if row.attempts < max_attempts:
                claimed = Claim(row.sequence_id, str(uuid.uuid4()), row.attempts + 1)
                running = {"state": State.RUNNING, "attempts": claimed.attempt, "lease_until": now + lease_s}
                connection.execute(this_one.values(running | {"lease_token": claimed.token}))
                return claimed
            reason = f"worker_lost: {row.attempts} workers ended without a result."
            connection.execute(this_one.values(state=State.FAILED, reason=reason, finished_at=now, lease_token=None))
    return None


def renew(engine: Engine, claimed: Claim, lease_s: float) -> bool:
    """Extend the lease; False when another worker has the recording by now."""
    with writing(engine) as connection:
        return connection.execute(_held(claimed).values(lease_until=clock(connection) + lease_s)).rowcount == 1


def load(engine: Engine, claimed: Claim) -> EcgRecord:
    """The claimed recording, assembled. Raises what `assemble` raises when it makes no valid record."""
    with reading(engine) as connection:
        row = connection.execute(
            select(recordings).where(recordings.c.sequence_id == claimed.sequence_id)
        ).one_or_none()
        bodies = connection.scalars(
            select(parts.c.body).where(parts.c.sequence_id == claimed.sequence_id).order_by(parts.c.part_index)
        ).all()
    if row is None or not bodies:
        raise MalformedInput("The recording is no longer kept.", "sequenceId", None, claimed.sequence_id)
    return assemble(row.record_id, row.headers, orjson.loads(row.calibration), list(bodies))


def finish(engine: Engine, claimed: Claim, result: bytes, worker: str) -> bool:
    """Store the result and close the recording, both or neither; False, and nothing stored, when the claim is lost."""
    with writing(engine) as connection:
        now = clock(connection)
        closed = _held(claimed).values(state=State.DONE, reason=None, finished_at=now, lease_token=None)
        if connection.execute(closed).rowcount != 1:
            return False
        connection.execute(
            insert(results).values(sequence_id=claimed.sequence_id, body=result, worker=worker, created_at=now)
        )
    return True


def fail(engine: Engine, claimed: Claim, reason: str) -> bool:
    """Close the recording without a result, for a reason that a further attempt cannot change."""
    with writing(engine) as connection:
        now = clock(connection)
        closed = _held(claimed).values(state=State.FAILED, reason=reason, finished_at=now, lease_token=None)
        return connection.execute(closed).rowcount == 1


def put_off(engine: Engine, claimed: Claim, reason: str, lease_s: float) -> None:
    """Leave a recording to the next attempt, once `lease_s` have passed; until then the others have their turn."""
    with writing(engine) as connection:
        later = clock(connection) + lease_s
        connection.execute(_held(claimed).values(reason=reason, lease_token=None, lease_until=later))


def release(engine: Engine, claimed: Claim) -> None:
    """Give a recording back untouched: the attempt was not its fault and does not count."""
    with writing(engine) as connection:
        connection.execute(
            _held(claimed).values(state=State.READY, lease_token=None, attempts=recordings.c.attempts - 1)
        )


def _held(claimed: Claim) -> Update:
    return update(recordings).where(
        recordings.c.sequence_id == claimed.sequence_id,
        recordings.c.state == State.RUNNING,
        recordings.c.lease_token == claimed.token,
    )
