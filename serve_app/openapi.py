"""The OpenAPI document: `web/openapi.yaml` with the version and the examples put in."""

from importlib.resources import files
from typing import Any

import orjson
import yaml

from ecg import __version__
from ecg.simulation import Scenario, simulate


def sample_body() -> dict[str, Any]:
    """A simulated six-second recording as a JSON request body."""
    record = simulate(Scenario(duration_s=6, fs_hz=250)).record
    return {
        "signal": [[round(float(sample), 3) for sample in row] for row in record.signal],
        "fs": int(record.fs_hz),
        "lead_names": list(record.leads),
        "recording_duration": record.duration_s,
        "units": record.unit,
    }


def document() -> dict[str, Any]:
    """The whole document, OpenAPI 3.1."""
    written: dict[str, Any] = yaml.safe_load((files("serve_app") / "web" / "openapi.yaml").read_bytes())
    written["info"]["version"] = __version__
    sample = sample_body()
    for path in ("/analyze", "/extract_features", "/assess_quality"):
        written["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"] = sample
    bulk = written["paths"]["/analyze/bulk"]["post"]["requestBody"]["content"]
    bulk["application/x-ndjson"]["example"] = 2 * (orjson.dumps(sample).decode() + "\n")
    return written
