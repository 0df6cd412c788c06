"""What the inbox tells about itself: the state of a recording, counts, and the same counts for Prometheus."""

import datetime
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from sqlalchemy import Column, Connection, Engine, Row, func, select, true

from ecg.cardioai.tables import messages, parts, quarantine, sequences
from ecg.errors import UnknownRecording
from ecg.store.database import clock, reading
from ecg.store.states import State
from ecg.store.tables import recordings, results

_WAITING = (State.READY, State.RUNNING)


@dataclass(frozen=True)
class MessageCount:
    """Messages of one origin code that came over one route with one outcome."""

    origin_code: str | None
    route: str
    outcome: str
    count: int


@dataclass(frozen=True)
class Stats:
    """Counts over what is kept; `oldest_waiting_s` is the age of the recording that waits longest for its result."""

    messages: tuple[MessageCount, ...]
    recordings: dict[str, int]
    results: int
    quarantined: dict[str, int]
    oldest_waiting_s: float | None

    def json(self) -> bytes:
        """The counts as a JSON object."""
        return orjson.dumps(asdict(self))


def record_view(engine: Engine, record_id: str, origin: str | None = None) -> bytes:
    """State and result of every recording under one record id, newest first, as JSON; those of `origin` if not None.

    There are several when the sender cut or read the same record anew. Raises `UnknownRecording`.
    """
    with reading(engine) as connection:
        rows = connection.execute(
            select(recordings, sequences, results.c.body.label("result"))
            .join_from(recordings, sequences)
            .outerjoin(results)
            .where(recordings.c.record_id == record_id, true() if origin is None else recordings.c.origin_id == origin)
            .order_by(recordings.c.first_received_at.desc())
        ).all()
        if not rows:
            raise UnknownRecording("No recording is kept under that id.", "recordId", None, record_id[:128])
        found = [_recording(connection, row) for row in rows]
    return orjson.dumps({"recordId": record_id, "recordings": found})


def listing(engine: Engine, state: State | None = None, most: int = 100) -> list[bytes]:
    """The latest recordings as JSON objects, newest first: ids, state and reason, when they came, what is missing."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(recordings, sequences)
            .join_from(recordings, sequences)
            .where(true() if state is None else recordings.c.state == state)
            .order_by(recordings.c.first_received_at.desc())
            .limit(most)
        ).all()
        return [
            orjson.dumps(
                {
                    "recordId": row.record_id,
                    "sequenceId": row.sequence_id,
                    "originId": row.origin_id,
                    "state": row.state,
                    "reason": row.reason,
                    "parts": f"{row.parts_received}/{row.parts_expected}",
                    "receivedAt": _iso(row.first_received_at),
                    "finishedAt": _iso(row.finished_at),
                }
            )
            for row in rows
        ]


def stats(engine: Engine) -> Stats:
    """The counts now."""
    with reading(engine) as connection:
        by_route = connection.execute(
            select(messages.c.origin_code, messages.c.route, messages.c.outcome, func.count())
            .group_by(messages.c.origin_code, messages.c.route, messages.c.outcome)
            .order_by(messages.c.route, messages.c.outcome)
        ).all()
        by_state = _counted(connection, recordings.c.state)
        by_code = _counted(connection, quarantine.c.code)
        oldest = connection.scalar(select(func.min(recordings.c.ready_at)).where(recordings.c.state.in_(_WAITING)))
        return Stats(
            messages=tuple(MessageCount(*row) for row in by_route),
            recordings={str(state): 0 for state in State} | by_state,
            results=connection.scalar(select(func.count()).select_from(results)) or 0,
            quarantined=by_code,
            oldest_waiting_s=None if oldest is None else max(0.0, clock(connection) - oldest),
        )


def waiting(engine: Engine) -> int:
    """How many complete recordings have no result yet."""
    of_these = select(func.count()).select_from(recordings).where(recordings.c.state.in_(_WAITING))
    with reading(engine) as connection:
        return connection.scalar(of_these) or 0


def known_messages(engine: Engine, message_ids: list[str]) -> set[str]:
    """Those of the message ids under which something is kept."""
    with reading(engine) as connection:
        return set(connection.scalars(select(messages.c.message_id).where(messages.c.message_id.in_(message_ids))))


def prometheus(counts: Stats) -> str:
    """The counts in Prometheus' text format, version 0.0.4."""
    messages_by = [
        ({"origin_code": row.origin_code or "", "route": row.route, "outcome": row.outcome}, row.count)
        for row in counts.messages
    ]
    return (
        gauge("ecg_inbox_messages", "Messages kept, by origin, route and outcome.", messages_by)
        + gauge("ecg_inbox_recordings", "Recordings kept, by state.", _by("state", counts.recordings))
        + gauge("ecg_inbox_quarantined", "Messages in quarantine, by reason.", _by("code", counts.quarantined))
        + gauge("ecg_inbox_results", "Results kept.", [({}, counts.results)])
        + gauge(
            "ecg_inbox_oldest_waiting_seconds",
            "Age of the recording that waits longest for its result.",
            [({}, round(counts.oldest_waiting_s or 0.0, 3))],
        )
    )


def gauge(name: str, meaning: str, samples: Iterable[tuple[dict[str, str], float]]) -> str:
    """One gauge with its samples, labels and value, in Prometheus' text format."""
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        inner = ",".join(f'{label}="{text}"' for label, text in labels.items())
        lines.append(f"{name}{{{inner}}} {value}" if inner else f"{name} {value}")
    return "\n".join(lines) + "\n"


def _by(label: str, counts: dict[str, int]) -> list[tuple[dict[str, str], float]]:
    return [({label: name}, count) for name, count in counts.items()]


def _counted(connection: Connection, column: Column[str]) -> dict[str, int]:
    return dict(connection.execute(select(column, func.count()).group_by(column)).all())


def _recording(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    calibration = orjson.loads(row.calibration)
    view: dict[str, Any] = {
        "sequenceId": row.sequence_id,
        "state": row.state,
        "reason": row.reason,
        "originCode": row.origin_code,
        "deviceCode": row.device_code,
        "partsExpected": row.parts_expected,
        "partsReceived": row.parts_received,
        "missing": [],
        "fs": calibration.get("fs"),
        "fsSource": row.fs_source,
        "acquired": calibration.get("acquired"),
        "receivedAt": _iso(row.first_received_at),
        "finishedAt": _iso(row.finished_at),
        "result": None if row.result is None else orjson.Fragment(row.result),
    }
    if row.parts_received < row.parts_expected:
        there = set(connection.scalars(select(parts.c.part_index).where(parts.c.sequence_id == row.sequence_id)))
        view["missing"] = sorted(set(range(1, row.parts_expected + 1)) - there)
    return view


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
