"""Extracted CSV files to payload files, cut into parts where one message would be too large."""

import hashlib
import itertools
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ecg.atomic_write import replacing
from ecg.errors import InputTooLarge, MalformedInput
from ecg.formats.cardioai_message import (
    MAX_SEQUENCE,
    NOTHING_KNOWN,
    Calibration,
    Payload,
    Sender,
    encode_message,
    encode_payload,
)
from ecg.formats.cardioai_rows import parse_rows
from ecg.formats.table_heading import column_names
from ecg.leads import canonical_lead

#: Room kept for the device code, the one message field that is chosen only when sending.
DEVICE_CODE_RESERVE = 64


def write_payloads(
    source: Path,
    destination: Path,
    calibration: Calibration = NOTHING_KNOWN,
    max_bytes: int | None = None,
    max_samples: int | None = None,
) -> int:
    """Write the payload files of one extracted file and say how many.

    One is ``<recordId>.json``, several are ``<recordId>-<index>.json``. Every message that `ecg relay` makes of
    a part has fewer than `max_bytes` bytes, and a part at most `max_samples` rows; without either the record is one
    payload, as in the original generator. Sequence, device and customer identifiers follow from the content, so that a
    second run makes the same files, and one with other limits takes the place of the first. The file is read twice and
    only a part of it held. Raises `MalformedInput` for a file with no rows or rows that break the payload's rules;
    there are no payload files then.
    """
    record_id = record_id_of(source)
    with source.open(encoding="utf-8", newline="") as lines:
        headers = header_line(lines.readline())
    longest = Payload(
        device_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"device {record_id}")),
        customer_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"customer {record_id}")),
        sequence_id=str(uuid.UUID(int=0)),
        sequence=MAX_SEQUENCE,
        index=MAX_SEQUENCE,
        headers=headers,
        data=[],
        record_id=record_id,
        created_ms=time.time_ns() // 10**6,
        calibration=calibration,
    )
    digest = hashlib.sha256(f"{headers}|{max_bytes}|{max_samples}|{calibration}".encode())
    counts = _cut(_hashed(_rows(source), digest), _envelope_bytes(longest), max_bytes, max_samples)
    sequence_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"sequence {record_id} {digest.hexdigest()}"))
    rows = _rows(source)
    paths = [destination / _file_name(record_id, index, len(counts)) for index in range(1, len(counts) + 1)]
    written = []
    try:
        for index, (path, count) in enumerate(zip(paths, counts, strict=True), start=1):
            data = list(itertools.islice(rows, count))
            part = replace(longest, sequence_id=sequence_id, sequence=len(counts), index=index, data=data)
            parse_rows(part.headers, part.data)
            with replacing(path) as draft:
                draft.write_bytes(encode_payload(part))
            written.append(path)
    except BaseException:
        for path in written:  # parts of a record that never becomes whole
            path.unlink()
        raise
    for path in _files_of_another_cut(destination, record_id, len(counts)):
        path.unlink()
    return len(counts)


def record_id_of(source: Path) -> str:
    """The record id of an extracted file: its name up to the first dot. Raises `MalformedInput` when that is empty."""
    record_id = source.name.split(".")[0]
    if not record_id:
        raise MalformedInput(f"The name of {source.name} gives no record id.", "source", "ID.txt")
    return record_id


def _file_name(record_id: str, index: int, parts: int) -> str:
    return f"{record_id}.json" if parts == 1 else f"{record_id}-{index:05d}.json"


def _files_of_another_cut(destination: Path, record_id: str, parts: int) -> Iterator[Path]:
    """What an earlier run with other limits left: sent along, it would never become whole, or be a second recording."""
    whole = destination / _file_name(record_id, 1, 1)
    if parts > 1 and whole.exists():
        yield whole
    index = parts + 1 if parts > 1 else 1
    while (path := destination / _file_name(record_id, index, index + 1)).exists():
        yield path
        index += 1


def header_line(line: str) -> str:
    """The payload's header line from a CSV heading, as the original makes it: upper case, no quotes, INDEX first.

    A name that holds a comma, which would be two columns, is given in the lead's standard spelling.
    """
    if "'" in line:
        names = (name if "," not in name else canonical_lead(name) for name in column_names(line, ","))
        line = ",".join(names)
    return line.rstrip("\r\n").upper().replace("'", "").replace("SAMPLE #", "INDEX", 1)


def _rows(source: Path) -> Iterator[str]:
    with source.open(encoding="utf-8", newline="") as lines:
        next(lines, None)
        for line in lines:
            yield line.rstrip("\r\n")


def _hashed(rows: Iterator[str], digest: "hashlib._Hash") -> Iterator[int]:
    """Size of each row in a message, quotes and comma included; the row itself goes into the digest."""
    for row in rows:
        digest.update(row.encode() + b"\n")
        yield len(row) + 3


def _envelope_bytes(payload: Payload) -> int:
    """Size of a message without rows, with every field at its longest."""
    identifier = str(uuid.UUID(int=0))
    sender = Sender(identifier, "clinical", "x" * DEVICE_CODE_RESERVE)
    return len(encode_message(payload, sender, identifier, -(2**63)))


def _cut(sizes: Iterator[int], overhead: int, max_bytes: int | None, max_samples: int | None) -> list[int]:
    """Rows per part, filled greedily. Raises `MalformedInput` when there are no rows."""
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
    if counts == [0]:
        raise MalformedInput("The file has no rows.", "source", ">= 1 row", 0)
    return counts
