"""What DICOM waveform files say beside samples: device, person, filters, the device's own results."""

import re
from functools import lru_cache
from typing import Any

from ecg.formats.device_file import age_of, measurements_of, number_of, sex_of, statements_of, text_of, withheld
from ecg.formats.device_words import is_statement
from ecg.leads import is_lead
from ecg.origin import Origin

#: Names of measurements, without blanks and in lower case, as devices write them.
_MEASUREMENTS = {
    "ventricularheartrate": "heart_rate",
    "heartrate": "heart_rate",
    "printerval": "pr_interval",
    "prinvterval": "pr_interval",
    "qrsduration": "qrs_duration",
    "qtinterval": "qt_interval",
    "qtcinterval": "qtc_interval",
    "paxis": "p_axis",
    "qrsaxis": "qrs_axis",
    "taxis": "t_axis",
}
_IDENTIFYING = {
    "PatientName": "patient name",
    "PatientID": "patient id",
    "PatientBirthDate": "birth date",
    "AccessionNumber": "accession number",
    "InstitutionName": "institution",
    "ReferringPhysicianName": "physician",
    "AdmissionID": "admission id",
}
_TEXTS = ("LO", "SH", "LT", "ST", "UT", "UC", "UN")
#: Shown as they are written, or coded, or judged where they are read (`withheld`).
_HARMLESS = frozenset(
    {"Manufacturer", "ManufacturerModelName", "SoftwareVersions", "Modality", "SpecificCharacterSet"}
    | {"DeidentificationMethod", "PatientIdentityRemoved", "UnformattedTextValue"}
    | {"CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion"}
)
#: Free texts in which every device writes terms: only other words are of note.
_OF_TERMS = frozenset({"ChannelLabel", "MultiplexGroupLabel", "ChannelDerivationDescription", "CodeMeaning"})
_DEEPEST = 8
_MOST_ITEMS = 5000  # of all sequences of a file


def origin_of(dataset: Any, definition: Any) -> Origin:
    """Of a dataset, with the filters of one channel's definition."""
    measured: dict[str, object] = {}
    statements = []
    for item in dataset.get("WaveformAnnotationSequence") or []:
        statements.append(item.get("UnformattedTextValue"))
        for concept in item.get("ConceptNameCodeSequence") or []:
            key = re.sub(r"[^a-z]", "", str(concept.get("CodeMeaning")).lower())
            if key in _MEASUREMENTS:
                measured.setdefault(_MEASUREMENTS[key], item.get("NumericValue"))
            if key == "rrinterval" and number_of(item.get("NumericValue")):
                measured.setdefault("heart_rate", round(60000 / (number_of(item.get("NumericValue")) or 1), 1))
    high_pass, low_pass = definition.get("FilterLowFrequency"), definition.get("FilterHighFrequency")
    age = re.fullmatch(r"(\d{3})([DWMY])", str(dataset.get("PatientAge") or ""))
    return Origin(
        manufacturer=text_of(dataset.get("Manufacturer")),
        model=text_of(dataset.get("ManufacturerModelName")),
        software=text_of(dataset.get("SoftwareVersions")),
        high_pass_hz=number_of(high_pass),
        low_pass_hz=number_of(low_pass),
        notch_hz=number_of(definition.get("NotchFilterFrequency")) or None,
        age_years=age_of(age[1], age[2]) if age else None,
        sex=sex_of(dataset.get("PatientSex")),
        measurements=measurements_of(measured),
        statements=statements_of(statements),
        identifying=(*_identifying(dataset), *withheld(statements, statements_of(statements))),
    )


def _identifying(dataset: Any) -> list[str]:
    """Kinds of elements that may identify a person, those within sequences too."""
    found: dict[str, None] = {}
    items = [(dataset, 0)]
    for item, depth in items:  # which grows while it is walked
        for tag in item.keys():  # noqa: SIM118  a dataset yields its decoded elements
            keyword, kind, value = _element(item, tag)
            if kind == "SQ" and depth < _DEEPEST and len(items) < _MOST_ITEMS:
                items += [(inner, depth + 1) for inner in _items(item, tag)]
            what = _what_identifies(item, keyword, kind, value)
            if what is not None:
                found.setdefault(what)
    usual = [what for what in _IDENTIFYING.values() if what in found]
    return [*usual, *(what for what in found if what not in usual)]


def _element(item: Any, tag: Any) -> tuple[str, str, Any]:
    """Keyword, kind and value of an element, which is not decoded: what breaks the rules there is no matter."""
    element = item.get_item(tag)
    keyword, kind = _in_dictionary(int(tag))
    return keyword, str(element.VR or kind), element.value


@lru_cache(4096)  # a file has the same few elements in each of its channels
def _in_dictionary(tag: int) -> tuple[str, str]:
    """Keyword and kind of an element; those of a private one are empty and unknown."""
    from pydicom.datadict import dictionary_VR, keyword_for_tag

    keyword = keyword_for_tag(tag)
    return keyword, dictionary_VR(tag) if keyword else "UN"


def _items(item: Any, tag: Any) -> list[Any]:
    try:
        return list(item[tag].value or [])
    except Exception:  # noqa: BLE001  pydicom raises what it meets in a sequence
        return []


def _what_identifies(item: Any, keyword: str, kind: str, value: Any) -> str | None:
    if not value or keyword in _HARMLESS or kind == "SQ":
        return None
    if keyword in _IDENTIFYING:
        return _IDENTIFYING[keyword]
    if kind == "PN":
        return "names of persons"
    if kind not in _TEXTS or (keyword == "CodeMeaning" and "CodeValue" in item):
        return None
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    harmless = keyword in _OF_TERMS and (is_statement(text) or is_lead(text.strip("\0 ")))
    return None if harmless else "other texts"
