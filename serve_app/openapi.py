"""The OpenAPI document. Written by hand, because arrays never pass through generated models; a test executes its
examples against a running service and validates every answer against its schemas.
"""  # fmt: skip

from typing import Any

import orjson

from ecg import __version__
from ecg.cardioai.message import ORIGIN_CODES, Calibration, Payload, Sender, encode_message
from ecg.inbox.tables import Outcome, State
from ecg.labels import LABEL_NAMES
from ecg.pipeline import PARTS
from ecg.simulation import Scenario, simulate
from serve_app import bodies, bulk, inbox

Schema = dict[str, Any]
_DESCRIPTION = """
12-lead ECG analysis: ECG-FM labels and embeddings, measured intervals, signal quality.

**Research use only.** Label probabilities are not calibrated: the training loss weighted the classes (see `/labels`).
What could not be measured is `null` with a reason. A model without trained weights gives no label, rhythm or
confidence.
Sampling rate, lead order and units are never assumed: state them.
"""


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
    return {
        "openapi": "3.1.0",
        "info": {"title": "ECG analysis service", "version": __version__, "description": _DESCRIPTION},
        "paths": _paths(),
        "components": {"schemas": _schemas()},
    }


def _object(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def _nullable(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_NUMBER: Schema = {"type": "number"}
_STRING: Schema = {"type": "string"}
_MAYBE_NUMBER = _nullable(_NUMBER)
_MAYBE_STRING = _nullable(_STRING)


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _schemas() -> dict[str, Schema]:
    parameters = ("heart_rate", "qrs_duration", "qt_interval", "pr_interval")
    value = _object({"value": _MAYBE_NUMBER, "unit": _STRING, "spread": _MAYBE_NUMBER, "reason": _MAYBE_STRING})
    identity = _object({"weights": _STRING, "trained": {"type": "boolean"}, "backend": _STRING, "precision": _STRING})
    grade = {"type": "string", "enum": ["Excellent", "Good", "Fair", "Poor"]}
    provenance = _object(
        {
            "service": _STRING,
            "models": {"type": "object", "additionalProperties": _ref("ModelIdentity")},
            "input_sha256": _STRING,
            "input": {"type": "object"},
            "preparation": _STRING,
            "features_schema": _STRING,
        }
    )
    clinical = _object(
        {
            "rhythm": _MAYBE_STRING,
            **dict.fromkeys(parameters, _MAYBE_NUMBER),
            "axis_deviation": {"enum": ["Normal", "Left", "Right", "Extreme", None]},
            "abnormalities": _list(_STRING),
            "confidence": _MAYBE_NUMBER,
            "source": {"enum": ["ecg-fm", "rules"]},
            "physiological_parameters": _object(dict.fromkeys((*parameters, "qrs_axis"), _MAYBE_NUMBER)),
        }
    )
    label = _object({"name": {"enum": list(LABEL_NAMES)}, "probability": _MAYBE_NUMBER, "calibrated": {"const": False}})
    finding = _object({"label": _STRING, "present": _nullable({"type": "boolean"}), "evidence": _STRING})
    contradiction = _object({"label": _STRING, "model": _NUMBER, "evidence": _STRING})
    features = _nullable(_list(_MAYBE_NUMBER, minItems=1024))
    quality = _object(
        {
            "grade": grade,
            "acceptable": {"type": "boolean"},
            "causes": _list({"type": "object"}),
            "per_lead": {"type": "object"},
            "lead_reversal": _MAYBE_STRING,
            "possible_reversal": _MAYBE_STRING,
        }
    )
    common = {"processing_time": _NUMBER, "warnings": _list(_STRING), "provenance": _ref("Provenance")}
    report = _object(
        {
            "clinical_analysis": _nullable(_ref("ClinicalAnalysis")),
            "labels": _nullable(_list(_ref("Label"), minItems=17, maxItems=17)),
            "features": features,
            "signal_quality": {"enum": [*grade["enum"], None]},
            "measurements": {
                "type": ["object", "null"],
                "additionalProperties": {"anyOf": [_ref("Value"), {"type": "object"}]},
            },
            "quality": _nullable(_ref("Quality")),
            "findings": _nullable(_list(_ref("Finding"), minItems=17, maxItems=17)),
            "consistency": _list(_ref("Contradiction")),
            **common,
        }
    )
    problem = _object(
        {
            "type": _STRING,
            "title": _STRING,
            "status": {"type": "integer"},
            "detail": _STRING,
            "code": _STRING,
            "field": _MAYBE_STRING,
            "expected": {},
            "got": {},
            "request_id": _STRING,
        },
        required=["type", "title", "status", "detail", "code", "request_id"],
    )
    bulk_line = _object(
        {
            "index": {"type": "integer", "description": "place in the request, from 0"},
            "name": {**_MAYBE_STRING, "description": "file name, of a multipart body"},
            "status": {"type": "integer", "description": "what /analyze would have answered"},
            "report": _ref("Report"),
            "problem": _ref("Problem"),
        },
        required=["index", "name", "status"],
    )
    recording = _object(
        {
            "signal": _list(_list(_MAYBE_NUMBER), description="one row of samples a lead; null is a missing sample"),
            "fs": {**_NUMBER, "description": "sampling rate in Hz"},
            "lead_names": _list(_STRING),
            "recording_duration": {**_NUMBER, "description": "seconds; checked against samples and fs"},
            "units": {"enum": ["mV", "uV", "V", "nV"], "description": "needed for amplitude features only"},
            "name": _STRING,
        },
        required=["signal", "fs", "lead_names"],
    )
    return {
        "Recording": recording,
        "Report": report,
        "Features": _object({"features": features, **common}),
        "QualityReport": _object({"signal_quality": grade, "quality": _ref("Quality"), **common}),
        "ClinicalAnalysis": clinical,
        "Label": label,
        "Finding": finding,
        "Contradiction": contradiction,
        "Value": value,
        "Quality": quality,
        "Provenance": provenance,
        "ModelIdentity": identity,
        "Problem": problem,
        "BulkLine": bulk_line,
        "Receipt": _object(
            {
                "messageId": _STRING,
                "status": {"enum": [str(outcome) for outcome in Outcome]},
                "sequenceId": _MAYBE_STRING,
                "index": _nullable({"type": "integer"}),
                "state": {**_MAYBE_STRING, "enum": [*map(str, State), None]},
                "reason": _MAYBE_STRING,
            }
        ),
        "IngestedRecord": _object({"recordId": _STRING, "recordings": _list({"type": "object"}, minItems=1)}),
        "Object": {"type": "object"},
    }


def _answer(schema: str, description: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _problem(description: str) -> Schema:
    return {"description": description, "content": {"application/problem+json": {"schema": _ref("Problem")}}}


def _recording_route(summary: str, schema: str, *, takes_include: bool = False) -> Schema:
    query: dict[str, Schema] = {
        "fs": {**_NUMBER, "description": "sampling rate in Hz, for bodies that do not say it"},
        "leads": {**_STRING, "description": "lead names in row order, comma separated"},
        "units": {**_STRING, "description": "mV, uV, V or nV"},
        "scale": {**_NUMBER, "description": "unit per count, for int16 bodies"},
        "filename": {**_STRING, "description": "tells the format of raw file bytes"},
    }
    if takes_include:
        query = {"include": {**_STRING, "description": f"any of {', '.join(PARTS)}; all of them when absent"}} | query
    binary = {"schema": {"type": "string", "format": "binary"}}
    content: dict[str, Any] = {bodies.JSON: {"schema": _ref("Recording"), "example": sample_body()}}
    content |= dict.fromkeys((bodies.NPY, bodies.INT16, *bodies.RAW), binary)
    content[bodies.MULTIPART] = {"schema": {"type": "object", "additionalProperties": binary["schema"]}}
    return {
        "post": {
            "summary": summary,
            "parameters": [
                {"name": n, "in": "query", "required": False, "schema": {k: v for k, v in s.items() if k == "type"}}
                | {"description": s["description"]}
                for n, s in query.items()
            ],
            "requestBody": {"required": True, "content": content},
            "responses": {
                "200": _answer(schema, "the analysis"),
                "400": _problem("malformed: the field, what was expected and what came are named"),
                "413": _problem("too large, also after inflation"),
                "415": _problem("unknown content type or file format"),
                "422": _problem("well-formed but not usable: leads missing, under 5 s, rate out of range"),
                "503": _problem("a queue is full or a model is still loading; see Retry-After"),
            },
        }
    }


def _bulk_route() -> Schema:
    route = _recording_route("Many recordings, one line of NDJSON for each, in order", "Object", takes_include=True)
    post = route["post"]
    post["description"] = (
        "A body of NDJSON holds one `Recording` a line; a multipart body one recording a file, a WFDB header together "
        "with its signal files. Answers are streamed as they get ready. What is wrong with one recording concerns no "
        "other. A recording that finds the service at its limit waits and is tried again. The request as a whole is "
        "under the service's time limit: `x-request-timeout-seconds: 0` lifts it."
    )
    post["parameters"] = [parameter for parameter in post["parameters"] if parameter["name"] != "filename"]
    content = post["requestBody"]["content"]
    example = 2 * (orjson.dumps(sample_body()).decode() + "\n")
    post["requestBody"]["content"] = {
        bulk.MEDIA_TYPE: {"schema": _STRING, "example": example},
        bodies.MULTIPART: content[bodies.MULTIPART],
    }
    lines = {"schema": _STRING, "x-line-schema": _ref("BulkLine")}
    post["responses"]["200"] = {"description": "a line for each recording", "content": {bulk.MEDIA_TYPE: lines}}
    del post["responses"]["422"]
    return route


def _get(summary: str, schema: str = "Object", media_type: str = "application/json") -> Schema:
    content = {media_type: {"schema": _ref(schema) if media_type == "application/json" else _STRING}}
    return {"get": {"summary": summary, "responses": {"200": {"description": "answer", "content": content}}}}


def _paths() -> dict[str, Schema]:
    ready = _get("200 when /analyze can answer with its clinical part, else 503")
    ready["get"]["responses"]["503"] = _problem("the clinical model is not ready")
    return {
        "/analyze": _recording_route("Everything about one recording", "Report", takes_include=True),
        bulk.PATH: _bulk_route(),
        "/extract_features": _recording_route("The feature vector", "Features"),
        "/assess_quality": _recording_route("Signal quality, without a model", "QualityReport"),
        "/labels": _get("The 17 labels in model order"),
        "/features/schema": _get("Name, unit and group of each feature position"),
        "/health": _get("State of the service and its models; always 200 while the process lives"),
        "/health/ready": ready,
        "/sample.json": _get("A simulated recording to try", "Recording"),
        **_inbox_paths(),
    }


def _inbox_paths() -> dict[str, Schema]:
    part = Payload(None, None, "example", 1, 1, "INDEX,I,II", ["0,-3,5", "1,-2,7"], "example", None, Calibration(500.0))
    example = orjson.loads(encode_message(part, Sender("example", ORIGIN_CODES[0], "D3F153"), "example", 0))
    post = {
        "summary": "Keep one CardioAI message; 200 means that it is on disk",
        "parameters": [
            {"name": "fs", "in": "query", "required": False, "schema": _NUMBER}
            | {"description": "sampling rate in Hz, for messages that do not say it"}
        ],
        "requestBody": {"required": True, "content": {bodies.JSON: {"schema": _ref("Object"), "example": example}}},
        "responses": {
            "200": _answer("Receipt", "kept: accepted, a duplicate, or in quarantine with the reason"),
            "400": _problem("no JSON, or no message id to keep it under"),
            "413": _problem("too large"),
            "429": _problem("its origin has too much unfinished work here; see Retry-After"),
            "503": _problem("no room, or the store does not answer; see Retry-After"),
        },
    }
    record = _get("State and result of an ingested recording", "IngestedRecord")
    record["get"]["parameters"] = [
        {"name": "recordId", "in": "path", "required": True, "schema": _STRING, "example": "example"}
    ]
    record["get"]["responses"]["404"] = _problem("nothing is kept under that id")
    return {
        inbox.PATH: {"post": post},
        inbox.RECORDS + "{recordId}": record,
        inbox.STATS: _get("Counts by origin and route, states, quarantine, oldest waiting"),
        inbox.METRICS: _get("The same counts for Prometheus", media_type="text/plain"),
    }
