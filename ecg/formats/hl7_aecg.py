"""HL7 annotated ECG (aECG): the series of rhythm waveforms, each lead with its own origin and scale."""

import math
from collections.abc import Mapping
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import (
    MAX_VALUES,
    DeviceFile,
    measurements_of,
    needed,
    number_of,
    record_of,
    sex_of,
    statements_of,
    text_of,
    timestamp_of,
    withheld,
)
from ecg.formats.number_list import numbers_of
from ecg.formats.stated import Stated
from ecg.formats.xml_tree import attribute_at, identifying, read_xml, text_at
from ecg.leads import MAX_LEADS
from ecg.origin import Origin
from ecg.record import EcgRecord, millivolts_per

NAME = "hl7-aecg"
_PREFIX = "MDC_ECG_LEAD_"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_MEASUREMENTS = {
    "MDC_ECG_HEART_RATE": "heart_rate",
    "MDC_ECG_TIME_PD_PR": "pr_interval",
    "MDC_ECG_TIME_PD_QRS": "qrs_duration",
    "MDC_ECG_TIME_PD_QT": "qt_interval",
    "MDC_ECG_TIME_PD_QTc": "qtc_interval",
    "MDC_ECG_ANGLE_P_FRONT": "p_axis",
    "MDC_ECG_ANGLE_QRS_FRONT": "qrs_axis",
    "MDC_ECG_ANGLE_T_FRONT": "t_axis",
}
_FILTERS = {"LOW_PASS": "low_pass_hz", "HIGH_PASS": "high_pass_hz", "NOTCH": "notch_hz"}
_SUBJECT = ".//subjectDemographicPerson"


def claims(name: str, head: bytes) -> bool:
    """Whether the first bytes are those of an aECG document."""
    return b"AnnotatedECG" in head.replace(b"\0", b"")


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The first rhythm series in mV. Raises `MalformedInput`, `UnusableRecording`."""
    root = read_xml(files[main])
    rhythms = [s for s in root.iterfind("component/series") if attribute_at(s, "code", "code") == "RHYTHM"]
    if not rhythms:
        raise UnusableRecording("The aECG document has no rhythm series.", "file", "RHYTHM", None)
    series = rhythms[0]
    sequences = series.findall("component/sequenceSet/component/sequence")
    sets = series.findall("component/sequenceSet")
    if len(sets) > 1:
        sequences = sets[0].findall("component/sequence")
    clock = next((s for s in sequences if str(attribute_at(s, "code", "code")).startswith("TIME_")), None)
    leads = [s for s in sequences if str(attribute_at(s, "code", "code")).startswith(_PREFIX)]
    if not leads or len(leads) > MAX_LEADS:
        raise MalformedInput("The aECG document has no usable leads.", "lead_names", f"1 to {MAX_LEADS}", len(leads))
    rows = [numbers_of(text_at(lead, "value/digits") or "", MAX_VALUES // MAX_LEADS) for lead in leads]
    channels = [
        Channel(str(attribute_at(lead, "code", "code"))[:80], attribute_at(lead, "value/scale", "unit"), 1.0)
        for lead in leads
    ]

    def samples(number: int) -> NDArray[np.float64]:
        lead = leads[number]
        scale = needed(attribute_at(lead, "value/scale", "value"), "units", "scale")
        origin = number_of(attribute_at(lead, "value/origin", "value")) or 0.0
        unit = attribute_at(lead, "value/origin", "unit")
        own = channels[number].unit
        if origin and (unit is None) != (own is None):
            raise MalformedInput("Only one of origin and scale of a lead has a unit.", "units", own, unit)
        if origin and unit and own:
            origin *= millivolts_per(unit) / millivolts_per(own)
        return rows[number] * scale + origin

    notes = ["Only the first of several sequence sets is read."] if len(sets) > 1 else []
    if len(rhythms) > 1:
        notes.append(f"Only the first of {len(rhythms)} rhythm series is read.")
    start = attribute_at(series, "effectiveTime/low", "value") or attribute_at(series, "effectiveTime/center", "value")
    n_samples = min(map(len, rows))
    origin = _origin(root, series)
    file = DeviceFile(NAME, channels, _rate(clock), n_samples, samples, origin, notes, timestamp_of(start))
    return record_of(file, main, stated, max_duration_s)


def _rate(clock: Element | None) -> float | None:
    """The rate in Hz; None for an increment without a unit, which HL7 (data types, PQ) defines as a bare number."""
    step = number_of(attribute_at(clock, "value/increment", "value"))
    unit = attribute_at(clock, "value/increment", "unit")
    if not step or step < 0 or unit not in _SECONDS:
        return None
    return float(f"{1 / (step * _SECONDS[unit]):.9g}")


def _origin(root: Element, series: Element) -> Origin:
    device = "author/seriesAuthor/"
    measured: dict[str, object] = {}
    statements = []
    for note in root.iter("annotation"):
        code = str(attribute_at(note, "code", "code"))
        if code in _MEASUREMENTS:
            measured.setdefault(_MEASUREMENTS[code], attribute_at(note, "value", "value"))
        elif code.startswith(("MDC_ECG_RHY", "MDC_ECG_INTERPRETATION")):
            statements.append(attribute_at(note, "value", "displayName") or text_at(note, "value"))
    filters: dict[str, float | None] = {}
    for variable in series.iterfind("controlVariable/controlVariable"):
        kind = str(attribute_at(variable, "code", "code")).rpartition("FILTER_")[2]
        for part in variable.iterfind("component/controlVariable"):
            if "FREQ" in str(attribute_at(part, "code", "code")) and kind in _FILTERS:
                filters[_FILTERS[kind]] = number_of(attribute_at(part, "value", "value"))
    subject = root.find(_SUBJECT)
    return Origin(
        manufacturer=text_of(text_at(series, f"{device}manufacturerOrganization/name")),
        model=text_of(text_at(series, f"{device}manufacturedSeriesDevice/manufacturerModelName")),
        software=text_of(text_at(series, f"{device}manufacturedSeriesDevice/softwareName")),
        sex=sex_of(attribute_at(subject, "administrativeGenderCode", "code")),
        measurements=measurements_of(measured),
        statements=statements_of(statements),
        identifying=(*_identifying(root, subject), *withheld(statements, statements_of(statements))),
        **filters,  # type: ignore[arg-type]
    )


def _identifying(root: Element, subject: Element | None) -> tuple[str, ...]:
    found = []
    if subject is not None and any(text_at(subject, path) for path in ("name", "name/family", "name/given")):
        found.append("patient name")
    if attribute_at(subject, "birthTime", "value"):
        found.append("birth date")
    if root.find(".//trialSubject/id") is not None:
        found.append("patient id")
    return (*found, *identifying(root, {}))
