"""Small CardioAI messages for tests and benchmarks."""

import uuid
from dataclasses import replace
from typing import Any

import orjson

from ecg.formats.cardioai_message import NOTHING_KNOWN, Calibration, Payload, Sender, encode_message

SENDER = Sender("origin-1", "clinical", "D3F153")
FS_500 = Calibration(fs_hz=500.0)


def rows(first: int, count: int, n_leads: int = 2, offset: int = 0) -> list[str]:
    return [
        ",".join(str(v) for v in (n, *((n * (k + 3) + offset) % 97 - 40 for k in range(n_leads))))
        for n in range(first, first + count)
    ]


def payload(
    sequence_id: str = "seq-1",
    sequence: int = 1,
    index: int = 1,
    calibration: Calibration = NOTHING_KNOWN,
    data: list[str] | None = None,
    **changes: Any,
) -> Payload:
    whole = Payload(
        device_id="device-1",
        customer_id="customer-1",
        sequence_id=sequence_id,
        sequence=sequence,
        index=index,
        headers="INDEX,I,II",
        data=rows((index - 1) * 100, 100) if data is None else data,
        record_id="record-1",
        created_ms=1_700_000_000_000,
        calibration=calibration,
    )
    return replace(whole, **changes)


def message(part: Payload, message_id: str | None = None, sender: Sender = SENDER, **changes: Any) -> bytes:
    """The message of a payload, its outer fields changed as named."""
    body = encode_message(part, sender, message_id or str(uuid.uuid4()), 1)
    return orjson.dumps(orjson.loads(body) | changes) if changes else body
