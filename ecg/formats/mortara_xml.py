"""Mortara (Welch Allyn, Hillrom) ELI XML: base64 samples in attributes, a lead an element ``CHANNEL``.

No specification is published: the layout follows the readers of BRAVEHEART and EDFbrowser.
"""

import datetime
import math
import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import (
    DeviceFile,
    age_of,
    decoded_base64,
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
from ecg.formats.stated import Stated
from ecg.formats.xml_tree import child, read_xml
from ecg.leads import MAX_LEADS
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "mortara-xml"
_ROOT = re.compile(rb"<ECG[\s>]")
_MARKS = (b"ACQUISITION_TIME", b"TYPICAL_CYCLE", b"<CHANNEL", b"<SUBJECT", b"DEMOGRAPHIC_FIELD")
_MEASUREMENTS = {
    "pr_interval": "PR_DURATION",
    "qrs_duration": "QRS_DURATION",
    "qt_interval": "QT",
    "qtc_interval": "QTC",
    "p_axis": "P_AXIS",
    "qrs_axis": "QRS_AXIS",
    "t_axis": "T_AXIS",
}
_IDENTIFYING = {
    "LAST_NAME": "patient name",
    "FIRST_NAME": "patient name",
    "ID": "patient id",
    "LOCAL_ID": "patient id",
    "DOB": "birth date",
    "DOB_XML": "birth date",
}
_PLACES = {"LOCATION": "institution", "ROOM": "institution", "TECHNICIAN": "operator", "COMMENT": "comment"}
_AGE_UNITS = {"Y": "years", "M": "months", "W": "weeks", "D": "days", "H": "hours", "": "years"}


def claims(name: str, head: bytes) -> bool:
    """Whether the first bytes are those of an ELI document."""
    plain = head.replace(b"\0", b"")
    return bool(_ROOT.search(plain)) and any(mark in plain for mark in _MARKS)


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The rhythm leads in mV; the typical cycle is left out. Raises `MalformedInput`, `UnusableRecording`."""
    root = read_xml(files[main])
    leads = root.findall("CHANNEL")
    if root.tag != "ECG" or not leads:
        raise UnusableRecording("The ELI document holds no rhythm leads.", "file", "elements CHANNEL", None)
    if len(leads) > MAX_LEADS:
        raise MalformedInput("The document has too many leads.", "lead_names", f"<= {MAX_LEADS}", len(leads))
    rows = [_counts(lead) for lead in leads]
    rates = [needed(lead.get("SAMPLE_FREQ"), "fs", "SAMPLE_FREQ") for lead in leads]
    per_millivolt = [number_of(lead.get("UNITS_PER_MV")) or 0.0 for lead in leads]
    channels = [
        Channel(text_of(lead.get("NAME")) or f"ECG{i + 1}", "mV" if per_millivolt[i] > 0 else None, rates[i])
        for i, lead in enumerate(leads)
    ]
    judges = [i for i, channel in enumerate(channels) if channel.is_standard] or [0]

    def samples(number: int) -> NDArray[np.float64]:
        return rows[number] / (per_millivolt[number] if channels[number].unit else 1.0)

    moved = [channels[i].name for i, lead in enumerate(leads) if number_of(lead.get("OFFSET")) not in (None, 0.0)]
    notes = (f"An offset of {', '.join(moved)[:200]} is not applied.",) if moved else ()
    n_samples = min(len(rows[i]) for i in judges)
    file = DeviceFile(NAME, channels, rates[judges[0]], n_samples, samples, _origin(root), notes, _time(root))
    return record_of(file, main, stated, max_duration_s)


def _counts(lead: Element) -> NDArray[np.int16]:
    """int16 [sample] of one lead."""
    kind = tuple((lead.get(name) or usual).strip().upper() for name, usual in _KIND)
    if kind != tuple(usual for _, usual in _KIND):
        raise UnusableRecording("Samples of this kind are not read.", "file", "16 bits, signed, base64", list(kind))
    data = decoded_base64(lead.get("DATA") or lead.text, "signal")
    if len(data) % 2:
        raise MalformedInput("The samples are not of two bytes each.", "signal", "an even number of bytes", len(data))
    return np.frombuffer(data, "<i2")


_KIND = (("BITS", "16"), ("FORMAT", "SIGNED"), ("ENCODING", "BASE64"))


def _origin(root: Element) -> Origin:
    source, subject, cycle = child(root, "SOURCE"), child(root, "SUBJECT"), child(root, "TYPICAL_CYCLE")
    about = {} if source is None else source.attrib
    person = {} if subject is None else subject.attrib
    measured = {} if cycle is None else cycle.attrib
    fields = root.iterfind("DEMOGRAPHIC_FIELDS/DEMOGRAPHIC_FIELD")
    found = [what for name, what in _IDENTIFYING.items() if person.get(name, "").strip("0- ")]
    found += ["demographic fields"] if any((field.get("VALUE") or "").strip() for field in fields) else []
    found += [what for name, what in _PLACES.items() if (root.get(name) or "").strip()]
    found += ["institution"] if about.get("ACQUIRING_DEVICE_SITE_NAME", "").strip() else []
    statements = [
        " ".join(filter(None, (item.get("TEXT") or item.text, item.get("REASON"))))
        for item in root.iterfind("AUTOMATIC_INTERPRETATION/STATEMENT")
    ]
    return Origin(
        manufacturer=text_of(about.get("MANUFACTURER")) or "Mortara",
        model=text_of(about.get("MODEL") or about.get("ACQUIRING_DEVICE_EXTENDED_MODEL_DESCRIPTION")),
        software=text_of(about.get("ACQUIRING_DEVICE_SW_VERSION")),
        low_pass_hz=number_of(about.get("LOW_PASS_FILTER")) or None,
        age_years=age_of(root.get("AGE"), _AGE_UNITS.get((root.get("AGE_UNITS") or "").strip().upper()[:1], "unknown")),
        sex=sex_of(person.get("GENDER")),
        measurements=measurements_of(
            {"heart_rate": root.get("VENT_RATE"), **{name: measured.get(tag) for name, tag in _MEASUREMENTS.items()}}
        ),
        statements=statements_of(statements),
        identifying=(*dict.fromkeys(found), *withheld(statements, statements_of(statements))),
    )


def _time(root: Element) -> datetime.datetime | None:
    return timestamp_of(root.get("ACQUISITION_TIME")) or timestamp_of(root.get("ACQUISITION_TIME_XML"))
