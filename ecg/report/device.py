"""What the recording's file says of its device, and how far the device's measurements are from ours."""

from typing import Any

from ecg.measurement.intervals import Measurements
from ecg.origin import Origin
from ecg.values import Value

#: Measured by devices and by us in the same sense. QTc is left out: files do not say which correction it has.
COMPARED = ("heart_rate", "pr_interval", "qrs_duration", "qt_interval", "p_axis", "qrs_axis", "t_axis")


def differences(origin: Origin | None, measurements: Measurements) -> dict[str, float]:
    """Ours minus the device's, by name, in bpm, ms or degrees (-180 to 180), where both have a value."""
    found: dict[str, float] = {}
    for name in COMPARED if origin is not None else ():
        theirs = origin.measurements.get(name) if origin is not None else None
        value: Value = getattr(measurements, name)
        ours = value.rounded
        if theirs is not None and ours is not None:
            difference = ours - theirs
            found[name] = round((difference + 180) % 360 - 180 if name.endswith("axis") else difference, 1)
    return found


def device_dict(origin: Origin | None) -> dict[str, Any] | None:
    """Make, model, software, filters, measurements and statements as the file gives them; None when it gives none."""
    if origin is None:
        return None
    filters = {
        "high_pass_hz": origin.high_pass_hz,
        "low_pass_hz": origin.low_pass_hz,
        "notch_hz": origin.notch_hz,
        "as_written": list(origin.filters),
    }
    said = {
        "manufacturer": origin.manufacturer,
        "model": origin.model,
        "software": origin.software,
        "filters": filters if any(filters.values()) else None,
        "measurements": dict(origin.measurements),
        "statements": list(origin.statements),
    }
    return said if any(said.values()) else None
