"""Recordings as request bodies."""

import io
from typing import Any

import numpy as np
import orjson

from ecg.record import EcgRecord


def as_json(record: EcgRecord) -> dict[str, Any]:
    body = {
        "signal": [[float(x) for x in row] for row in record.signal],
        "fs": record.fs_hz,
        "lead_names": list(record.leads),
        "recording_duration": record.duration_s,
        "units": record.unit,
    }
    return {"content": orjson.dumps(body), "headers": {"Content-Type": "application/json"}}


def as_npy(record: EcgRecord) -> dict[str, Any]:
    stream = io.BytesIO()
    np.save(stream, record.signal)
    parameters = {"fs": record.fs_hz, "leads": ",".join(record.leads)}
    if record.unit:
        parameters["units"] = record.unit
    return {
        "content": stream.getvalue(),
        "headers": {"Content-Type": "application/x-npy"},
        "params": parameters,
    }
