"""Who works on which recording: claims with a lease, and the one result that counts."""

import uuid
from dataclasses import dataclass

from sqlalchemy import Engine, Update, insert, not_, or_, select, update

from ecg.store.database import clock, writing
from ecg.store.states import State
from ecg.store.tables import recordings, results


@dataclass(frozen=True)
class Claim:
    """One worker's right to a recording until `lease_s` pass without a renewal. `token` is new with every claim.

    `attempt` counts this and all earlier attempts but the `refusals`: those for which the analysis had no room.
    """

    recording: str
    token: str
    attempt: int
    refusals: int


def claim(engine: Engine, lease_s: float, max_attempts: int) -> Claim | None:
    """The recording that has waited longest, or one whose worker let its lease run out; None when there is none.

    A recording fails instead of being claimed when `max_attempts` at it have ended without a result.
    """
    with writing(engine) as connection:
        now = clock(connection)
        # A lease that ends much later than one given now was given by a clock that has been put back since.
        in_force = recordings.c.lease_until.between(now, now + 2 * lease_s)
        is_free = or_(recordings.c.lease_until.is_(None), not_(in_force))
        longest_waiting = (
            select(recordings.c.id, recordings.c.attempts, recordings.c.refusals, recordings.c.reason)
            .where(recordings.c.state.in_((State.READY, State.RUNNING)), is_free)
            .order_by(recordings.c.ready_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        while (row := connection.execute(longest_waiting).one_or_none()) is not None:
            this_one = update(recordings).where(recordings.c.id == row.id)
            done = row.attempts - row.refusals
            if done < max_attempts:
                claimed = Claim(row.id, str(uuid.uuid4()), done + 1, row.refusals)
                running = {"state": State.RUNNING, "attempts": row.attempts + 1, "lease_until": now + lease_s}
                connection.execute(this_one.values(running | {"lease_token": claimed.token, "reason": None}))
                return claimed
            reason = row.reason or f"worker_lost: {done} workers ended without a result."
            connection.execute(this_one.values(state=State.FAILED, reason=reason, finished_at=now, lease_token=None))
    return None


def renew(engine: Engine, claimed: Claim, lease_s: float) -> bool:
    """Extend the lease; False when another worker has the recording by now."""
    with writing(engine) as connection:
        return connection.execute(_held(claimed).values(lease_until=clock(connection) + lease_s)).rowcount == 1


def finish(engine: Engine, claimed: Claim, result: bytes, worker: str) -> bool:
    """Store the result and close the recording, both or neither; False, and nothing stored, when the claim is lost."""
    with writing(engine) as connection:
        now = clock(connection)
        closed = _held(claimed).values(state=State.DONE, reason=None, finished_at=now, lease_token=None)
        if connection.execute(closed).rowcount != 1:
            return False
        connection.execute(
            insert(results).values(recording=claimed.recording, body=result, worker=worker, created_at=now)
        )
    return True


def fail(engine: Engine, claimed: Claim, reason: str) -> bool:
    """Close the recording without a result, for a reason that a further attempt cannot change."""
    with writing(engine) as connection:
        now = clock(connection)
        closed = _held(claimed).values(state=State.FAILED, reason=reason, finished_at=now, lease_token=None)
        return connection.execute(closed).rowcount == 1


def put_off(engine: Engine, claimed: Claim, reason: str, delay_s: float, refused: bool = False) -> None:
    """Leave a recording to the next attempt, once `delay_s` have passed; until then the others have their turn.

    The attempt counts unless it was `refused`, which is not the recording's fault and is counted apart. `delay_s` is
    at most a lease: `claim` takes a lease that ends later for one of a clock that has been put back.
    """
    with writing(engine) as connection:
        later = {"state": State.READY, "reason": reason, "lease_until": clock(connection) + delay_s}
        later |= {"lease_token": None, "refusals": recordings.c.refusals + int(refused)}
        connection.execute(_held(claimed).values(later))


def retry_failed(engine: Engine, record_id: str | None) -> int:
    """Give failed recordings, or those of one record id, to the workers again; how many."""
    with writing(engine) as connection:
        again = update(recordings).where(recordings.c.state == State.FAILED)
        if record_id is not None:
            again = again.where(recordings.c.record_id == record_id)
        fresh = {
            "state": State.READY,
            "reason": None,
            "attempts": 0,
            "refusals": 0,
            "lease_until": None,
            "finished_at": None,
            "ready_at": clock(connection),
        }
        return connection.execute(again.values(fresh)).rowcount


def _held(claimed: Claim) -> Update:
    return update(recordings).where(
        recordings.c.id == claimed.recording,
        recordings.c.state == State.RUNNING,
        recordings.c.lease_token == claimed.token,
    )
