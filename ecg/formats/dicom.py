"""DICOM waveforms: 12-lead, general and ambulatory ECG, read by pydicom; the multiplex group of the rhythm."""

import io
import logging
import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.errors import EcgError, MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import (
    MAX_VALUES,
    DeviceFile,
    age_of,
    measurements_of,
    needed,
    number_of,
    record_of,
    sex_of,
    statements_of,
    text_of,
    timestamp_of,
    whole,
)
from ecg.formats.stated import Stated
from ecg.formats.xml_tree import missing_extra
from ecg.leads import MAX_LEADS
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "dicom"
_BIG_ENDIAN = b"1.2.840.10008.1.2.2\0"  # retired in 2006; the samples inside would be swapped, too
_DEFLATED = (b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.8.")  # their size is bounded by nothing
_TYPES = {("SB", 8): "i1", ("UB", 8): "u1", ("SS", 16): "<i2", ("US", 16): "<u2", ("SL", 32): "<i4", ("UL", 32): "<u4"}
_UNITS = {"uv": "uV", "mv": "mV", "v": "V", "nv": "nV", "microvolt": "uV", "millivolt": "mV"}
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


def claims(name: str, head: bytes) -> bool:
    """Whether the bytes have DICOM's mark, or the name its ending."""
    return head[128:132] == b"DICM" or name.endswith((".dcm", ".dicom"))


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The longest waveform of the file, in mV. Raises `MalformedInput`, `UnusableRecording`."""
    data = files[main]
    if any(syntax in data[:2048] for syntax in _DEFLATED):
        raise UnusableRecording("Deflated DICOM files are not read.", "file", "an uncompressed transfer syntax", None)
    if _BIG_ENDIAN in data[:2048]:
        raise UnusableRecording("Big-endian DICOM files are not read.", "file", "a little-endian transfer syntax", None)
    dataset = _dataset(data)
    try:
        return _record(dataset, main, stated, max_duration_s)
    except EcgError:
        raise
    except Exception:  # noqa: BLE001  pydicom decodes an element when it is asked for, and raises what it meets
        raise MalformedInput("The DICOM waveform cannot be read.", "file", "a waveform of PS3.3 C.10.9", None) from None


def _dataset(data: bytes) -> Any:
    try:
        import pydicom
        from pydicom import config
    except ImportError:
        raise missing_extra("DICOM") from None
    # Identifiers that break the rules are common and are not read here; what is wrong with them belongs in no log.
    warnings.filterwarnings("ignore", module="pydicom")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    config.settings.reading_validation_mode = config.IGNORE
    try:
        return pydicom.dcmread(io.BytesIO(data), force=data[128:132] != b"DICM")
    except Exception:  # noqa: BLE001  pydicom raises what its many parsers meet
        raise MalformedInput("Not a DICOM file that can be read.", "file", "a DICOM file", None) from None


def _record(dataset: Any, main: str, stated: Stated, max_duration_s: float) -> EcgRecord:
    groups = list(dataset.get("WaveformSequence") or [])
    if not groups:
        raise UnusableRecording(
            "The DICOM file holds no waveform.",
            "file",
            "12-lead, general or ambulatory ECG",
            text_of(dataset.get("Modality")),
        )
    # A second group is often the median beat: the rhythm is the longest.
    group = max(groups, key=lambda item: number_of(item.get("NumberOfWaveformSamples")) or 0)
    n_channels = whole(group.get("NumberOfWaveformChannels"), "lead_names", "number of channels", MAX_LEADS)
    n_samples = whole(group.get("NumberOfWaveformSamples"), "signal", "number of samples", MAX_VALUES)
    definitions = list(group.get("ChannelDefinitionSequence") or [])
    if len(definitions) != n_channels:
        raise MalformedInput("Not every channel is defined.", "lead_names", n_channels, len(definitions))
    fs_hz = needed(group.get("SamplingFrequency"), "fs", "sampling frequency")
    counts = _counts(group, n_channels, n_samples)
    channels = [_channel(definition, number) for number, definition in enumerate(definitions, start=1)]
    padding, notes = _padding(group)

    def samples(number: int) -> NDArray[np.float64]:
        raw = counts[:, number]
        gain, baseline = _scale(definitions[number]) if channels[number].unit else (1.0, 0.0)
        physical = raw * gain + baseline
        if padding is not None:
            physical[raw == padding] = np.nan
        return physical

    origin = _origin(dataset, definitions[0])
    acquired = timestamp_of(dataset.get("AcquisitionDateTime"))
    file = DeviceFile(NAME, channels, fs_hz, n_samples, samples, origin, notes, acquired)
    return record_of(file, main, stated, max_duration_s)


def _counts(group: Any, n_channels: int, n_samples: int) -> NDArray[Any]:
    """Integers [sample, channel]."""
    kind = (str(group.get("WaveformSampleInterpretation")), group.get("WaveformBitsAllocated"))
    if kind not in _TYPES:
        raise UnusableRecording("Samples of this kind are not read.", "file", [*map(list, _TYPES)], text_of(kind))
    data = group.get("WaveformData")
    dtype = np.dtype(_TYPES[kind])
    size = n_channels * n_samples * dtype.itemsize
    if not isinstance(data, bytes) or len(data) < size:
        raise MalformedInput("The samples are cut off.", "signal", size, len(data or b""))
    return np.frombuffer(data, dtype, n_channels * n_samples).reshape(n_samples, n_channels)


def _channel(definition: Any, number: int) -> Channel:
    source = (definition.get("ChannelSourceSequence") or [None])[0]
    name = text_of(source.get("CodeMeaning")) if source is not None else None
    units = (definition.get("ChannelSensitivityUnitsSequence") or [None])[0]
    unit = None if units is None else text_of(units.get("CodeValue"))
    if number_of(definition.get("ChannelSensitivity")) in (None, 0.0):
        unit = None
    return Channel((name or f"channel {number}")[:80], None if unit is None else _UNITS.get(unit.lower(), unit), 1.0)


def _scale(definition: Any) -> tuple[float, float]:
    """Units for one count, and the units of count 0 (PS3.3 C.10.9.1.4.2)."""
    sensitivity = needed(definition.get("ChannelSensitivity"), "units", "channel sensitivity")
    correction = number_of(definition.get("ChannelSensitivityCorrectionFactor"))
    return sensitivity * (1.0 if correction is None else correction), number_of(
        definition.get("ChannelBaseline")
    ) or 0.0


def _padding(group: Any) -> tuple[int | None, tuple[str, ...]]:
    """The count that marks a missing sample. One within the range of an ECG would make gaps of true samples."""
    value = group.get("WaveformPaddingValue")
    bits = group.get("WaveformBitsAllocated")
    if isinstance(value, bytes):
        value = int.from_bytes(value, "little", signed=str(group.get("WaveformSampleInterpretation")).startswith("S"))
    if not isinstance(value, int):
        return None, ()
    if abs(value) >= 2 ** (int(bits) - 1) - 1:
        return value, ()
    return None, (f"The padding value {value} is within the range of the samples and is not taken as missing.",)


def _origin(dataset: Any, definition: Any) -> Origin:
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
        statements=statements_of([text for text in statements if text]),
        identifying=tuple(what for name, what in _IDENTIFYING.items() if str(dataset.get(name) or "").strip()),
    )
