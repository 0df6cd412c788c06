"""GE CardioSoft ``CardiologyXML``: the strip of a resting ECG as comma-separated counts, a lead an element."""

import datetime
import math
import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from ecg.errors import MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import (
    MAX_VALUES,
    DeviceFile,
    age_of,
    filters_of,
    measurements_of,
    moment_of,
    needed,
    number_of,
    record_of,
    sex_of,
    statements_of,
    text_of,
    withheld,
)
from ecg.formats.number_list import numbers_of
from ecg.formats.stated import Stated
from ecg.formats.xml_tree import attribute_at, child, identifying, read_xml, text_at, texts
from ecg.leads import MAX_LEADS
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "cardiosoft-xml"
_MEASUREMENTS = {
    "heart_rate": "VentricularRate",
    "pr_interval": "PQInterval",
    "qrs_duration": "QRSDuration",
    "qt_interval": "QTInterval",
    "qtc_interval": "QTCInterval",
    "p_axis": "PAxis",
    "qrs_axis": "RAxis",
    "t_axis": "TAxis",
}
_IDENTIFYING = {
    ".//PatientInfo/PID": "patient id",
    ".//PatientInfo/Name/FamilyName": "patient name",
    ".//PatientInfo/Name/GivenName": "patient name",
    ".//PatientInfo/BirthDateTime/Year": "birth date",
    ".//AttendingMDInfo/Name/FamilyName": "physician",
    ".//ReferringMDInfo/Name/FamilyName": "physician",
    ".//UserEntryInfo/Name/FamilyName": "operator",
    "ClinicalInfo/DeviceInfo/SerialNumber": "serial number",
}


def claims(name: str, head: bytes) -> bool:
    """Whether the first bytes are those of a CardioSoft document."""
    return bool(re.search(rb"<(?:\w+:)?CardiologyXML", head.replace(b"\0", b"")))


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The strip in mV; median samples are left out. Raises `MalformedInput`, `UnusableRecording`."""
    root = read_xml(files[main])
    strip = next(root.iter("StripData"), None)
    if strip is None:
        raise UnusableRecording("The CardioSoft document holds no strip of a resting ECG.", "file", "StripData", None)
    fs_hz = needed(text_at(strip, "SampleRate"), "fs", "SampleRate")
    if (attribute_at(strip, "SampleRate", "units") or "Hz").lower() != "hz":
        raise MalformedInput("The sampling rate is not in Hz.", "fs", "Hz", attribute_at(strip, "SampleRate", "units"))
    leads = strip.findall("WaveformData")
    if len(leads) > MAX_LEADS:
        raise MalformedInput("The document has too many leads.", "lead_names", f"<= {MAX_LEADS}", len(leads))
    rows = [numbers_of(lead.text or "", MAX_VALUES // MAX_LEADS) for lead in leads]
    announced = number_of(text_at(strip, "ChannelSampleCountTotal"))
    if announced and any(len(row) != announced for row in rows):
        counts = sorted({len(row) for row in rows})[:5]
        raise MalformedInput("A lead holds another number of samples than the strip says.", "signal", announced, counts)
    microvolts = number_of(text_at(strip, "Resolution"))
    in_microvolts = (attribute_at(strip, "Resolution", "units") or "").lower() == "uvperlsb"
    unit = "uV" if microvolts and in_microvolts else None
    scale = microvolts if microvolts and unit else 1.0
    channels = [Channel(text_of(lead.get("lead")) or "?", unit, 1.0) for lead in leads]
    n_samples = min(map(len, rows), default=0)
    acquired = _time(child(root, "ObservationDateTime"))
    file = DeviceFile(NAME, channels, fs_hz, n_samples, lambda i: rows[i] * scale, _origin(root), acquired=acquired)
    return record_of(file, main, stated, max_duration_s)


def _origin(root: Element) -> Origin:
    device = next(root.iter("DeviceInfo"), None)
    person = next(root.iter("PatientInfo"), None)
    filters = next(root.iter("FilterSetting"), None)
    measured = next(root.iter("RestingECGMeasurements"), None)
    notch = next((hz for hz in (50.0, 60.0) if text_at(filters, f"Filter{hz:.0f}Hz") == "Yes"), None)
    bounds = (("high-pass", "HighPass"), ("low-pass", "LowPass"), ("cubic spline", "CubicSpline"))
    said = list(texts(root, "Interpretation//Statement"))
    statements = statements_of(said)
    return Origin(
        manufacturer="GE Healthcare",
        model=text_of(text_at(device, "Desc")),
        software=text_of(text_at(device, "SoftwareVer")),
        filters=filters_of([f"{what} {text_at(filters, tag)}" for what, tag in bounds if text_at(filters, tag)]),
        high_pass_hz=number_of(text_at(filters, "HighPass")),
        low_pass_hz=number_of(text_at(filters, "LowPass")),
        notch_hz=notch,
        age_years=age_of(text_at(person, "Age"), attribute_at(person, "Age", "units") or "years"),
        sex=sex_of(text_at(person, "Gender")),
        measurements=measurements_of({name: text_at(measured, tag) for name, tag in _MEASUREMENTS.items()}),
        statements=statements,
        identifying=(*identifying(root, _IDENTIFYING), *withheld(said, statements)),
    )


def _time(found: Element | None) -> datetime.datetime | None:
    parts = [number_of(text_at(found, part)) for part in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
    return moment_of([int(part or 0) for part in parts])
