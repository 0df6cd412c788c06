"""Building blocks of the FHIR form: codes, quantities, reasons for absence, samples, times."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from ecg.labels import LABELS
from ecg.record import EcgRecord
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
POTENTIAL = 131328
_MISSING = "E"  # FHIR's mark of a sample that is not there
#: SNOMED CT code by label. Some are the nearest concept and not the same one, so that they go without a display name.
_SNOMED_OF = {label.name: label.snomed_ct for label in LABELS if label.snomed_ct is not None}


def sampled_data(record: EcgRecord, row: int) -> Resource:
    """One lead as SampledData: whole microvolts where the unit is known, raw values to six digits where it is not."""
    signal = record.signal[row].astype(np.float64)
    known = record.unit == "mV"
    factor = 0.001 if known else float(np.nanmax(np.abs(signal), initial=0.0)) / 32767 or 1.0
    counts = np.rint(signal / factor)
    data = " ".join(_MISSING if np.isnan(n) else str(int(n)) for n in counts)
    unit = {"value": 0, "unit": "mV", "system": UCUM, "code": "mV"} if known else {"value": 0}
    return {"origin": unit, "period": 1000.0 / record.fs_hz, "factor": factor, "dimensions": 1, "data": data}


def lead_concept(lead: str) -> Resource:
    """The MDC code of a lead; text alone for one beyond the twelve."""
    if lead not in LEADS_MDC:
        return {"text": f"Lead {lead}"}
    return concept(MDC, str(POTENTIAL + LEADS_MDC[lead]), f"MDC_ECG_ELEC_POTL_{lead.upper()}")


def quantity(value: Value, ucum: str) -> Resource:
    """A measured value with its spread, or the reason for its absence."""
    if value.rounded is None:
        return {"dataAbsentReason": absent("unknown", value.reason or "not measured")}
    content = {"value": value.rounded, "unit": "°" if ucum == "deg" else ucum, "system": UCUM, "code": ucum}
    spread = "" if value.spread is None else f"Standard deviation over beats and leads: {value.spread:.1f}."
    return {"valueQuantity": content} | ({"note": [{"text": spread}]} if spread else {})


def absent(code: str, text: str) -> Resource:
    """A `dataAbsentReason` with the reason in words."""
    reason = concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", code, code.capitalize())
    return reason | {"text": text}


def concept(system: str, code: str, display: str) -> Resource:
    """A CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code, "display": display}]}


def finding_concept(label: str) -> Resource:
    """What a finding is called, with the SNOMED CT code of the label where there is one."""
    code = _SNOMED_OF.get(label)
    return ({} if code is None else {"coding": [{"system": SNOMED, "code": code}]}) | {"text": label}


def presence(present: bool | None) -> Resource:
    """Whether a finding is there, or that the rules leave it open."""
    if present is None:
        return {"dataAbsentReason": absent("unknown", "The rules leave it open.")}
    return {"valueBoolean": present}


def probability(value: float) -> Resource:
    """A number from 0 to 1, to six digits."""
    return {"value": round(value, 6), "unit": "1", "system": UCUM, "code": "1"}


def date_time(moment: datetime) -> str:
    """A FHIR dateTime. A time of day needs an offset there: of a device's local time only the date is given."""
    offset = moment.utcoffset()
    if offset is None:
        return moment.date().isoformat()
    if offset.total_seconds() % 60:  # FHIR writes hours and minutes
        moment = moment.astimezone(UTC)
    return moment.isoformat()
