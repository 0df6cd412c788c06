"""`Report`: everything said about one recording, and its wire form."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import orjson

from ecg._version import __version__
from ecg.features import SCHEMA_VERSION, feature_vector
from ecg.findings import Contradiction, Finding, contradictions
from ecg.labels import LABELS
from ecg.measurement.intervals import Measurements
from ecg.models.ecgfm.preparation import PREPARATION
from ecg.models.result import ModelResult
from ecg.quality import Quality
from ecg.record import EcgRecord
from ecg.values import Value

#: A label counts as found at this score: the balance point of the class-weighted training loss. Not calibrated.
SCORE_CUTOFF = 0.5
RHYTHMS = (
    "Sinus rhythm", "Atrial fibrillation", "Atrial flutter", "Ventricular tachycardia",
    "Supraventricular tachycardia with aberrancy", "Electronic pacemaker",
)  # fmt: skip
NOT_ABNORMAL = ("Sinus rhythm", "Poor data quality")
LIMB_REVERSAL = (
    "The limb electrodes {} seem to be exchanged: axes and limb-lead amplitudes are of the leads as recorded."
)
POSSIBLE_REVERSAL = "The limb electrodes {} may be exchanged, or the rhythm may come from an unusual focus."
INVERTED = "All leads {} turned over: signs and axes are of the leads as recorded."
POOR = "The recording is of poor quality: the findings are indeterminate."


@dataclass(frozen=True, eq=False)
class Report:
    """One analysed recording.

    `include` names the parts asked for; `clinical` and `features` are None when not asked for or not available;
    `seconds` is the time the analysis took.
    """

    record: EcgRecord
    include: frozenset[str]
    measurements: Measurements
    quality: Quality
    findings: tuple[Finding, ...]
    clinical: ModelResult | None
    features: ModelResult | None
    warnings: tuple[str, ...]
    seconds: float

    @property
    def model_scores(self) -> dict[str, float] | None:
        """Score by label name; None unless a trained model answered on a recording of acceptable quality."""
        if self.clinical is None or not self.clinical.identity.trained or self.clinical.scores is None:
            return None
        if not self.quality.acceptable:
            return None
        return {label.name: float(score) for label, score in zip(LABELS, self.clinical.scores, strict=True)}

    @property
    def consistency(self) -> tuple[Contradiction, ...]:
        """Where a trained model and the measurements disagree."""
        scores = self.model_scores
        return () if scores is None else contradictions(scores, self.findings)

    @property
    def _reversal_warning(self) -> str | None:
        """Why the axes are in doubt; None when they are not, and for precordial leads, which leave them alone."""
        named, possible = self.quality.lead_reversal, self.quality.possible_reversal
        if "all leads" in (named, possible):
            return INVERTED.format("seem to be" if named else "may be")
        if possible is not None:
            return POSSIBLE_REVERSAL.format(possible)
        return None if named is None or named.startswith("V") else LIMB_REVERSAL.format(named)

    def to_dict(self) -> dict[str, Any]:
        """The wire form (docs/api.md), JSON-ready; a part that was not asked for is null."""
        clinical = "clinical" in self.include
        return {
            "clinical_analysis": self._clinical_analysis() if clinical else None,
            "labels": self._labels() if clinical else None,
            "features": self._features(),
            "signal_quality": self.quality.grade if "quality" in self.include else None,
            "processing_time": round(self.seconds, 6),
            "measurements": measurements_dict(self.measurements) if "measurements" in self.include else None,
            "quality": self.quality.to_dict() if "quality" in self.include else None,
            "findings": [asdict(finding) for finding in self.findings] if clinical else None,
            "consistency": [asdict(contradiction) for contradiction in self.consistency],
            "warnings": self._warnings(),
            "provenance": self._provenance(),
        }

    def to_json(self) -> bytes:
        """The wire form as JSON bytes."""
        return orjson.dumps(self.to_dict(), option=orjson.OPT_SERIALIZE_NUMPY)

    def _clinical_analysis(self) -> dict[str, Any]:
        measured = {name: rounded(getattr(self.measurements, name)) for name in (
            "heart_rate", "qrs_duration", "qt_interval", "pr_interval", "qrs_axis")}  # fmt: skip
        rhythm, abnormalities, confidence = self._findings()
        return {
            "rhythm": rhythm,
            **{name: measured[name] for name in ("heart_rate", "qrs_duration", "qt_interval", "pr_interval")},
            "axis_deviation": None if self._reversal_warning else axis_deviation(measured["qrs_axis"]),
            "abnormalities": abnormalities,
            "confidence": confidence,
            "source": "rules" if self.model_scores is None else "ecg-fm",
            "physiological_parameters": measured,
        }

    def _findings(self) -> tuple[str | None, list[str], float | None]:
        """Rhythm, abnormalities and the rhythm's score: from a trained model, else from the rules (without a score)."""
        scores = self.model_scores
        if scores is None:
            present = [finding.label for finding in self.findings if finding.present]
            rhythm = next((name for name in present if name in RHYTHMS and name != "Sinus rhythm"), None)
            rhythm = rhythm or ("Sinus rhythm" if "Sinus rhythm" in present else None)
            return rhythm, [name for name in present if name not in NOT_ABNORMAL], None
        rhythm = max(RHYTHMS, key=scores.__getitem__)
        abnormal = [name for name, score in scores.items() if score >= SCORE_CUTOFF and name not in NOT_ABNORMAL]
        if scores[rhythm] < SCORE_CUTOFF:
            return None, abnormal, None
        return rhythm, abnormal, round(scores[rhythm], 4)

    def _labels(self) -> list[dict[str, Any]]:
        scores = self.model_scores or {}
        return [
            {"name": label.name, "probability": round(scores[label.name], 6) if scores else None, "calibrated": False}
            for label in LABELS
        ]

    def _features(self) -> list[float | None] | None:
        if "features" not in self.include or self.features is None:
            return None
        vector = feature_vector(self.record, self.measurements, self.features)
        rounded_vector: list[float] = np.array(vector, dtype=np.float64).round(6).tolist()  # None becomes NaN
        return [None if math.isnan(value) else value for value in rounded_vector]

    def _warnings(self) -> list[str]:
        warnings = list(self.warnings)
        if not self.quality.acceptable:
            warnings.append(POOR)
        if self._reversal_warning:
            warnings.append(self._reversal_warning)
        for part, result in (("clinical", self.clinical), ("feature", self.features)):
            if result is not None and not result.identity.trained:
                warnings.append(f"The {part} model is untrained (stand-in weights): its output carries no meaning.")
        return warnings

    def _provenance(self) -> dict[str, Any]:
        models = {"clinical": self.clinical, "features": self.features}
        return {
            "service": f"ecg-serve/{__version__}",
            "models": {name: asdict(result.identity) for name, result in models.items() if result is not None},
            "input_sha256": self.record.sha256,
            "input": {
                "name": self.record.name, "format": self.record.format, "leads": list(self.record.leads),
                "fs": self.record.fs_hz, "units": self.record.unit, "duration": round(self.record.duration_s, 3),
            },
            "preparation": PREPARATION,
            "features_schema": SCHEMA_VERSION,
        }  # fmt: skip


