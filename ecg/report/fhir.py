"""The answer as a FHIR R4 Bundle: report, observations, devices, provenance.

Codes: LOINC for report and intervals, MDC (ISO/IEEE 11073) for the waveform, SNOMED CT for findings. What was made by a
model carries the security label AIAST ("artificial intelligence asserted") of the guide "AI Transparency on FHIR".
"""

import uuid
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson

from ecg._version import __version__
from ecg.models.contract import ModelIdentity
from ecg.record import EcgRecord
from ecg.report.analysis import Analysis
from ecg.report.conclusion import Conclusion
from ecg.values import Value

Resource = dict[str, Any]

LOINC, MDC, SNOMED, UCUM = (
    "http://loinc.org",
    "urn:iso:std:iso:11073:10101",
    "http://snomed.info/sct",
    "http://unitsofmeasure.org",
)
AI_ASSERTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
#: LOINC code, name and UCUM unit by measurement.
INTERVALS = {
    "heart_rate": ("8867-4", "Heart rate", "/min"),
    "pr_interval": ("8625-6", "P-R Interval", "ms"),
    "qrs_duration": ("8633-0", "QRS duration", "ms"),
    "qt_interval": ("8634-8", "Q-T interval", "ms"),
    "qtc_fridericia": ("8636-3", "Q-T interval corrected", "ms"),
    "p_axis": ("8626-4", "P wave axis", "deg"),
    "qrs_axis": ("8632-2", "QRS axis", "deg"),
    "t_axis": ("8638-9", "T wave axis", "deg"),
}
#: Number of a lead in the MDC block of ECG potentials, which begins at 131328.
LEADS_MDC = {
    **{"I": 1, "II": 2, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64},
    **{f"V{n}": n + 2 for n in range(1, 7)},
}
_POTENTIAL = 131328
_MISSING = "E"  # FHIR's mark of a sample that is not there
RESEARCH_USE = "Research use only. Not reviewed by a physician."


def to_fhir(analysis: Analysis, conclusion: Conclusion) -> bytes:
    """The Bundle as JSON bytes, made now and without a subject; see `bundle`."""
    return orjson.dumps(bundle(analysis, conclusion, datetime.now(UTC)))


def bundle(analysis: Analysis, conclusion: Conclusion, at: datetime, subject: str | None = None) -> Resource:
    """A Bundle (type collection) of everything that was asked for, JSON-ready.

    Parameters
    ----------
    at
        When the answer was made; with a time zone.
    subject
        Reference to the patient, such as ``"Patient/17"``, if the caller has one. None is invented.
    """
    return _Writer(analysis, conclusion, at, subject).bundle()


