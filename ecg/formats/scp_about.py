"""What SCP-ECG files say beside samples: person and device (section 1), measurements (7), statements (8)."""

import datetime
import struct

from ecg.formats.device_file import age_of, measurements_of, moment_of, statements_of, text_of, withheld
from ecg.origin import Origin

_NOT_MEASURED = 29999
_IDENTIFYING = {
    0: "patient name",
    1: "patient name",
    2: "patient id",
    3: "patient name",
    5: "birth date",
    10: "medication",
    13: "referral",
    16: "institution",
    17: "institution",
    18: "institution",
    19: "institution",
    20: "physician",
    21: "physician",
    22: "operator",
    23: "room",
    30: "comment",
    31: "number of the recording",
    35: "medical history",
}
_AGE_UNITS = {1: "years", 2: "months", 3: "weeks", 4: "days", 5: "hours"}


def time_of(sections: dict[int, bytes]) -> datetime.datetime | None:
    """When the recording began, as section 1 says."""
    tags = _tags(sections.get(1, b""))
    date, time = tags.get(25, b""), tags.get(26, b"")
    if len(date) != 4 or len(time) != 3:
        return None
    return moment_of([*struct.unpack("<HBB", date), *time])


def origin_of(sections: dict[int, bytes]) -> Origin:
    """Device, person, filters and the device's own results. Raises `struct.error` for a section that is cut off."""
    tags = _tags(sections.get(1, b""))
    device = tags.get(14, b"")
    age = struct.unpack("<HB", tags[4]) if len(tags.get(4, b"")) == 3 else (0, 0)
    baseline, low_pass = (struct.unpack("<H", tags[t])[0] if len(tags.get(t, b"")) == 2 else 0 for t in (27, 28))
    said = _statements(sections.get(8, b""))
    statements = statements_of(said)
    return Origin(
        model=text_of(_latin(device[8:14])),
        high_pass_hz=baseline / 100 or None,
        low_pass_hz=float(low_pass) or None,
        age_years=age_of(age[0], _AGE_UNITS.get(age[1], "unknown")) if age[0] else None,
        sex={1: "male", 2: "female"}.get(tags.get(8, b"\0")[0] if tags.get(8) else 0),
        measurements=_measurements(sections.get(7, b"")),
        statements=statements,
        identifying=tuple(
            dict.fromkeys(
                [
                    *(what for tag, what in _IDENTIFYING.items() if tags.get(tag, b"").strip(b"\0 ")),
                    *withheld(said, statements),
                ]
            )
        ),
    )


def _tags(section: bytes) -> dict[int, bytes]:
    tags: dict[int, bytes] = {}
    at = 0
    while at + 3 <= len(section) and section[at] != 255 and len(tags) < 256:
        size = int.from_bytes(section[at + 1 : at + 3], "little")
        tags.setdefault(section[at], section[at + 3 : at + 3 + size])
        at += 3 + size
    return tags


def _latin(text: bytes) -> str:
    return text.split(b"\0")[0].decode("latin-1")


def _given(*times: int) -> bool:
    """Whether all of these times were measured."""
    return all(0 < time < _NOT_MEASURED - 10 for time in times)


def _measurements(section: bytes) -> dict[str, float]:
    if len(section) < 22:
        return {}
    rr_ms = struct.unpack_from("<H", section, 2)[0]
    p_on, _, qrs_on, qrs_off, t_off = struct.unpack_from("<5H", section, 6)
    axes = struct.unpack_from("<3h", section, 16)
    return measurements_of(
        {
            "heart_rate": round(60000 / rr_ms, 1) if _given(rr_ms) else None,
            "pr_interval": qrs_on - p_on if _given(p_on, qrs_on) else None,
            "qrs_duration": qrs_off - qrs_on if _given(qrs_on, qrs_off) else None,
            "qt_interval": t_off - qrs_on if _given(qrs_on, t_off) else None,
            **dict(zip(("p_axis", "qrs_axis", "t_axis"), axes, strict=True)),
        }
    )


def _statements(section: bytes) -> list[str]:
    found = []
    at = 9
    for _ in range(section[8] if len(section) > 8 else 0):
        size = int.from_bytes(section[at + 1 : at + 3], "little")
        found.append(_latin(section[at + 3 : at + 3 + size]))
        at += 3 + size
    return [text for text in found if text]
