"""GE MUSE ``RestingECG`` XML: eight leads of 16-bit samples in base64, and the device's results."""

import datetime
import math
import re
import zlib
from collections.abc import Mapping
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import (
    MAX_VALUES,
    DeviceFile,
    age_of,
    decoded_base64,
    filters_of,
    measurements_of,
    needed,
    number_of,
    record_of,
    sex_of,
    shown,
    statements_of,
    text_of,
    whole,
    withheld,
)
from ecg.formats.stated import Stated
from ecg.formats.xml_tree import child, identifying, read_xml, text_at, texts
from ecg.leads import MAX_LEADS
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "muse-xml"
_ROOT = re.compile(rb"<(?:\w+:)?RestingECG(?![A-Za-z])")
_UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV", "UV": "uV", "MV": "mV"}
_MEASUREMENTS = {
    "heart_rate": "VentricularRate",
    "pr_interval": "PRInterval",
    "qrs_duration": "QRSDuration",
    "qt_interval": "QTInterval",
    "qtc_interval": "QTCorrected",
    "p_axis": "PAxis",
    "qrs_axis": "RAxis",
    "t_axis": "TAxis",
}
_IDENTIFYING = {
    "PatientDemographics/PatientID": "patient id",
    "PatientDemographics/PatientLastName": "patient name",
    "PatientDemographics/PatientFirstName": "patient name",
    "PatientDemographics/DateofBirth": "birth date",
    "TestDemographics/SiteName": "institution",
    "TestDemographics/AcquisitionTechID": "operator",
}


