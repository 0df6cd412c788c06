"""The device registry: what the model behind a deviceCode is known to send, for messages that do not say it."""

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, delete, insert, select, update

from ecg.errors import MalformedInput
from ecg.inbox.database import clock, reading, writing
from ecg.inbox.tables import State, devices, recordings


@dataclass(frozen=True)
class Device:
    """One registry entry: `fs_hz` always; gain, baseline and units of every lead where they are known."""

    device_code: str
    fs_hz: float
    gain: float | None = None
    baseline: int | None = None
    units: str | None = None


def register(engine: Engine, device: Device) -> int:
    """Store an entry, replacing an older one; how many recordings that waited for it are ready now.

    Recordings that have started keep the values they started with.
    """
    if not device.fs_hz > 0 or device.gain == 0:
        raise MalformedInput("A device has a positive rate and a gain other than 0.", "fs", "> 0", device.fs_hz)
    with writing(engine) as connection:
        now = clock(connection)
        connection.execute(delete(devices).where(devices.c.device_code == device.device_code))
        connection.execute(
            insert(devices).values(
                device_code=device.device_code,
                fs_hz=device.fs_hz,
                gain=device.gain,
                baseline=device.baseline,
                units=device.units,
                updated_at=now,
            )
        )
        waiting = connection.execute(
            select(recordings.c.sequence_id, recordings.c.calibration, recordings.c.headers)
            .where(recordings.c.state == State.WAITING_FS, recordings.c.device_code == device.device_code)
            .with_for_update()
        ).all()
        for row in waiting:
            calibration, source = complete_calibration(
                connection, orjson.loads(row.calibration), device.device_code, row.headers.count(",")
            )
            connection.execute(
                update(recordings)
                .where(recordings.c.sequence_id == row.sequence_id)
                .values(
                    calibration=orjson.dumps(calibration).decode(),
                    fs_source=source,
                    state=State.READY,
                    reason=None,
                    ready_at=now,
                )
            )
    return len(waiting)


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
