"""Files that contradict themselves, or say less than a reading needs: refused or noted, never read in silence."""

import copy
import io
import re
import struct
from typing import Any

import numpy as np
import pydicom
import pytest

from ecg import formats
from ecg.errors import EcgError, InconsistentInput, MalformedInput, UnusableRecording
from ecg.formats.stated import Stated
from ecg.leads import STANDARD_LEADS
from tests.ecg.formats import device_files as made
from tests.ecg.formats import other_device_files
from tests.ecg.formats.every_format import samples

COUNTS = made.counts()
FILES = samples(COUNTS)


def dicom(change: Any) -> dict[str, bytes]:
    """The DICOM file after a change to its waveform group."""
    dataset = pydicom.dcmread(io.BytesIO(FILES["dicom"].files["x.dcm"]))
    change(dataset)
    stream = io.BytesIO()
    dataset.save_as(stream)
    return {"x.dcm": stream.getvalue()}


@pytest.mark.parametrize("exponent", ["two", "1x", "--1", "1e99", "9"])
def test_a_muse_exponent_that_is_no_number_is_refused(exponent: str) -> None:
    old = b"<SampleExponent>0</SampleExponent>"
    data = made.muse_xml(COUNTS).replace(old, f"<SampleExponent>{exponent}</SampleExponent>".encode())
    with pytest.raises(MalformedInput, match="SampleExponent"):
        formats.parse({"x.xml": data})


def test_an_aecg_increment_without_a_unit_is_no_rate() -> None:
    data = made.aecg(COUNTS).replace(b'<increment value="0.002" unit="s"/>', b'<increment value="0.002"/>')
    with pytest.raises(MalformedInput, match="sampling rate is not stated"):
        formats.parse({"x.xml": data})
    assert formats.parse({"x.xml": data}, Stated(500.0)).fs_hz == 500


def test_an_aecg_origin_without_the_unit_of_its_scale_is_refused() -> None:
    data = made.aecg(COUNTS).replace(b'<origin value="0" unit="uV"/>', b'<origin value="5"/>')
    with pytest.raises(MalformedInput, match="origin and scale"):
        formats.parse({"x.xml": data})


def _source(dataset: Any, number: int = 0) -> Any:
    return dataset.WaveformSequence[0].ChannelDefinitionSequence[number].ChannelSourceSequence[0]


def test_a_dicom_code_and_meaning_of_two_leads_are_refused() -> None:
    def change(dataset: Any) -> None:
        _source(dataset).CodeMeaning = "Lead II"

    with pytest.raises(InconsistentInput, match="different leads"):
        formats.parse(dicom(change))


@pytest.mark.parametrize(("code", "meaning"), [("2:1", "Ableitung Eins"), ("5.6.3-9-1", ""), ("X9", "Lead I")])
def test_a_dicom_lead_is_known_by_code_or_meaning(code: str, meaning: str) -> None:
    def change(dataset: Any) -> None:
        _source(dataset).CodeValue, _source(dataset).CodeMeaning = code, meaning

    assert formats.parse(dicom(change)).leads[0] == "I"


def test_a_dicom_unit_whose_code_and_meaning_differ_is_refused() -> None:
    def change(dataset: Any) -> None:
        definition = dataset.WaveformSequence[0].ChannelDefinitionSequence[0]
        definition.ChannelSensitivityUnitsSequence[0].CodeMeaning = "millivolt"

    with pytest.raises(InconsistentInput, match="unit"):
        formats.parse(dicom(change))


@pytest.mark.parametrize(("keyword", "value"), [("ChannelTimeSkew", "0.002"), ("ChannelSampleSkew", "1")])
def test_a_small_skew_of_dicom_leads_is_noted(keyword: str, value: str) -> None:
    def change(dataset: Any) -> None:
        setattr(dataset.WaveformSequence[0].ChannelDefinitionSequence[3], keyword, value)

    assert formats.parse(dicom(change)).notes == ("The leads were sampled up to 2 ms apart, which is not corrected.",)


