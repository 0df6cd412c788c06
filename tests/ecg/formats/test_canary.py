"""What identifies a person in a file of any format is in no output, and is said to be there."""

import io
import math
import re
import struct
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pydicom
import pytest
import scipy.io
from pydicom._dicom_dict import DicomDictionary

from ecg.cli import main
from ecg.formats import parse
from ecg.formats.writers import ENDINGS
from ecg.local import measured
from ecg.record import EcgRecord
from ecg.report.encodings import ENCODINGS
from tests.ecg.formats import archive_files
from tests.ecg.formats import device_files as made
from tests.ecg.formats.every_format import Sample, samples

CANARY = made.CANARY
COUNTS = np.tile(made.counts(8, 600), (1, 9))
ALL = samples(COUNTS)


#: Elements and attributes that hold no free text: without them, or with another text, a document is not read at all.
_NEEDED = re.compile(
    r"RestingECG|WaveformType|Sample(Base|Exponent|Rate)|LeadAmplitude|LeadSample|LeadID|WaveFormData|WaveformData|"
    r"Resolution|CardiologyXML|StripData|document(info|version)|samplingrate|resolution|parsedwaveforms|digits|"
    r"acquisitiontype|numberchannels|CHANNEL|TYPICAL|code$|scale|increment|^value$|(High|Low)PassFilter|(hi|low)pass"
)
#: Make, model and software of a device are shown as the file words them.
_OF_DEVICE = re.compile(
    r"AcquisitionDevice|AcquisitionSoftware|MuseVersion|Desc$|SoftwareVer|machine|detaildescription|manufacturerModelName|"
    r"MANUFACTURER|MODEL|_SW_VERSION"
)


def _in_every_element(data: bytes) -> bytes:
    """The document with the canary in each element's text that no sample depends on, and each described in another."""
    root = ElementTree.fromstring(data)
    for element in list(root.iter()):
        tag = element.tag.rpartition("}")[2]
        if _NEEDED.search(tag) or _OF_DEVICE.search(tag):
            continue
        if not len(element):
            element.text = CANARY
        for name in element.attrib:
            if (
                not _NEEDED.search(name)
                and not _OF_DEVICE.search(name)
                and name not in ("ENCODING", "FORMAT", "BITS", "units", "unit")
            ):
                element.set(name, CANARY)
    for statement in ("StmtText", "Statement"):
        for element in root.iter(statement):
            element.text = f"Sinus rhythm, as {CANARY} says"
    for tag in ("OrderingMDLastName", "OverreaderName", "comments", "physician", "ward"):
        ElementTree.SubElement(root, tag).text = CANARY
    return bytes(ElementTree.tostring(root))


def _dicom(data: bytes) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    for tag, (kind, _, _, _, keyword) in DicomDictionary.items():
        text = kind in ("PN", "LO", "SH", "LT", "ST", "UT")
        shown = keyword in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions")
        if text and keyword and not shown and tag >> 16 in (0x0008, 0x0010, 0x0018, 0x0032, 0x0038, 0x0040):
            setattr(dataset, keyword, CANARY)
    dataset.PatientAge = "061Y"
    dataset.PatientBirthDate = "19500101"
    for annotated in (f"Confirmed by {CANARY}", CANARY):
        item = pydicom.Dataset()
        item.UnformattedTextValue = annotated
        dataset.WaveformAnnotationSequence = [*dataset.get("WaveformAnnotationSequence", []), item]
    group = dataset.WaveformSequence[0]
    group.MultiplexGroupLabel = CANARY
    group.ChannelDefinitionSequence[0].ChannelLabel = CANARY
    group.ChannelDefinitionSequence[0].ChannelDerivationDescription = CANARY
    dataset.add_new((0x0009, 0x0010), "LO", CANARY)
    dataset.add_new((0x0009, 0x1001), "LO", CANARY)
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def _edf(data: bytes) -> bytes:
    """Patient and recording as plain words, transducers, filters and annotations, and the label of a further signal."""
    out = bytearray(data)
    n = int(out[252:256])
    out[8:168] = f"{CANARY:80}{'12-lead of ' + CANARY:80}".encode()
    out[256 + 16 * 8 : 256 + 16 * 9] = f"{CANARY:16}".encode()  # the respiration's label
    out[256 + 16 * n : 256 + 96 * n] = f"{CANARY:80}".encode() * n
    out[256 + 136 * n : 256 + 216 * n] = f"LP:150Hz {CANARY}".ljust(80).encode() * n
    out[-2 * 20 : -2 * 20 + 20] = f"+0\x14\x14+1\x14{CANARY}"[:20].ljust(20, "\0").encode()
    return bytes(out)