class _Writer:
    """Resources of one Bundle, which refer to each other by ids made from the recording and the version."""

    def __init__(self, analysis: Analysis, conclusion: Conclusion, at: datetime, subject: str | None) -> None:
        self._analysis = analysis
        self._conclusion = conclusion
        self._at = at.isoformat(timespec="seconds")
        self._subject = {} if subject is None else {"subject": {"reference": subject}}
        self._namespace = uuid.uuid5(uuid.NAMESPACE_URL, f"ecg-serve/{__version__}/{analysis.record.sha256}")
        self._entries: list[Resource] = []

    def bundle(self) -> Resource:
        program = self._device("program", "ecg-serve measurements and rules", __version__)
        waveform = self._add("waveform", self._waveform())
        measured = [waveform, *self._intervals(program, waveform), *self._findings(program, waveform)]
        by_model = self._models(waveform)
        self._add("provenance-program", self._provenance(measured[1:], program))
        report = {
            "resourceType": "DiagnosticReport",
            "status": "preliminary",
            "category": [
                _concept(
                    "http://terminology.hl7.org/CodeSystem/v2-0074", "EC", "Electrocardiac (e.g., EKG, EEC, Holter)"
                )
            ],
            "code": _concept(LOINC, "11524-6", "EKG study"),
            **self._subject,
            "issued": self._at,
            "result": [{"reference": reference} for reference in (*measured, *by_model)],
            "conclusion": self._sentence(),
        }
        if self._conclusion.source != "rules":
            report["meta"] = {"security": [AI_ASSERTED]}
        self._add("report", report)
        self._entries.insert(0, self._entries.pop())  # the report first, as a reader expects it
        return {"resourceType": "Bundle", "type": "collection", "timestamp": self._at, "entry": self._entries}

    def _add(self, key: str, resource: Resource) -> str:
        reference = f"urn:uuid:{uuid.uuid5(self._namespace, key)}"
        self._entries.append({"fullUrl": reference, "resource": resource})
        return reference

    def _device(self, key: str, name: str, version: str, notes: tuple[str, ...] = ()) -> str:
        device: Resource = {
            "resourceType": "Device",
            "deviceName": [{"name": name, "type": "model-name"}],
            "version": [{"value": version}],
        }
        if notes:
            device["note"] = [{"text": note} for note in notes]
        return self._add(f"device-{key}", device)

    def _observation(self, code: Resource, device: str, waveform: str | None, **value: Any) -> Resource:
        observation = {
            "resourceType": "Observation",
            "status": "preliminary",
            "category": [
                _concept("http://terminology.hl7.org/CodeSystem/observation-category", "procedure", "Procedure")
            ],
            "code": code,
            **self._subject,
            "issued": self._at,
            "device": {"reference": device},
            **value,
        }
        if waveform is not None:
            observation["derivedFrom"] = [{"reference": waveform}]
        return observation

    def _waveform(self) -> Resource:
        record = self._analysis.record
        device = self._device("recorder", f"recorder of the file ({record.format})", "unknown")
        components = [
            {"code": _lead_concept(lead), "valueSampledData": sampled_data(record, row)}
            for row, lead in enumerate(record.leads)
        ]
        code = _concept(MDC, str(_POTENTIAL), "MDC_ECG_ELEC_POTL")
        return self._observation(code, device, None, component=components)

    def _intervals(self, device: str, waveform: str) -> list[str]:
        if "measurements" not in self._analysis.include:
            return []
        measurements = self._analysis.examination.measurements
        references = []
        for name, (loinc, display, unit) in INTERVALS.items():
            value: Value = getattr(measurements, name)
            content = _quantity(value, unit)
            if name == "qtc_fridericia":
                content["method"] = {"text": "Fridericia"}
            observation = self._observation(_concept(LOINC, loinc, display), device, waveform, **content)
            references.append(self._add(name, observation))
        return references

    def _findings(self, device: str, waveform: str) -> list[str]:
        if "clinical" not in self._analysis.include:
            return []
        references = []
        for finding in self._conclusion.findings:
            present: Resource = {"valueBoolean": finding.present}
            if finding.present is None:
                present = {"dataAbsentReason": _absent("unknown", "The rules leave it open.")}
            observation = self._observation(
                {"text": finding.label}, device, waveform, **present, note=[{"text": finding.evidence}]
            )
            references.append(self._add(f"finding-{finding.label}", observation))
        for statement in self._conclusion.statements:
            present = {"valueBoolean": statement.present}
            if statement.present is None:
                present = {"dataAbsentReason": _absent("unknown", "The rules leave it open.")}
            observation = self._observation(
                {"text": statement.label}, device, waveform, **present, note=[{"text": statement.evidence}]
            )
            references.append(self._add(f"statement-{statement.label}", observation))
        return references

    def _models(self, waveform: str) -> list[str]:
        """Probabilities of the clinical model, and a Device and Provenance for every model that answered."""
        references = []
        for name, result in self._analysis.results.items():
            device = self._device(
                f"model-{name}", f"ECG-FM {name}", result.identity.weights, _model_notes(result.identity)
            )
            made = []
            for label in self._conclusion.labels if name == "clinical" and "clinical" in self._analysis.include else ():
                if label.score is None:
                    continue
                quantity = {"value": round(label.score, 6), "unit": "1", "system": UCUM, "code": "1"}
                observation = self._observation(
                    {"text": f"Probability of {label.name}"},
                    device,
                    waveform,
                    valueQuantity=quantity,
                    meta={"security": [AI_ASSERTED]},
                )
                made.append(self._add(f"probability-{name}-{label.name}", observation))
            if made:
                self._add(f"provenance-{name}", self._provenance(made, device))
            references += made
        return references

    def _provenance(self, targets: list[str], device: str) -> Resource:
        source = {"identifier": {"system": "urn:ecg-serve:input-sha256", "value": self._analysis.record.sha256}}
        return {
            "resourceType": "Provenance",
            "target": [{"reference": target} for target in targets] or [{"reference": device}],
            "recorded": self._at,
            "agent": [{"who": {"reference": device}}],
            "entity": [{"role": "source", "what": source}],
        }

    def _sentence(self) -> str:
        said = [self._conclusion.rhythm or "Rhythm not decided", *self._conclusion.abnormalities]
        unique = list(dict.fromkeys(said))
        return ". ".join([", ".join(unique), *self._conclusion.warnings, RESEARCH_USE]).replace("..", ".")


def sampled_data(record: EcgRecord, row: int) -> Resource:
    """One lead as SampledData: whole microvolts where the unit is known, raw values to six digits where it is not."""
    signal = record.signal[row].astype(np.float64)
    known = record.unit == "mV"
    factor = 0.001 if known else float(np.nanmax(np.abs(signal), initial=0.0)) / 32767 or 1.0
    counts = np.rint(signal / factor)
    data = " ".join(_MISSING if np.isnan(n) else str(int(n)) for n in counts)
    unit = {"value": 0, "unit": "mV", "system": UCUM, "code": "mV"} if known else {"value": 0}
    return {"origin": unit, "period": 1000.0 / record.fs_hz, "factor": factor, "dimensions": 1, "data": data}


def _lead_concept(lead: str) -> Resource:
    if lead not in LEADS_MDC:
        return {"text": f"Lead {lead}"}
    return _concept(MDC, str(_POTENTIAL + LEADS_MDC[lead]), f"MDC_ECG_ELEC_POTL_{lead.upper()}")


def _quantity(value: Value, ucum: str) -> Resource:
    if value.rounded is None:
        return {"dataAbsentReason": _absent("unknown", value.reason or "not measured")}
    quantity = {"value": value.rounded, "unit": "°" if ucum == "deg" else ucum, "system": UCUM, "code": ucum}
    spread = "" if value.spread is None else f"Standard deviation over beats and leads: {value.spread:.1f}."
    return {"valueQuantity": quantity} | ({"note": [{"text": spread}]} if spread else {})


def _model_notes(identity: ModelIdentity) -> tuple[str, ...]:
    notes = (f"{identity.backend}, {identity.precision}.",)
    return notes if identity.trained else (*notes, "Untrained stand-in weights: it says nothing.")


def _absent(code: str, text: str) -> Resource:
    concept = _concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", code, code.capitalize())
    return concept | {"text": text}


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}
