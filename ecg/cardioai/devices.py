"""The device registry: what the model behind a deviceCode is known to send, for messages that do not say it."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from ecg.cardioai.receipts import DEFAULT_LIMITS, Limits
from ecg.cardioai.tables import devices, sequences
from ecg.errors import MalformedInput
from ecg.formats.cardioai_message import MAX_ID_CHARS
from ecg.store.database import clock, reading, writing
from ecg.store.states import State
from ecg.store.tables import recordings

_UNITS_CHARS = 16  # of the table's column


@dataclass(frozen=True)
class Turn:
    """One transaction on the store: its connection, the limits in force and the time on the store's clock."""

    connection: Connection
    limits: Limits
    now: float


@dataclass(frozen=True)
class Device:
    """One registry entry: `fs_hz` always; gain, baseline and units of every lead where they are known."""

    device_code: str
    fs_hz: float
    gain: float | None = None
    baseline: int | None = None
    units: str | None = None


def register(engine: Engine, device: Device, limits: Limits = DEFAULT_LIMITS) -> int:
    """Store an entry, replacing an older one; how many recordings that waited for it are ready now.

    Recordings that have started keep the values they started with. Raises `MalformedInput`.
    """
    _check(device)
    with writing(engine) as connection:
        turn = Turn(connection, limits, clock(connection))
        connection.execute(delete(devices).where(devices.c.device_code == device.device_code))
        connection.execute(insert(devices).values(asdict(device) | {"updated_at": turn.now}))
        waiting = connection.execute(
            select(sequences)
            .join(recordings)
            .where(recordings.c.state == State.WAITING_FS, sequences.c.device_code == device.device_code)
            .with_for_update()
        ).all()
        for row in waiting:
            calibration, source = complete_calibration(
                connection, orjson.loads(row.calibration), device.device_code, row.headers.count(",")
            )
            make_ready(turn, row, calibration, source)
    return len(waiting)


def _check(device: Device) -> None:
    scale = (device.gain, device.baseline, device.units)
    if not 0 < len(device.device_code) <= MAX_ID_CHARS:
        raise MalformedInput("A device code is short text.", "device_code", f"1..{MAX_ID_CHARS} characters")
    if not (math.isfinite(device.fs_hz) and device.fs_hz > 0):
        raise MalformedInput("A device has a positive rate.", "fs", "> 0", device.fs_hz)
    if (None in scale) != (scale == (None, None, None)):
        raise MalformedInput("A scale is known whole or not at all.", "gain", "gain, baseline and units", scale)
    if device.gain is not None and not (math.isfinite(device.gain) and device.gain != 0):
        raise MalformedInput("A gain is a number other than 0.", "gain", "not 0", device.gain)
    if device.baseline is not None and abs(device.baseline) >= 2**31:
        raise MalformedInput("A baseline is a sample value.", "baseline", "32-bit integer", device.baseline)
    if device.units is not None and not 0 < len(device.units) <= _UNITS_CHARS:
        raise MalformedInput("Units are a short text.", "units", f"1..{_UNITS_CHARS} characters", device.units)


def make_ready(
    turn: Turn, sequence: Row[Any], calibration: dict[str, Any], fs_source: str | None
) -> tuple[State, str | None]:
    """Move on a recording that waited for its sampling rate; its state and the reason for it."""
    state = next_state(turn, calibration, sequence.samples_received, sequence.headers.count(","))
    this_one = sequence.sequence_id
    known = {"calibration": orjson.dumps(calibration).decode(), "fs_source": fs_source}
    turn.connection.execute(update(sequences).where(sequences.c.sequence_id == this_one).values(known))
    turn.connection.execute(update(recordings).where(recordings.c.id == this_one).values(state))
    return state["state"], state["reason"]


def next_state(turn: Turn, calibration: dict[str, Any], samples: int, n_leads: int) -> dict[str, Any]:
    """The columns of a recording whose parts are all there and fit together."""
    if "fs" not in calibration:
        reason = "unknown_fs: no message and no device entry states the sampling rate."
        return {"state": State.WAITING_FS, "reason": reason}
    excess = turn.limits.excess(samples, n_leads, calibration["fs"])
    if excess is not None:
        return {"state": State.FAILED, "reason": str(excess), "finished_at": turn.now}
    return {"state": State.READY, "reason": None, "ready_at": turn.now}


def registered(engine: Engine) -> list[Device]:
    """All entries, by code."""
    with reading(engine) as connection:
        rows = connection.execute(select(devices).order_by(devices.c.device_code)).all()
    return [Device(row.device_code, row.fs_hz, row.gain, row.baseline, row.units) for row in rows]


def complete_calibration(
    connection: Connection, known: dict[str, Any], device_code: str | None, n_leads: int
) -> tuple[dict[str, Any], str | None]:
    """What the messages say, filled up from the registry, and where the sampling rate is from.

    The messages' word comes first. The registry's scale is taken only whole: gain, baseline and units together, and
    only where the messages state none of the three.
    """
    source = "sender" if "fs" in known else None
    if device_code is None or {"fs", "gain", "baseline", "units"} <= known.keys():
        return known, source
    row = connection.execute(select(devices).where(devices.c.device_code == device_code)).one_or_none()
    if row is None:
        return known, source
    filled = dict(known)
    if "fs" not in filled:
        filled["fs"] = row.fs_hz
        source = "device"
    scale = {"gain": row.gain, "baseline": row.baseline, "units": row.units}
    if None not in scale.values() and not scale.keys() & filled.keys():
        filled |= {name: [value] * n_leads for name, value in scale.items()}
    return filled, source