def claims(name: str, head: bytes) -> bool:
    """Whether the first bytes are those of a MUSE document."""
    return bool(_ROOT.search(head.replace(b"\0", b"")))


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The rhythm waveform in mV; the median beat is left out. Raises `MalformedInput`, `UnusableRecording`."""
    root = read_xml(files[main])
    rhythms = [w for w in root.iterfind("Waveform") if (text_at(w, "WaveformType") or "").lower() == "rhythm"]
    if not rhythms:
        raise UnusableRecording("The MUSE document holds no rhythm waveform.", "file", "WaveformType Rhythm", None)
    waveform = rhythms[0]
    written = text_at(waveform, "SampleExponent")
    exponent = needed(written, "fs", "SampleExponent that is a number") if written else 0.0
    if not -6 <= exponent <= 6:
        raise MalformedInput("The SampleExponent is not possible.", "fs", "-6 to 6", exponent)
    fs_hz = needed(text_at(waveform, "SampleBase"), "fs", "SampleBase") * 10**exponent
    leads = waveform.findall("LeadData")
    if len(leads) > MAX_LEADS:
        raise MalformedInput("The MUSE document has too many leads.", "lead_names", f"<= {MAX_LEADS}", len(leads))
    counts = [_counts(lead) for lead in leads]
    channels = [_channel(lead, row) for lead, row in zip(leads, counts, strict=True)]
    n_samples = min(map(len, counts), default=0)
    gains = [number_of(text_at(lead, "LeadAmplitudeUnitsPerBit")) or 1.0 for lead in leads]
    file = DeviceFile(
        NAME,
        channels,
        fs_hz,
        n_samples,
        lambda i: counts[i] * gains[i],
        _origin(root, waveform),
        _notes(len(rhythms), leads),
        acquired=_time(root),
    )
    return record_of(file, main, stated, max_duration_s)


def _notes(n_rhythms: int, leads: list[Element]) -> list[str]:
    """What is odd about the leads; `UnusableRecording` for leads of different times."""
    offsets = {text_at(lead, "LeadTimeOffset") or "0" for lead in leads}
    if len(offsets) > 1:
        raise UnusableRecording(
            "The leads were not recorded at the same time.",
            "signal",
            "one LeadTimeOffset",
            [*map(text_of, offsets)][:5],
        )
    notes = [f"Only the first of {n_rhythms} rhythm waveforms is read."] if n_rhythms > 1 else []
    off = [text_of(text_at(lead, "LeadID")) or "?" for lead in leads if (text_at(lead, "LeadOff") or "") == "TRUE"]
    return [*notes, f"The device found these leads off: {', '.join(off)[:200]}."] if off else notes


def _channel(lead: Element, row: NDArray[np.int16]) -> Channel:
    name = text_of(text_at(lead, "LeadID")) or "?"
    unit = text_at(lead, "LeadAmplitudeUnits")
    if number_of(text_at(lead, "LeadAmplitudeUnitsPerBit")) in (None, 0.0):
        return Channel(name, None, len(row))
    return Channel(name, None if unit is None else _UNITS.get(unit.upper(), unit), len(row))


def _counts(lead: Element) -> NDArray[np.int16]:
    """int16 [sample] of one lead."""
    size = text_at(lead, "LeadSampleSize") or "2"
    data = decoded_base64(text_at(lead, "WaveFormData"), "signal")
    if size != "2" or len(data) % 2:
        raise MalformedInput("The samples are not of two bytes each.", "signal", 2, shown(size))
    _check_sum(data, text_at(lead, "LeadDataCRC32"))
    counts = np.frombuffer(data, "<i2")
    stated_count = text_at(lead, "LeadSampleCountTotal")
    if stated_count and whole(stated_count, "signal", "LeadSampleCountTotal", MAX_VALUES) != len(counts):
        raise MalformedInput(
            "A lead holds another number of samples than it says.", "signal", stated_count, len(counts)
        )
    return counts


def _check_sum(data: bytes, written: str | None) -> None:
    """Raise `MalformedInput` for samples that do not fit their CRC-32; none or 0 is one that was not computed.

    All 32 leads of the MUSE documents at hand carry the sum that zlib computes of the decoded bytes.
    """
    if written is None:
        return
    stated = needed(written, "signal", "LeadDataCRC32 that is a number")
    if stated and int(stated) % 2**32 != zlib.crc32(data):
        raise MalformedInput(
            "The samples of a lead do not fit their LeadDataCRC32: the file is damaged.", "signal", stated, None
        )


def _time(root: Element) -> datetime.datetime | None:
    date, time = text_at(root, "TestDemographics/AcquisitionDate"), text_at(root, "TestDemographics/AcquisitionTime")
    for form in ("%m-%d-%Y", "%m/%d/%Y"):
        try:
            return datetime.datetime.strptime(f"{date} {time or '00:00:00'}", f"{form} %H:%M:%S")
        except ValueError:
            continue
    return None


def _origin(root: Element, waveform: Element) -> Origin:
    found = child(root, "RestingECGMeasurements")
    filters = [
        (what, text_at(waveform, tag))
        for what, tag in (
            ("high-pass", "HighPassFilter"),
            ("low-pass", "LowPassFilter"),
            ("AC", "ACFilter"),
        )
    ]
    high_pass = number_of(text_at(waveform, "HighPassFilter"))
    said = list(texts(root, "Diagnosis/DiagnosisStatement/StmtText"))
    statements = statements_of(said)
    return Origin(
        manufacturer="GE Healthcare",
        model=text_of(text_at(root, "TestDemographics/AcquisitionDevice")),
        software=text_of(
            text_at(root, "TestDemographics/AcquisitionSoftwareVersion") or text_at(root, "MuseInfo/MuseVersion")
        ),
        filters=filters_of([f"{what} {text}" for what, text in filters if text]),
        high_pass_hz=None if high_pass is None else high_pass / 100,  # MUSE counts hundredths of a hertz
        low_pass_hz=number_of(text_at(waveform, "LowPassFilter")),
        age_years=age_of(
            text_at(root, "PatientDemographics/PatientAge"), text_at(root, "PatientDemographics/AgeUnits") or "years"
        ),
        sex=sex_of(text_at(root, "PatientDemographics/Gender")),
        measurements=measurements_of({name: text_at(found, tag) for name, tag in _MEASUREMENTS.items()}),
        statements=statements,
        identifying=(*identifying(root, _IDENTIFYING), *withheld(said, statements)),
    )
