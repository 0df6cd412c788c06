"""The sections of an SCP-ECG file, each held against its checksum."""

import binascii
import struct

from ecg.errors import MalformedInput

_HEAD = 16  # bytes of a section before its content
_CARRY_SAMPLES = frozenset({0, 2, 3, 4, 5, 6})


def sections_of(data: bytes) -> tuple[dict[int, bytes], list[str]]:
    """The contents of the sections by number, without their heads, and notes on what is damaged.

    A section that samples depend on is refused when its CRC does not fit; another is left out with a note. All files at
    hand, of three makers and two converters, carry right sums; a sum of 0 is taken as not computed. Where the sections
    have none, the sum of the whole file decides. Raises `MalformedInput`.
    """
    pointers = _pointers(data)
    sections: dict[int, bytes] = {}
    notes: list[str] = []
    summed = False
    for number, (start, size) in pointers.items():
        if struct.unpack_from("<H", data, start + 2)[0] != number or start + size > len(data):
            raise MalformedInput(
                f"Section {number} is not where the SCP-ECG file says.", "file", f"section {number}", None
            )
        fits = _fits(data[start : start + size])
        if fits is False and number in _CARRY_SAMPLES:
            raise _damaged(f"Section {number} of the SCP-ECG file does not fit its checksum: it is damaged.")
        if fits is False:
            notes.append(f"Section {number} of the SCP-ECG file does not fit its checksum and is not read.")
            continue
        summed |= number == 6 and fits is True
        sections[number] = data[start + _HEAD : start + size]
    whole = _fits(data[: struct.unpack_from("<I", data, 2)[0]])
    if whole is False and not summed:
        raise _damaged("The SCP-ECG file does not fit its checksum: it is damaged.")
    if whole is False and not notes:
        notes.append("The SCP-ECG file does not fit its checksum; the sections of the samples fit theirs.")
    return sections, notes


def _pointers(data: bytes) -> dict[int, tuple[int, int]]:
    """Where each section starts, from 0, and its size."""
    shifted = MalformedInput("Not an SCP-ECG file, or one that is shifted.", "file", "a pointer section", None)
    if (
        len(data) < 38
        or struct.unpack_from("<I", data, 2)[0] > len(data) + 6
        or data[16:22] not in (b"SCPECG", b"\0" * 6)
    ):
        raise shifted
    length = struct.unpack_from("<I", data, 10)[0]
    if struct.unpack_from("<H", data, 8)[0] != 0 or not _HEAD < length <= len(data):
        raise shifted
    found = {0: (6, length)}
    for at in range(6 + _HEAD, min(6 + length, 6 + _HEAD + 10 * 64) - 9, 10):
        number, size, place = struct.unpack_from("<HII", data, at)
        if size > _HEAD and 0 < place <= len(data) - _HEAD and number:
            found[number] = (place - 1, size)
    return found


def _fits(part: bytes) -> bool | None:
    """Whether a part fits the CRC of two bytes (CCITT, from FFFF) before it; None for a sum that was not computed."""
    written = struct.unpack_from("<H", part)[0]
    return None if written == 0 else bool(written == binascii.crc_hqx(part[2:], 0xFFFF))


def _damaged(message: str) -> MalformedInput:
    return MalformedInput(message, "file", "the sum that is written", "another")