def _scp(data: bytes) -> bytes:
    """Every tag of section 1 that is a text, and a statement."""
    tags = (0, 1, 2, 3, 10, 13, 16, 17, 18, 19, 20, 21, 22, 23, 30, 31, 35)
    section = b"".join(bytes([tag]) + struct.pack("<H", len(CANARY)) + CANARY.encode() for tag in tags)
    return made.scp(COUNTS, tags=section, statement=f"Confirmed by {CANARY}".encode())


def _ishne(data: bytes) -> bytes:
    out = bytearray(data)
    for at, size in ((28, 40), (68, 40), (108, 20), (274, 80), (354, 80), (434, 88)):
        out[at : at + size] = CANARY.encode().ljust(size, b"\0")
    return bytes(out)


def _wfdb(data: bytes) -> bytes:
    """Comments, the start, and the description of a signal that is left out."""
    head, _, lines = data.partition(b"\n")
    words = head.split()
    first = b" ".join([words[0], b"9", *words[2:4], CANARY.encode()])
    return b"\n".join(
        [first, lines.rstrip(), f"other.dat 16 1 0 0 0 0 0 {CANARY}\n# Name: {CANARY}\n# {CANARY}\n".encode()]
    )


def with_canary(name: str) -> Sample:
    """The file of a format with the canary in every textual field."""
    sample = ALL[name]
    data = sample.files[sample.main]
    if name == "wfdb":
        return replace(sample, files=sample.files | {sample.main: _wfdb(data)})
    if name == "matlab":
        stream = io.BytesIO()
        scipy.io.savemat(stream, {"val": COUNTS * 0.0025, "name": CANARY, CANARY: CANARY, "note": [CANARY, CANARY]})
        return replace(sample, files={sample.main: stream.getvalue()})
    if name == "hdf5":
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file["ecg"] = (COUNTS * 0.0025).astype("f4")
            file["name"] = CANARY
            file[CANARY] = [CANARY, CANARY]
            for item in (file, file["ecg"]):
                item.attrs["patient"] = item.attrs[CANARY] = CANARY
        return replace(sample, files={sample.main: stream.getvalue()})
    if name == "zip":
        inner = with_canary("muse-xml")
        return Sample(
            {"x.zip": archive_files.zipped({f"{CANARY}/x.xml": inner.files["x.xml"], "README.txt": CANARY.encode()})}
        )
    if name == "csv":
        heading, _, rows = data.partition(b"\n")
        widened = b"\n".join(row + b",1" for row in rows.strip().split(b"\n"))
        comments = f"# patient: {CANARY}\n# name: {CANARY}\n# {CANARY}\n".encode()
        return replace(
            sample, files={sample.main: comments + heading + b"," + CANARY.encode() + b"\n" + widened + b"\n"}
        )
    changed = {"dicom": _dicom, "edf": _edf, "scp-ecg": _scp, "ishne": _ishne}.get(name)
    if changed is None and sample.main.endswith(".xml"):
        changed = _in_every_element
    return sample if changed is None else replace(sample, files={sample.main: changed(data)})


#: JSON and npy have no field for a person; a JSON recording's `name` is what its sender calls it in reports.
NAMES = [name for name in ALL if name not in ("json", "npy")]


@pytest.mark.parametrize("name", NAMES)
def test_no_output_repeats_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = with_canary(name)
    assert any(CANARY.encode() in data.replace(b"\0", b"") for data in sample.files.values()) or name == "zip"
    record = parse(sample.files, sample.stated)
    report = measured(record)
    outputs = {kind: report.encoded(kind) for kind in ENCODINGS}
    outputs["record"] = repr((record.name, record.notes, record.origin)).encode()
    for ending, write in ENDINGS.items():
        if record.unit is not None or ending in (".csv", ".npy", ".json"):
            folder = tmp_path / f"out{ending}"
            folder.mkdir()
            outputs[ending] = b"".join(path.read_bytes() for path in write(_whole(record), folder, "x"))
    for file, data in sample.files.items():
        (tmp_path / file).write_bytes(data)
    stated = sample.stated
    beside = [] if stated.leads is None else ["--fs", "500", "--leads", ",".join(stated.leads), "--units", "mV"]
    for command in (["inspect"], ["measure"], ["measure", "--jsonl"]):
        assert main([*command, *beside, str(tmp_path / sample.main)]) == 0
        said = capsys.readouterr()
        outputs[" ".join(command)] = (said.out + said.err).encode()
    assert not [kind for kind, output in outputs.items() if CANARY.encode() in output.replace(b"\0", b"")]
    assert b"may identify a person are there" in outputs["inspect"]


