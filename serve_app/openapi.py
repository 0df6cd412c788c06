"""The OpenAPI document: `web/openapi.yaml` with the version and the examples put in."""

from importlib.resources import files
from typing import Any

import orjson
import yaml

from ecg._version import __version__
from ecg.formats import FORMATS, media_types
from ecg.formats.writers import wire_body
from ecg.simulation import Scenario, simulate
from serve_app.edge.access import SCOPES


def sample_body() -> dict[str, Any]:
    """A simulated six-second recording as a JSON request body."""
    return wire_body(simulate(Scenario(duration_s=6, fs_hz=250)).record)


def document(needs_credential: bool = False) -> dict[str, Any]:
    """The whole document, OpenAPI 3.1, of a service that needs a key or a token, or of one that needs none."""
    written: dict[str, Any] = yaml.safe_load((files("serve_app") / "web" / "openapi.yaml").read_bytes())
    written["info"]["version"] = __version__
    _require_keys(written, needs_credential)
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


def _require_keys(written: dict[str, Any], needs_credential: bool) -> None:
    """Say of each route that needs a key which scopes it takes, and how a request without one is refused."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusals = {
        "401": "no API key or token, or none that is valid, where the service asks for one",
        "403": "the key or token has no right to this, or a page of another site has sent the request",
        "429": "the key, or its origin, is over its limit; see Retry-After",
    }
    written["components"]["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "an API key or an OIDC token, where the service was started with keys or an issuer",
        }
    }
    elsewhere = {"description": "the request names another service (Host)", "content": problem}
    away = "the inbox, the keys or the audit log are unavailable; see Retry-After"
    unavailable = {"description": away, "content": problem}
    for operations in written["paths"].values():
        for operation in operations.values():
            operation["responses"]["421"] = elsewhere
    for path, scopes in SCOPES.items():
        for operation in written["paths"][path].values():
            operation["security"] = [{"key": list(scopes)}, *([] if needs_credential else [{}])]
            responses = {status: {"description": text, "content": problem} for status, text in refusals.items()}
            operation["responses"] |= responses
            operation["responses"].setdefault("503", unavailable)