def test_a_large_skew_of_dicom_leads_is_refused() -> None:
    def change(dataset: Any) -> None:
        dataset.WaveformSequence[0].ChannelDefinitionSequence[3].ChannelTimeSkew = "2.5"

    with pytest.raises(UnusableRecording, match="same time"):
        formats.parse(dicom(change))


@pytest.mark.parametrize(
    ("code", "meaning"),
    [("2:11", "Lead V3"), ("2:66", "V2"), ("2:3", "V3R"), ("2:66", "V9"), ("2:16", "Y"), ("MDC_ECG_LEAD_I", "Lead II")],
)
def test_a_dicom_code_and_meaning_of_any_two_leads_are_refused(code: str, meaning: str) -> None:
    def change(dataset: Any) -> None:
        _source(dataset).CodeValue, _source(dataset).CodeMeaning = code, meaning

    with pytest.raises(InconsistentInput, match="different leads"):
        formats.parse(dicom(change))


@pytest.mark.parametrize(
    ("code", "meaning", "lead"),
    [
        ("MDC_ECG_LEAD_I", None, "I"),
        ("MDC_ECG_LEAD_I", "Lead I", "I"),
        ("2:11", "Lead V3R", "Lead V3R"),
        ("2:11", "C3R", "C3R"),
        ("2:11", None, "V3R"),
        ("2:16", "Vx", "Vx"),
        ("2:66", "ECG V8", "ECG V8"),
    ],
)
def test_a_dicom_code_and_meaning_of_one_lead_are_read(code: str, meaning: str | None, lead: str) -> None:
    def change(dataset: Any) -> None:
        _source(dataset).CodeValue = code
        if meaning is None:
            del _source(dataset).CodeMeaning
        else:
            _source(dataset).CodeMeaning = meaning

    assert formats.parse(dicom(change)).leads[0] == lead


def _group(dataset: Any, seconds: float, leads: slice, fs_hz: float = 500.0, label: str | None = None) -> Any:
    """A waveform group of some of the leads, with another length and rate."""
    group = copy.deepcopy(dataset.WaveformSequence[0])
    counts = np.frombuffer(group.WaveformData, "<i2").reshape(600, -1)[:, leads]
    n_samples = round(seconds * fs_hz)
    group.SamplingFrequency = f"{fs_hz:g}"
    group.NumberOfWaveformSamples = n_samples
    group.NumberOfWaveformChannels = counts.shape[1]
    group.ChannelDefinitionSequence = group.ChannelDefinitionSequence[leads]
    group[0x54001010].value = np.resize(counts, (n_samples, counts.shape[1])).astype("<i2").tobytes()
    if label is not None:
        group.MultiplexGroupLabel = label
    return group


LIMBS, CHEST, ONE, EVERY = slice(0, 6), slice(6, 12), slice(0, 1), slice(0, 12)


@pytest.mark.parametrize(
    ("groups", "read", "left_out"),
    [
        ([(10, EVERY), (1.5, ONE, 4000.0)], 0, "1 lead of 1.5 s"),
        ([(1.5, ONE, 4000.0), (10, EVERY)], 1, "1 lead of 1.5 s"),
        ([(60, ONE), (10, EVERY)], 1, "1 lead of 60 s"),
        ([(2.5, CHEST), (2.5, LIMBS), (10, ONE)], 2, "6 leads of 2.5 s, 6 leads of 2.5 s"),
        ([(9.998, LIMBS), (10, CHEST)], 1, "6 leads of 10 s"),
        ([(10, CHEST), (10, CHEST)], 0, "6 leads of 10 s"),
        ([(1.2, EVERY), (10, EVERY)], 1, "12 leads of 1.2 s"),
        ([(10, EVERY), (1.2, EVERY, 500.0, "MEDIAN BEAT")], 0, None),
        ([(10, EVERY), (10, EVERY, 500.0, "MEDIAN FILTERED RHYTHM")], 0, "12 leads of 10 s"),
    ],
)
def test_the_rhythm_among_dicom_groups_is_told_by_seconds_and_leads(
    groups: list[tuple[Any, ...]], read: int, left_out: str | None
) -> None:
    def change(dataset: Any) -> None:
        dataset.WaveformSequence = [_group(dataset, *group) for group in groups]

    record = formats.parse(dicom(change))
    seconds, leads, *_ = groups[read]
    assert record.duration_s == pytest.approx(seconds)
    assert record.leads == STANDARD_LEADS[leads]
    expected = () if left_out is None else (f"Of {len(groups)} waveform groups one is read; left out: {left_out}.",)
    assert record.notes == expected


