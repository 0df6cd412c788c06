"""The answer as JSON (docs/api.md)."""

import math
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ecg._version import __version__
from ecg.features import SCHEMA_VERSION
from ecg.findings import Finding
from ecg.measurement.intervals import Measurements
from ecg.models.ecgfm.preparation import PREPARATION
from ecg.report.analysis import Analysis
from ecg.report.conclusion import Conclusion, LabelScore
from ecg.report.device import device_dict, differences
from ecg.values import Value


def to_dict(analysis: Analysis, conclusion: Conclusion) -> dict[str, Any]:
    """The answer, JSON-ready; a part that was not asked for is null."""
    return _answer(analysis, conclusion, rounded_features(analysis))


def to_json(analysis: Analysis, conclusion: Conclusion) -> bytes:
    """The answer as JSON bytes."""
    # orjson writes an array, and NaN as null, in a third of the time that a list of numbers takes.
    answer = _answer(analysis, conclusion, _feature_array(analysis))
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _answer(analysis: Analysis, conclusion: Conclusion, features: object) -> dict[str, Any]:
    include, examination = analysis.include, analysis.examination
    clinical = "clinical" in include
    answer = {
        "clinical_analysis": clinical_dict(analysis, conclusion) if clinical else None,
        "labels": labels_list(conclusion.labels) if clinical else None,
        "features": features,
        "signal_quality": examination.quality.grade if "quality" in include else None,
        "processing_time": round(analysis.seconds, 6),
        "measurements": _measurements_of(analysis) if "measurements" in include else None,
        "quality": examination.quality.to_dict() if "quality" in include else None,
        "findings": [finding_dict(finding) for finding in conclusion.findings] if clinical else None,
        "statements": [statement_dict(statement) for statement in conclusion.statements] if clinical else None,
        "consistency": [asdict(contradiction) for contradiction in conclusion.contradictions],
        "warnings": list(conclusion.warnings),
        "provenance": provenance_dict(analysis),
    }
    device = device_dict(analysis.record.origin)
    if device is not None:
        answer["device"] = device
    if conclusion.additional:
        answer["models"] = {name: additional_dict(analysis, conclusion, name) for name in conclusion.additional}
    return answer


def clinical_dict(analysis: Analysis, conclusion: Conclusion) -> dict[str, Any]:
    """Rhythm, abnormalities, and the measurements a clinician reads first."""
    measurements = analysis.examination.measurements
    basic = {
        "heart_rate": measurements.heart_rate.rounded,
        "qrs_duration": measurements.qrs_duration.rounded,
        "qt_interval": measurements.qt_interval.rounded,
        "pr_interval": measurements.pr_interval.rounded,
    }
    return {
        "rhythm": conclusion.rhythm,
        **basic,
        "axis_deviation": conclusion.axis,
        "abnormalities": list(conclusion.abnormalities),
        "confidence": None if conclusion.confidence is None else round(conclusion.confidence, 4),
        "source": conclusion.source,
        "physiological_parameters": {**basic, "qrs_axis": measurements.qrs_axis.rounded},
    }


def labels_list(labels: Iterable[LabelScore]) -> list[dict[str, Any]]:
    """Every label of a model with its score."""
    return [
        {
            "name": label.name,
            "probability": None if label.score is None else round(label.score, 6),
            "calibrated": label.calibrated,
            **({} if label.reason is None else {"reason": label.reason}),
            **({} if label.with_rules is None else {"with_rules": round(label.with_rules, 6)}),
        }
        for label in labels
    ]


def additional_dict(analysis: Analysis, conclusion: Conclusion, name: str) -> dict[str, Any]:
    """What a model in the role "additional" said: its labels, or its embedding where it has none."""
    labels = conclusion.additional[name]
    return {
        "labels": labels_list(labels) if labels else None,
        "embedding": None if labels else analysis.results[name].embedding.round(6).tolist(),
        "preparation": analysis.cards[name].preparation.name,
    }


def rounded_features(analysis: Analysis) -> list[float | None] | None:
    """The feature vector to six decimals; None when there is none."""
    array = _feature_array(analysis)
    return None if array is None else [None if math.isnan(value) else value for value in array.tolist()]


def _feature_array(analysis: Analysis) -> NDArray[np.float64] | None:
    vector = analysis.feature_vector()
    return None if vector is None else np.array(vector, dtype=np.float64).round(6)  # None becomes NaN


def provenance_dict(analysis: Analysis) -> dict[str, Any]:
    """Which software, weights and input the numbers come from."""
    record = analysis.record
    return {
        "service": f"ecg-serve/{__version__}",
        "models": {name: asdict(result.identity) for name, result in analysis.results.items()},
        "input_sha256": record.sha256,
        "input": {
            "name": record.name,
            "format": record.format,
            "leads": list(record.leads),
            "fs": record.fs_hz,
            "units": record.unit,
            "duration": round(record.duration_s, 3),
        },
        "preparation": PREPARATION,
        "features_schema": SCHEMA_VERSION,
    }


def measurements_dict(measurements: Measurements) -> dict[str, Any]:
    """Every measured value with unit, spread and reason, JSON-ready; amplitudes under ``lead_amplitudes`` by lead."""
    values = {f.name: getattr(measurements, f.name) for f in fields(measurements)}
    wire: dict[str, Any] = {name: value_dict(value) for name, value in values.items() if isinstance(value, Value)}
    wire["lead_amplitudes"] = {
        lead: {f.name: value_dict(getattr(amplitudes, f.name)) for f in fields(amplitudes)}
        for lead, amplitudes in measurements.lead_amplitudes.items()
    }
    return wire


def _measurements_of(analysis: Analysis) -> dict[str, Any]:
    """`measurements_dict`, with ``difference_from_device`` (ours minus the device's) where the file gives the value."""
    measurements = analysis.examination.measurements
    wire = measurements_dict(measurements)
    for name, difference in differences(analysis.record.origin, measurements).items():
        wire[name]["difference_from_device"] = difference
    return wire


def value_dict(value: Value) -> dict[str, Any]:
    """``{"value", "unit", "spread", "reason"}``, numbers rounded to what a measurement can mean."""
    spread = None if value.spread is None else round(value.spread, 3)
    return {"value": value.rounded, "unit": value.unit, "spread": spread, "reason": value.reason}


def finding_dict(finding: Finding) -> dict[str, Any]:
    """A finding about one of the 17 labels, JSON-ready."""
    return {name: getattr(finding, name) for name in ("label", "present", "evidence", "not_excluded")}


def statement_dict(statement: Finding) -> dict[str, Any]:
    """A statement beyond the 17 labels, JSON-ready."""
    return {"name": statement.label} | {name: getattr(statement, name) for name in ("present", "evidence", "source")}
