"""What DICOM waveform files say beside samples: device, person, filters, the device's own results."""

import re
from typing import Any

from ecg.formats.device_file import age_of, measurements_of, number_of, sex_of, statements_of, text_of, withheld
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
_HARMLESS = frozenset(
    {"Manufacturer", "ManufacturerModelName", "SoftwareVersions", "Modality", "SpecificCharacterSet"}
    | {"DeidentificationMethod", "PatientIdentityRemoved"}
)


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
    """Kinds of elements that may identify a person; none is decoded, since what breaks the rules there is no matter."""
    from pydicom.datadict import dictionary_VR, keyword_for_tag

    found = [what for name, what in _IDENTIFYING.items() if dataset.get_item(name) and dataset.get_item(name).value]
    for tag, element in dataset.items():
        keyword = keyword_for_tag(tag)
        if element.value and keyword not in _IDENTIFYING and keyword not in _HARMLESS:
            kind = element.VR or (dictionary_VR(tag) if keyword else "UN")
            found.append("names of persons" if kind == "PN" else "other texts" if kind in _TEXTS else "")
    return [what for what in dict.fromkeys(found) if what]