def _whole(record: EcgRecord) -> EcgRecord:
    """Without missing samples, which EDF cannot hold, and in whole seconds."""
    seconds = math.floor(record.duration_s)
    return replace(record, signal=np.nan_to_num(record.signal[:, : int(seconds * record.fs_hz)]))


@pytest.mark.parametrize(
    ("keyword", "value", "said"),
    [
        ("RequestingPhysician", f"{CANARY}^Jane", "names of persons"),
        ("PatientComments", CANARY, "other texts"),
        ("PatientID", CANARY, "patient id"),
        ("CodeMeaning", CANARY, "other texts"),
    ],
)
@pytest.mark.parametrize("depth", [1, 3])
def test_a_person_named_in_a_sequence_of_dicom_is_said_to_be_there(
    keyword: str, value: str, said: str, depth: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = pydicom.dcmread(io.BytesIO(ALL["dicom"].files["x.dcm"]))
    before = parse(ALL["dicom"].files).origin
    assert before is not None
    assert said not in before.identifying
    item = pydicom.Dataset()
    setattr(item, keyword, value)
    for _ in range(depth):
        outer = pydicom.Dataset()
        outer.RequestAttributesSequence = [item]
        item = outer
    dataset.update(item)
    dataset.save_as(tmp_path / "x.dcm")
    assert main(["inspect", str(tmp_path / "x.dcm")]) == 0
    output = capsys.readouterr().out
    assert said in output
    assert CANARY not in output


def _broken_wfdb(old: bytes, new: bytes) -> dict[str, bytes]:
    sample = ALL["wfdb"]
    data = sample.files[sample.main]
    assert old in data
    return sample.files | {sample.main: data.replace(old, new, 1)}


def _first_line(text: str) -> dict[str, bytes]:
    sample = ALL["wfdb"]
    return sample.files | {sample.main: text.encode() + b"\n" + sample.files[sample.main]}


def _edf_field(at: int, width: int, text: str) -> dict[str, bytes]:
    sample = ALL["edf"]
    data = sample.files[sample.main]
    return {sample.main: data[:at] + text.encode().ljust(width)[:width] + data[at + width :]}


REFUSED = {
    "wfdb, a first line of words": lambda: _first_line(f"Patient: {CANARY} John 1950"),
    "wfdb, many segments": lambda: _first_line(f"{CANARY}/2 1 500 600"),
    "wfdb, a control character": lambda: _first_line(f"{CANARY}\x7f"),
    "wfdb, a format": lambda: _broken_wfdb(b".dat 16 ", f".dat {CANARY} ".encode()),
    "wfdb, a gain": lambda: _broken_wfdb(b" 16 0 ", f" {CANARY} 0 ".encode()),
    "edf, a label beside a broken scale": lambda: {
        "x.edf": re.sub(rb"ECG \w{1,2} {10,11}", f"{CANARY:16}".encode(), made.edf(made.counts())).replace(
            b"-81920", b"81917.5", 1
        )
    },
    "edf, a duration": lambda: _edf_field(244, 8, CANARY),
    "edf, a size of the header": lambda: _edf_field(184, 8, CANARY),
    "edf, a number of signals": lambda: _edf_field(252, 4, "Zebe"),
    "xml that ends early": lambda: {"x.xml": f"<RestingECG><PatientLastName>{CANARY}</Patient".encode()},
    "xml of an entity": lambda: {"x.xml": f"<RestingECG>&{CANARY};</RestingECG>".encode()},
    "xml of an encoding": lambda: {"x.xml": f'<?xml version="1.0" encoding="{CANARY}"?><RestingECG/>'.encode()},
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_refusal_repeats_it(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = REFUSED[case]()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    for command in ("inspect", "measure"):
        assert main([command, str(tmp_path / next(iter(files)))]) != 0
        said = capsys.readouterr()
        assert not re.search("Zebe", said.out + said.err)
        assert "mismatched" not in said.err  # words of expat
        assert "undefined" not in said.err
