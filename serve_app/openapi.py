"""The OpenAPI document: `web/openapi.yaml` with the version and the examples put in."""

from importlib.resources import files
from typing import Any

import orjson
import yaml

from ecg._version import __version__
from ecg.formats import FORMATS, media_types
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
        written["paths"][path]["post"]["requestBody"]["content"] |= _bodies_of_files()
    bulk = written["paths"]["/analyze/bulk"]["post"]["requestBody"]["content"]
    bulk["application/x-ndjson"]["example"] = 2 * (orjson.dumps(sample).decode() + "\n")
    return written


def _bodies_of_files() -> dict[str, Any]:
    """A body for each media type under which a file may be sent as it is, saying which formats have it."""
    bodies: dict[str, Any] = {}
    for kind in media_types():
        if kind not in ("application/json", "application/x-npy"):  # these have entries of their own
            titles = [reader.title for reader in FORMATS if kind in reader.media_types] or ["zip of one recording"]
            schema = {"type": "string", "format": "binary", "description": "; ".join(titles)}
            bodies[kind] = {"schema": schema}
    return bodies
