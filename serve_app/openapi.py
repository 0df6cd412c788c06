"""The OpenAPI document: `web/openapi.yaml` with the version and the examples put in."""

from importlib.resources import files
from typing import Any

import orjson
import yaml

from ecg._version import __version__
from ecg.formats.writers import wire_body
from ecg.simulation import Scenario, simulate


def sample_body() -> dict[str, Any]:
    """A simulated six-second recording as a JSON request body."""
    return wire_body(simulate(Scenario(duration_s=6, fs_hz=250)).record)


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