@pytest.mark.parametrize("subtracted", [False, True])
def test_bimodal_scp_compression_is_refused(subtracted: bool) -> None:
    data = made.scp(COUNTS, 2, beat=made.counts(8, 100) if subtracted else None)
    head = struct.pack("<HHBB", 2500, 2000, 2, 0)
    with pytest.raises(UnusableRecording, match="Bimodal"):
        formats.parse({"x.scp": data.replace(head, head[:5] + b"\1")})


def _fewer_in_dicom() -> dict[str, bytes]:
    def change(dataset: Any) -> None:
        dataset.WaveformSequence[0].NumberOfWaveformSamples = 500

    return dicom(change)


def _announcing(name: str, number: int) -> dict[str, bytes]:
    """A file of 600 samples a lead that announces another number."""
    files = dict(FILES[name].files)
    main = FILES[name].main
    if name == "wfdb":
        files[main] = files[main].replace(b"8 500 600", f"8 500 {number}".encode())
        files[main] = re.sub(rb"(16 0 -?\d+) -?\d+ 0 ", rb"\1 0 0 ", files[main])  # without checksums
    if name == "edf":
        head = files[main]
        files[main] = head[:236] + f"{number // 300:<8}".encode() + head[244:]
    if name == "ishne":
        head = bytearray(files[main])
        struct.pack_into("<i", head, 14, number)
        files[main] = bytes(head)
    if name == "scp-ecg":
        plain = bytearray(made.scp(COUNTS, plain=True))
        for at in range(len(plain) - 4):
            if plain[at : at + 8] == struct.pack("<II", 1, 600):
                struct.pack_into("<I", plain, at + 4, number)
        files[main] = bytes(plain)
    return files


@pytest.mark.parametrize("name", ["wfdb", "edf", "ishne", "scp-ecg"])
def test_a_file_that_holds_more_than_it_announces_is_noted(name: str) -> None:
    assert [note for note in formats.parse(_announcing(name, 300)).notes if "announces" in note]
    assert not [note for note in formats.parse(_announcing(name, 600)).notes if "announces" in note]


def test_a_dicom_file_that_holds_more_than_it_announces_is_noted() -> None:
    record = formats.parse(_fewer_in_dicom())
    assert (record.n_samples, record.notes) == (
        500,
        ("The file holds 600 samples a lead and announces 500: those beyond are not read.",),
    )


@pytest.mark.parametrize("name", ["wfdb", "edf"])
def test_a_file_that_holds_less_than_it_announces_is_refused(name: str) -> None:
    with pytest.raises(EcgError, match="shorter than"):
        formats.parse(_announcing(name, 900))


def test_a_wfdb_file_that_ends_as_announced_has_no_note() -> None:
    assert not FILES["wfdb"].files["x.hea"].count(b"#")
    assert formats.parse(FILES["wfdb"].files).notes == ()


def test_a_second_rhythm_series_is_noted() -> None:
    text = made.aecg(COUNTS).replace(b"REPRESENTATIVE_BEAT", b"RHYTHM")
    assert "Only the first of 2 rhythm series is read." in formats.parse({"x.xml": text}).notes


def test_an_ishne_file_of_the_announced_length_has_no_note() -> None:
    assert formats.parse({"x.ecg": other_device_files.ishne(np.asarray(COUNTS))}).notes == ()


def _ishne(moved: int, stated: int) -> bytes:
    """An ISHNE file whose samples stand `moved` bytes further on than usual, and whose header states another number."""
    data = bytearray(other_device_files.ishne(np.asarray(COUNTS)))
    (start,) = struct.unpack_from("<i", data, 22)
    struct.pack_into("<i", data, 22, start + stated)
    return bytes(data[:start]) + b"\0" * moved + bytes(data[start:])


