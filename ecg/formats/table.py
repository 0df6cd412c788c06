"""The table of formats: for each its reader, its names, and how its files are known. Nothing else lists them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ecg.formats import (
    cardioai_json,
    cardiosoft_xml,
    csv_table,
    dicom,
    edf,
    hdf5,
    hl7_aecg,
    ishne,
    json_body,
    matlab,
    mfer,
    mortara_xml,
    muse_xml,
    npy_array,
    philips_xml,
    scp_ecg,
    wfdb_record,
)
from ecg.formats.stated import Stated
from ecg.record import EcgRecord


@dataclass(frozen=True)
class Format:
    """A reader of one format.

    Attributes
    ----------
    name
        As `EcgRecord.format` gives it.
    title
        As people call it.
    endings
        Of its files' names, in lower case.
    media_types
        Under which a request body of the format may be sent, beside ``application/octet-stream``.
    claims
        Whether a file of this lower-case name, with these first bytes, is of the format.
    parse
        The recording in files by name, of which one is the main one, with what was stated beside. Raises
        `RecordingTooLong` for more seconds than the last argument, before the samples are decoded.
    companions
        Names of the files that belong to a main file of this content.
    extra
        What must be installed to read it, beside the base installation.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    media_types: tuple[str, ...]
    claims: Callable[[str, bytes], bool]
    parse: Callable[[Mapping[str, bytes], str, Stated, float], EcgRecord]
    companions: Callable[[bytes], tuple[str, ...]] = lambda data: ()
    extra: str | None = None


XML = ("application/xml", "text/xml")
#: Every format, in the order in which they are asked whether a file is theirs: those that look at the bytes first.
FORMATS = (
    Format(wfdb_record.NAME, "WFDB", (".hea",), (), wfdb_record.claims, wfdb_record.parse, wfdb_record.companions),
    Format(
        dicom.NAME,
        "DICOM waveform",
        (".dcm", ".dicom"),
        ("application/dicom",),
        dicom.claims,
        dicom.parse,
        extra="formats",
    ),
    Format(scp_ecg.NAME, "SCP-ECG", (".scp",), (), scp_ecg.claims, scp_ecg.parse),
    Format(muse_xml.NAME, "GE MUSE XML", (".xml",), XML, muse_xml.claims, muse_xml.parse, extra="formats"),
    Format(
        cardiosoft_xml.NAME,
        "GE CardioSoft XML",
        (".xml",),
        XML,
        cardiosoft_xml.claims,
        cardiosoft_xml.parse,
        extra="formats",
    ),
    Format(
        philips_xml.NAME, "Philips Sierra XML", (".xml",), XML, philips_xml.claims, philips_xml.parse, extra="formats"
    ),
    Format(hl7_aecg.NAME, "HL7 aECG", (".xml",), XML, hl7_aecg.claims, hl7_aecg.parse, extra="formats"),
    Format(mortara_xml.NAME, "Mortara ELI XML", (".xml",), XML, mortara_xml.claims, mortara_xml.parse, extra="formats"),
    Format(ishne.NAME, "ISHNE Holter", (".ecg",), (), ishne.claims, ishne.parse),
    Format(edf.NAME, "EDF, EDF+, BDF", (".edf", ".bdf"), ("application/edf",), edf.claims, edf.parse),
    Format(mfer.NAME, "MFER", (".mwf", ".mfer", ".mfr"), (), mfer.claims, mfer.parse),
    Format(
        hdf5.NAME,
        "HDF5 of CODE-15 and SPH",
        hdf5.ENDINGS,
        ("application/x-hdf5",),
        hdf5.claims,
        hdf5.parse,
        extra="formats",
    ),
    Format(matlab.NAME, "MATLAB", (".mat",), ("application/x-matlab-data",), matlab.claims, matlab.parse),
    Format(npy_array.NAME, "NumPy array", (".npy",), ("application/x-npy",), npy_array.claims, npy_array.parse),
    Format(cardioai_json.NAME, "CardioAI message", (".json",), (), cardioai_json.claims, cardioai_json.parse),
    Format(json_body.NAME, "JSON", (".json",), ("application/json",), json_body.claims, json_body.parse),
    Format(
        csv_table.NAME,
        "CSV table",
        (".csv", ".tsv", ".txt"),
        ("text/csv", "text/plain", "application/csv"),
        csv_table.claims,
        csv_table.parse,
    ),
)
#: A zip file of the files of one recording; what is in it is read as any of `FORMATS`.
ZIP_ENDINGS = (".zip",)
ZIP_MEDIA_TYPES = ("application/zip",)