def axis_deviation(qrs_axis: float | None) -> str | None:
    """Normal (-30 to 90 degrees), Left (-90 to -30), Right (90 to 180) or Extreme; None without an axis.

    AHA/ACCF/HRS recommendations, part III (2009).
    """
    if qrs_axis is None:
        return None
    if -30 <= qrs_axis <= 90:
        return "Normal"
    if -90 <= qrs_axis < -30:
        return "Left"
    return "Right" if qrs_axis > 90 else "Extreme"


def measurements_dict(measurements: Measurements) -> dict[str, Any]:
    """Every measured value with unit, spread and reason, JSON-ready; amplitudes under ``lead_amplitudes`` by lead."""
    values = {f.name: getattr(measurements, f.name) for f in fields(measurements)}
    wire: dict[str, Any] = {name: value_dict(value) for name, value in values.items() if isinstance(value, Value)}
    wire["lead_amplitudes"] = {
        lead: {f.name: value_dict(getattr(amplitudes, f.name)) for f in fields(amplitudes)}
        for lead, amplitudes in measurements.lead_amplitudes.items()
    }
    return wire


def value_dict(value: Value) -> dict[str, Any]:
    """``{"value", "unit", "spread", "reason"}``, numbers rounded to what a measurement can mean."""
    spread = None if value.spread is None else round(value.spread, 3)
    return {"value": rounded(value), "unit": value.unit, "spread": spread, "reason": value.reason}


def rounded(value: Value) -> float | None:
    """The number to the digits a measurement can mean, as every output of this project shows it."""
    return None if value.value is None else round(value.value, 3 if value.unit in ("mV", "") else 1)