def test_an_ishne_file_is_read_from_where_its_header_says() -> None:
    usual = formats.parse({"x.ecg": _ishne(0, 0)})
    for moved in (2, 3, 16, 4096):
        found = formats.parse({"x.ecg": _ishne(moved, moved)})
        assert np.array_equal(found.signal, usual.signal)
        assert found.notes == ()


@pytest.mark.parametrize(("moved", "stated"), [(0, 2), (0, -2), (0, 4096), (2, 4), (0, 10**8), (0, -(10**8))])
def test_an_ishne_header_that_states_two_places_for_the_samples_is_refused(moved: int, stated: int) -> None:
    with pytest.raises(MalformedInput, match="two places"):
        formats.parse({"x.ecg": _ishne(moved, stated)})


def test_an_edf_header_of_another_length_than_it_says_is_refused() -> None:
    data = bytearray(FILES["edf"].files["x.edf"])
    data[184:192] = b"2560    "
    with pytest.raises(MalformedInput, match="shifted"):
        formats.parse({"x.edf": bytes(data)})


def test_an_edf_signal_with_reversed_digital_limits_is_refused() -> None:
    data = bytearray(FILES["edf"].files["x.edf"])
    at = 256 + 120 * 10
    data[at : at + 8] = b"32767   "
    with pytest.raises(MalformedInput, match="scale"):
        formats.parse({"x.edf": bytes(data)})


def test_a_dicom_file_of_a_median_beat_alone_is_refused() -> None:
    def change(dataset: Any) -> None:
        dataset.WaveformSequence[0].MultiplexGroupLabel = "MEDIAN BEAT"

    with pytest.raises(UnusableRecording, match="median beat"):
        formats.parse(dicom(change))


def test_muse_leads_of_different_times_are_refused() -> None:
    head, mark, last = made.muse_xml(COUNTS).rpartition(b"<LeadData>")
    with pytest.raises(UnusableRecording, match="same time"):
        formats.parse({"x.xml": head + mark + b"<LeadTimeOffset>2500</LeadTimeOffset>" + last})


def test_muse_leads_that_were_off_are_named() -> None:
    head, mark, last = made.muse_xml(COUNTS).rpartition(b"<LeadData>")
    record = formats.parse({"x.xml": head + mark + b"<LeadOff>TRUE</LeadOff>" + last})
    assert "The device found these leads off: V6." in record.notes


def test_a_cardiosoft_strip_of_another_length_than_it_says_is_refused() -> None:
    data = other_device_files.cardiosoft_xml(COUNTS).replace(b"Total>600<", b"Total>500<")
    with pytest.raises(MalformedInput, match="another number of samples"):
        formats.parse({"x.xml": data})


@pytest.mark.parametrize("milliseconds", [800, 1196, 1204, 2400])
def test_a_philips_document_of_another_length_than_it_says_is_refused(milliseconds: int) -> None:
    """Cut off, its high and low bytes would be taken for one another."""
    data = FILES["philips-xml"].files["x.xml"].decode("utf-16")
    lying = data.replace('durationperchannel="1200"', f'durationperchannel="{milliseconds}"').encode("utf-16")
    assert formats.parse({"x.xml": data.encode("utf-16")}).n_samples == 600
    with pytest.raises(MalformedInput, match=r"samples"):
        formats.parse({"x.xml": lying})


def test_a_size_of_a_count_of_zero_is_refused() -> None:
    head = struct.pack("<HHBB", 2500, 2000, 2, 0)
    with pytest.raises(MalformedInput, match="size of a count"):
        formats.parse({"x.scp": made.scp(COUNTS).replace(head, bytes(2) + head[2:])})

    def change(dataset: Any) -> None:
        dataset.WaveformSequence[0].ChannelDefinitionSequence[4].ChannelSensitivityCorrectionFactor = "0"

    with pytest.raises(MalformedInput, match="correction"):
        formats.parse(dicom(change))
