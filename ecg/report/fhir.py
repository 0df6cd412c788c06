"""The answer as a FHIR R4 Bundle: report, observations, devices, provenance.

Codes: LOINC for report and intervals, MDC (ISO/IEEE 11073) for the waveform, SNOMED CT for findings. What was made by a
model carries the security label AIAST ("artificial intelligence asserted") of the guide "AI Transparency on FHIR".
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from ecg._version import __version__
from ecg.models.contract import ModelIdentity
from ecg.report.analysis import Analysis
from ecg.report.conclusion import Conclusion, LabelScore
from ecg.report.fhir_terms import (
    AI_ASSERTED,
    INTERVALS,
    LOINC,
    MDC,
    POTENTIAL,
    Resource,
    absent,
    concept,
    date_time,
    finding_concept,
    lead_concept,
    presence,
    probability,
    quantity,
    sampled_data,
)
from ecg.values import Value

RESEARCH_USE = "Research use only. Not reviewed by a physician."
_NOT_GIVEN = "This model answered; nothing of what it said stands in this Bundle."


def to_fhir(analysis: Analysis, conclusion: Conclusion) -> bytes:
    """The Bundle as JSON bytes, made now; see `bundle`."""
    return orjson.dumps(bundle(analysis, conclusion, datetime.now(UTC)))


def bundle(analysis: Analysis, conclusion: Conclusion, at: datetime) -> Resource:
    """A Bundle (type collection) of everything that was asked for, JSON-ready.

    `at` is when the answer was made, with a time zone. The patient is `Analysis.subject`, if the caller gave a
    reference; none is invented.
    """
    return _Writer(analysis, conclusion, at).bundle()


class _Writer:
    """Resources of one Bundle, which refer to each other by ids made from the recording and the version."""

    def __init__(self, analysis: Analysis, conclusion: Conclusion, at: datetime) -> None:
        self._analysis = analysis
        self._conclusion = conclusion
        self._at = at.isoformat(timespec="seconds")
        acquired, subject = analysis.record.acquired, analysis.subject
        self._about: Resource = {} if subject is None else {"subject": {"reference": subject}}
        if acquired is not None:
            self._about["effectiveDateTime"] = date_time(acquired)
        self._namespace = uuid.uuid5(uuid.NAMESPACE_URL, f"ecg-serve/{__version__}/{analysis.record.sha256}")
        self._entries: list[Resource] = []

    def bundle(self) -> Resource:
        program = self._device("program", "ecg-serve measurements and rules", __version__)
        waveform = self._add("waveform", self._waveform())
        measured = [*self._intervals(program, waveform), *self._findings(program, waveform)]
        devices = self._model_devices()
        said = {name: self._probabilities(name, device, waveform) for name, device in devices.items()}
        against = self._contradictions(program)
        self._add("provenance-program", self._provenance([*measured, *against], program))
        by_model = [reference for references in said.values() for reference in references]
        report = self._add("report", self._report([waveform, *measured, *by_model, *against]))
        self._entries.insert(0, self._entries.pop())  # the report first, as a reader expects it
        for name, device in devices.items():
            provenance = self._provenance(said[name] or [report], device)
            self._add(
                f"provenance-{name}", provenance if said[name] else provenance | {"activity": {"text": _NOT_GIVEN}}
            )
        return {"resourceType": "Bundle", "type": "collection", "timestamp": self._at, "entry": self._entries}

    def _add(self, key: str, resource: Resource) -> str:
        reference = self._reference(key)
        self._entries.append({"fullUrl": reference, "resource": resource})
        return reference

    def _reference(self, key: str) -> str:
        return f"urn:uuid:{uuid.uuid5(self._namespace, key)}"

    def _report(self, results: Sequence[str]) -> Resource:
        electrocardiac = "Electrocardiac (e.g., EKG, EEC, Holter)"
        report = {
            "resourceType": "DiagnosticReport",
            "status": "preliminary",
            "category": [concept("http://terminology.hl7.org/CodeSystem/v2-0074", "EC", electrocardiac)],
            "code": concept(LOINC, "11524-6", "EKG study"),
            **self._about,
            "issued": self._at,
            "result": [{"reference": reference} for reference in results],
            "conclusion": self._sentence(),
        }
        if self._conclusion.source != "rules":
            report["meta"] = {"security": [AI_ASSERTED]}
        return report

    def _device(self, key: str, name: str, version: str | None, **others: Any) -> str:
        device: Resource = {"resourceType": "Device", "deviceName": [{"name": name, "type": "model-name"}], **others}
        if version is not None:
            device["version"] = [{"value": version}]
        return self._add(f"device-{key}", device)

    def _recorder(self) -> str:
        """The device that made the recording, as far as the file names it."""
        record = self._analysis.record
        origin = record.origin
        if origin is None or not (origin.manufacturer or origin.model):
            return self._device("recorder", f"recorder of the file ({record.format})", "unknown")
        maker = {} if origin.manufacturer is None else {"manufacturer": origin.manufacturer}
        return self._device("recorder", origin.model or f"recorder of {origin.manufacturer}", origin.software, **maker)

    def _observation(self, code: Resource, device: str, sources: Sequence[str], **value: Any) -> Resource:
        observation = {
            "resourceType": "Observation",
            "status": "preliminary",
            "category": [
                concept("http://terminology.hl7.org/CodeSystem/observation-category", "procedure", "Procedure")
            ],
            "code": code,
            **self._about,
            "issued": self._at,
            "device": {"reference": device},
            **value,
        }
        if sources:
            observation["derivedFrom"] = [{"reference": source} for source in sources]
        return observation

    def _waveform(self) -> Resource:
        record = self._analysis.record
        components = [
            {"code": lead_concept(lead), "valueSampledData": sampled_data(record, row)}
            for row, lead in enumerate(record.leads)
        ]
        local: Resource = {}
        if record.acquired is not None and record.acquired.tzinfo is None:
            text = f"Recorded at {record.acquired.isoformat()}, local time of the device; the file gives no offset."
            local = {"note": [{"text": text}]}
        code = concept(MDC, str(POTENTIAL), "MDC_ECG_ELEC_POTL")
        return self._observation(code, self._recorder(), (), component=components, **local)

    def _intervals(self, device: str, waveform: str) -> list[str]:
        if "measurements" not in self._analysis.include:
            return []
        measurements = self._analysis.examination.measurements
        references = []
        for name, (loinc, display, unit) in INTERVALS.items():
            value: Value = getattr(measurements, name)
            content = quantity(value, unit)
            if name == "qtc_fridericia":
                content["method"] = {"text": "Fridericia"}
            observation = self._observation(concept(LOINC, loinc, display), device, (waveform,), **content)
            references.append(self._add(name, observation))
        return references

    def _findings(self, device: str, waveform: str) -> list[str]:
        if "clinical" not in self._analysis.include:
            return []
        references = []
        for kind, listed in (("finding", self._conclusion.findings), ("statement", self._conclusion.statements)):
            for found in listed:
                observation = self._observation(
                    finding_concept(found.label),
                    device,
                    (waveform,),
                    **presence(found.present),
                    note=[{"text": found.evidence}],
                )
                references.append(self._add(f"{kind}-{found.label}", observation))
        return references

    def _model_devices(self) -> dict[str, str]:
        """A Device for every model that answered, by its name."""
        return {
            name: self._device(
                f"model-{name}", f"ECG-FM {name}", result.identity.weights, note=_model_notes(result.identity)
            )
            for name, result in self._analysis.results.items()
        }

    def _probabilities(self, name: str, device: str, waveform: str) -> list[str]:
        """What a model says of each label, or why it says nothing; none from a model without labels."""
        references = []
        for label in self._labels_of(name):
            value: Resource = {"dataAbsentReason": absent("masked", self._withheld(name, label))}
            if label.score is not None:
                value = {"valueQuantity": probability(label.score), "meta": {"security": [AI_ASSERTED]}}
            if label.with_rules is not None:
                code = {"text": "The same together with the rule of the label"}
                value["component"] = [{"code": code, "valueQuantity": probability(label.with_rules)}]
            observation = self._observation({"text": f"Probability of {label.name}"}, device, (waveform,), **value)
            references.append(self._add(f"probability-{name}-{label.name}", observation))
        return references

    def _labels_of(self, name: str) -> Sequence[LabelScore]:
        if self._analysis.cards[name].role == "clinical":
            return self._conclusion.labels
        return self._conclusion.additional.get(name, ())

    def _withheld(self, name: str, label: LabelScore) -> str:
        if not self._analysis.results[name].identity.trained:
            return "The model is untrained: its output carries no meaning."
        return label.reason or "The recording is of poor quality."

    def _contradictions(self, program: str) -> list[str]:
        """Labels of the model that the measurements speak against, each with the two Observations that disagree."""
        clinical = next((n for n in self._analysis.results if self._analysis.cards[n].role == "clinical"), None)
        references = []
        for against in self._conclusion.contradictions:
            sides = [self._reference(f"probability-{clinical}-{against.label}")]
            if "clinical" in self._analysis.include:
                sides.append(self._reference(f"finding-{against.label}"))
            code = {"text": f"Model and measurements disagree: {against.label}"}
            observation = self._observation(code, program, sides, valueString=against.evidence)
            references.append(self._add(f"contradiction-{against.label}", observation))
        return references

    def _provenance(self, targets: Sequence[str], device: str) -> Resource:
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
        against = [c.label for c in self._conclusion.contradictions]
        doubt = [f"Model and measurements disagree on: {', '.join(against)}"] if against else []
        sentences = [", ".join(unique), *doubt, *self._conclusion.warnings, RESEARCH_USE]
        return " ".join(sentence if sentence.endswith(".") else f"{sentence}." for sentence in sentences)


def _model_notes(identity: ModelIdentity) -> list[Resource]:
    notes = [f"{identity.backend}, {identity.precision}."]
    if not identity.trained:
        notes.append("Untrained stand-in weights: it says nothing.")
    return [{"text": note} for note in notes]
