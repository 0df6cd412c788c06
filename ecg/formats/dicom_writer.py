"""Recordings as DICOM 12-lead ECG: 16-bit samples in steps of a microvolt, no field that identifies a person."""

from pathlib import Path
from typing import Any

import numpy as np

from ecg.errors import MalformedInput
from ecg.formats.lead_codes import LEADS
from ecg.formats.xml_tree import missing_extra
from ecg.leads import STANDARD_LEADS
from ecg.record import EcgRecord

_TWELVE_LEAD = "1.2.840.10008.5.1.4.1.1.9.1.1"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_MAX_CHANNELS = 13  # of the 12-lead ECG information object
_GAP = -32768
_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
    "ContentDate",
    "ContentTime",
    "Manufacturer",
)
#: Code of each of the twelve leads.
_CODES = {name: code for code, name in LEADS.items() if name in STANDARD_LEADS}


def write_dicom(record: EcgRecord, folder: Path, name: str) -> list[Path]:
    """Write `NAME.dcm` and return its path; a missing sample is the padding value.

    Raises `MalformedInput` for a record of unknown unit, of other leads than the twelve, or beyond ±32.767 mV.
    """
    try:
        from pydicom import Dataset, FileMetaDataset
        from pydicom.uid import generate_uid
    except ImportError:
        raise missing_extra("DICOM") from None
    strangers = [lead for lead in record.leads if lead not in _CODES]
    if record.unit != "mV":
        raise MalformedInput("DICOM 12-lead ECG holds millivolt.", "units", "mV", record.unit)
    if strangers or len(record.leads) > _MAX_CHANNELS:
        raise MalformedInput("DICOM 12-lead ECG holds the twelve leads.", "lead_names", list(_CODES), strangers)
    counts = np.rint(record.signal.T.astype(np.float64) * 1000)
    if np.nanmax(np.abs(counts), initial=0) > -_GAP - 1:
        raise MalformedInput("Samples beyond the 16-bit range.", "signal", "up to 32.767 mV", None)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE_ENDIAN
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = _TWELVE_LEAD
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality = "ECG"
    for keyword in _EMPTY:
        setattr(dataset, keyword, "")
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Written without identifying fields"
    dataset.WaveformSequence = [_group(record, np.where(np.isnan(counts), _GAP, counts).astype("<i2"))]
    path = folder / f"{name}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return [path]


def _group(record: EcgRecord, counts: np.ndarray[Any, Any]) -> Any:
    from pydicom import Dataset

    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels = len(record.leads)
    group.NumberOfWaveformSamples = record.n_samples
    group.SamplingFrequency = f"{record.fs_hz:.10g}"
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    group.add_new((0x5400, 0x100A), "OW", _GAP.to_bytes(2, "little", signed=True))  # WaveformPaddingValue
    group.add_new((0x5400, 0x1010), "OW", counts.tobytes())  # WaveformData
    group.ChannelDefinitionSequence = [_channel(lead) for lead in record.leads]
    return group


def _channel(lead: str) -> Any:
    from pydicom import Dataset

    channel = Dataset()
    channel.ChannelSourceSequence = [_code(f"2:{_CODES[lead]}", "MDC", f"Lead {lead}")]
    channel.ChannelSensitivity = "1"
    channel.ChannelSensitivityUnitsSequence = [_code("uV", "UCUM", "microvolt")]
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = 16
    return channel


def _code(value: str, scheme: str, meaning: str) -> Any:
    from pydicom import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
