"""Extracted CSV files to payload files, cut into parts where one message would be too large."""

import hashlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ecg.cardioai.extract import replacing
from ecg.cardioai.message import NOTHING_KNOWN, Calibration, Payload, Sender, encode_message, encode_payload
from ecg.cardioai.rows import parse_rows
from ecg.errors import InputTooLarge, MalformedInput

#: Room kept for the device code, the one message field that is chosen only when sending.
DEVICE_CODE_RESERVE = 64


@dataclass(frozen=True)
class Written:
    """What became of one extracted file."""

    record_id: str
    sequence_id: str
    parts: int
    rows: int


def write_payloads(
    source: Path,
    destination: Path,
    calibration: Calibration = NOTHING_KNOWN,
    max_bytes: int | None = None,
    max_samples: int | None = None,
) -> Written:
    """Write the payload files of one extracted file: ``<recordId>.json``, or ``<recordId>-<index>.json`` of several.

    Every message that `ecg relay` makes of a part has fewer than `max_bytes` bytes, and a part at most `max_samples`
    rows; without either the record is one payload, as in the original generator. Sequence, device and customer
    identifiers follow from the content, so that a second run makes the same files. The file is read twice and never
    held whole. Raises `MalformedInput` for a file with no rows or rows that break the payload's rules.
    """
    record_id = source.name.split(".")[0]
    with source.open(encoding="utf-8", newline="") as lines:
        headers = header_line(lines.readline())
    digest = hashlib.sha256(f"{headers}|{max_bytes}|{max_samples}|{calibration}".encode())
    sizes = [0]
    for row in _rows(source):
        digest.update(row.encode() + b"\n")
        sizes.append(len(row) + 3)  # quotes and comma
    if len(sizes) == 1:
        raise MalformedInput(f"{source.name} has no rows.", "source", ">= 1 row", 0)
    content = digest.hexdigest()
    whole = Payload(
        device_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"device {record_id}")),
        customer_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"customer {record_id}")),
        sequence_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"sequence {record_id} {content}")),
        sequence=len(sizes) - 1,
        index=len(sizes) - 1,
        headers=headers,
        data=[],
        record_id=record_id,
        created_ms=time.time_ns() // 10**6,
        calibration=calibration,
    )
    counts = _cut(sizes[1:], _envelope_bytes(whole), max_bytes, max_samples)
    rows = _rows(source)
    for index, count in enumerate(counts, start=1):
        part = replace(whole, sequence=len(counts), index=index, data=[next(rows) for _ in range(count)])
        parse_rows(part.headers, part.data)
        name = f"{record_id}.json" if len(counts) == 1 else f"{record_id}-{index:05d}.json"
        with replacing(destination / name) as out:
            out.write(encode_payload(part))
    return Written(record_id, whole.sequence_id, len(counts), len(sizes) - 1)


def header_line(line: str) -> str:
    """The payload's header line from a CSV heading, as the original makes it: upper case, no quotes, INDEX first."""
    return line.rstrip("\r\n").upper().replace("'", "").replace("SAMPLE #", "INDEX", 1)


def _rows(source: Path) -> Iterator[str]:
    with source.open(encoding="utf-8", newline="") as lines:
        next(lines, None)
        for line in lines:
            yield line.rstrip("\r\n")


def _envelope_bytes(payload: Payload) -> int:
    """Size of a message without rows, with every field at its longest."""
    identifier = str(uuid.UUID(int=0))
    sender = Sender(identifier, "clinical", "x" * DEVICE_CODE_RESERVE)
    return len(encode_message(payload, sender, identifier, -(2**63)))


def _cut(sizes: list[int], overhead: int, max_bytes: int | None, max_samples: int | None) -> list[int]:
    """Rows per part, filled greedily."""
    counts = [0]
    used = overhead
    for size in sizes:
        full = max_samples is not None and counts[-1] == max_samples
        if counts[-1] and (full or (max_bytes is not None and used + size >= max_bytes)):
            counts.append(0)
            used = overhead
        if max_bytes is not None and used + size >= max_bytes:
            raise InputTooLarge(f"One row does not fit {max_bytes} bytes.", "max-bytes", f"> {used + size}", max_bytes)
        counts[-1] += 1
        used += size
    return counts
