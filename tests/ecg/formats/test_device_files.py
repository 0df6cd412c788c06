"""Files of devices: samples to the count, what is said beside them, and nothing that identifies a person."""

import io
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from ecg import formats, read
from ecg.errors import EcgError, InputTooLarge, MalformedInput, UnknownFormat, UnusableRecording
from ecg.formats.device_file import timestamp_of
from ecg.formats.scp_samples import codes_of, decoded
from ecg.formats.stated import Stated
from ecg.leads import STANDARD_LEADS
from tests.ecg.formats import archive_files as archives
from tests.ecg.formats import device_files as made
from tests.ecg.formats import other_device_files as others

EIGHT = made.counts()
TWELVE = made.counts(12)


def expected(counts: np.ndarray, microvolts: float) -> np.ndarray:
    return (counts.astype(np.float64) * microvolts / 1000).astype(np.float32)


FILES: dict[str, tuple[str, Callable[[], bytes], float]] = {
    "muse": ("x.xml", lambda: made.muse_xml(EIGHT), 4.88),
    "philips": ("x.xml", lambda: made.philips_xml(TWELVE), 5.0),
    "philips utf-8": ("x.xml", lambda: made.philips_xml(TWELVE, "utf-8"), 5.0),
    "aecg": ("x.xml", lambda: made.aecg(EIGHT), 2.5),
    "scp second differences": ("x.scp", lambda: made.scp(EIGHT, 2), 2.5),
    "scp first differences": ("x.scp", lambda: made.scp(EIGHT, 1), 2.5),
    "scp coded": ("x.scp", lambda: made.scp(EIGHT, 0), 2.5),
    "scp plain": ("x.scp", lambda: made.scp(EIGHT, plain=True), 2.5),
    "scp reference beat": ("x.scp", lambda: made.scp(EIGHT, 2, beat=made.counts(8, 100)), 2.5),
    "edf": ("x.edf", lambda: made.edf(EIGHT), 2.5),
    "bdf": ("x.bdf", lambda: made.edf(EIGHT, 3), 2.5),
    "ishne": ("x.ecg", lambda: others.ishne(EIGHT), 2.5),
    "mfer": ("x.mwf", lambda: others.mfer(EIGHT), 2.5),
    "mfer little-endian": ("x.mwf", lambda: others.mfer(EIGHT, "<"), 2.5),
    "cardiosoft": ("x.xml", lambda: others.cardiosoft_xml(EIGHT), 5.0),
    "mortara": ("x.xml", lambda: others.mortara_xml(EIGHT), 2.5),
    "cardioai": ("x.json", lambda: archives.cardioai(EIGHT, made.LEADS8), 2.5),
}


@pytest.mark.parametrize("case", FILES)
def test_samples_are_read_to_the_count(case: str) -> None:
    name, content, microvolts = FILES[case]
    record = formats.parse({name: content()})
    counts = TWELVE if "philips" in case else EIGHT
    assert record.unit == "mV"
    assert record.fs_hz == (300 if name.endswith("df") else 500)
    assert record.completed().standard().leads == STANDARD_LEADS
    assert np.allclose(record.signal, expected(counts, microvolts), rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("case", FILES)
def test_the_bytes_alone_tell_the_format(case: str) -> None:
    _, content, _ = FILES[case]
    data = content()
    assert formats.parse({"upload": data}).format == formats.parse({FILES[case][0]: data}).format


@pytest.mark.parametrize("case", FILES)
def test_what_identifies_a_person_is_said_to_be_there_and_not_repeated(case: str) -> None:
    name, content, _ = FILES[case]
    data = content()
    assert made.CANARY.encode() in data.replace(b"\0", b"")
    record = formats.parse({name: data})
    assert record.origin is not None
    assert record.origin.identifying
    assert made.CANARY not in str(asdict(record.origin)) + repr(record.notes) + str(record.name)


def origin_of(case: str) -> formats.EcgRecord:
    name, content, _ = FILES[case]
    return formats.parse({name: content()})


def test_what_muse_says_beside_samples() -> None:
    record = origin_of("muse")
    origin = record.origin
    assert origin is not None
    assert (origin.model, record.acquired, origin.sex) == ("MAC55", datetime(2020, 11, 28, 10, 20, 30), "female")
    assert origin.age_years == 90  # an age above is not told
    assert (origin.high_pass_hz, origin.low_pass_hz) == (0.05, 40)
    assert origin.measurements == {"heart_rate": 61, "qrs_duration": 98}  # a PR interval of 0 is none
    assert origin.statements == ("Sinus rhythm",)


def test_what_philips_says_beside_samples() -> None:
    record = origin_of("philips")
    origin = record.origin
    assert origin is not None
    assert (origin.model, origin.software, record.acquired) == ("PageWriter", "A.01", datetime(2010, 1, 19, 15, 19, 22))
    assert (origin.age_years, origin.sex, origin.low_pass_hz) == (50, "male", 150)
    assert origin.measurements == {"heart_rate": 41, "pr_interval": 151}
    assert origin.statements == ("Sinus bradycardia rate< 50",)


def test_what_scp_says_beside_samples() -> None:
    record = origin_of("scp plain")
    origin = record.origin
    assert origin is not None
    assert (origin.model, record.acquired, origin.age_years) == ("MDW14", datetime(2017, 5, 4, 16, 35, 7), 61)
    assert (origin.sex, origin.low_pass_hz) == ("female", 35)
    assert origin.measurements == {
        "heart_rate": 60,
        "pr_interval": 167,
        "qrs_duration": 88,
        "qt_interval": 386,
        "p_axis": 48,
        "qrs_axis": -20,
    }
    assert origin.statements == ("sinusrytm å",)


def test_what_edf_says_beside_samples_and_what_is_left_out() -> None:
    record = origin_of("edf")
    assert record.origin is not None
    assert (record.origin.sex, record.origin.model) == ("male", "MyDevice")
    assert record.acquired == datetime(2020, 11, 28, 10, 20, 30)
    assert (record.origin.high_pass_hz, record.origin.notch_hz) == (0.05, 50)
    assert any("Resp" in note for note in record.notes)


@pytest.mark.parametrize(
    ("case", "model", "software", "low_pass_hz", "sex"),
    [
        ("ishne", "MyHolter", None, None, "female"),
        ("mfer", "Model", "1.2", 40, "male"),
        ("cardiosoft", "CardioSoft", "V6.5", 100, "male"),
        ("mortara", "ELI 250", "2.1", 40, "male"),
    ],
)
def test_what_the_others_say_beside_samples(
    case: str, model: str, software: str | None, low_pass_hz: float | None, sex: str
) -> None:
    record = origin_of(case)
    assert record.origin is not None
    assert (record.origin.model, record.origin.software) == (model, software)
    assert (record.origin.low_pass_hz, record.origin.sex) == (low_pass_hz, sex)
    assert record.acquired == datetime(2020, 11, 28, 10, 20, 30)


@pytest.mark.parametrize("case", ["cardiosoft", "mortara"])
def test_results_of_the_others(case: str) -> None:
    origin = origin_of(case).origin
    assert origin is not None
    assert (
        origin.measurements.items()
        >= {
            "heart_rate": 61,
            "pr_interval": 160,
            "qrs_duration": 98,
            "qt_interval": 400,
        }.items()
    )
    assert origin.statements[0].startswith("Sinus rhythm")
    assert origin.age_years == 61


def test_a_missing_sample_of_a_holter_file() -> None:
    counts = EIGHT.copy()
    counts[2, 5] = -32768
    signal = formats.parse({"x.ecg": others.ishne(counts)}).signal
    assert np.isnan(signal[2, 5])
    assert np.isnan(signal).sum() == 1


def test_mfer_without_an_interval_needs_its_rate_stated() -> None:
    data = others.mfer(EIGHT).replace(b"\x0b\x04\x01\xfd\x00\x02", b"\x0b\x00")
    with pytest.raises(MalformedInput, match="sampling rate is not stated"):
        formats.parse({"x.mwf": data})
    assert formats.parse({"x.mwf": data}, Stated(500.0)).fs_hz == 500


def test_edf_units_are_those_of_the_file() -> None:
    in_mv = formats.parse({"x.edf": made.edf(EIGHT, unit="mV")})
    assert np.allclose(in_mv.signal, expected(EIGHT, 2500), rtol=1e-6, atol=2e-3)
    with pytest.raises(UnusableRecording, match="interruptions"):
        formats.parse({"x.edf": made.edf(EIGHT, kind="EDF+D")})


def test_the_scale_of_an_edf_signal_that_is_no_lead_stops_no_recording() -> None:
    data = bytearray(made.edf(EIGHT))
    for field in (1, 2):  # both physical limits of the ninth signal, the respiration
        at = 256 + 10 * (16 + 80 + 8 * field) + 8 * 8
        data[at : at + 8] = b"0       "
    assert formats.parse({"x.edf": bytes(data)}).leads == made.LEADS8
    at = 256 + 10 * (16 + 80 + 8) + 8 * 3
    data[at : at + 8] = data[at + 80 : at + 88]
    with pytest.raises(MalformedInput, match="scale of EDF signal 4"):
        formats.parse({"x.edf": bytes(data)})


def test_muse_without_a_scale_has_no_unit() -> None:
    assert formats.parse({"x.xml": made.muse_xml(EIGHT, per_bit="0")}).unit is None


def test_a_shifted_scp_file_is_refused() -> None:
    whole = made.scp(EIGHT)
    for damaged in (whole[5:], b"\0" * 5 + whole, whole[: len(whole) // 2], whole[:60] + whole[65:]):
        with pytest.raises(MalformedInput):
            formats.parse({"x.scp": damaged})


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;&x;&x;">]><RestingECG>&z;</RestingECG>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><RestingECG>&x;</RestingECG>',
        "<RestingECG>" + "<a>" * 300_000,
        "<RestingECG>" + "<a>" * 100_000 + "</a>" * 100_000 + "</RestingECG>",
        "<RestingECG",
    ],
)
def test_xml_that_expands_or_nests_is_refused(text: str) -> None:
    with pytest.raises((MalformedInput, InputTooLarge, UnusableRecording)):
        formats.parse({"x.xml": text.encode()})


def test_other_xml_is_told_from_what_is_read() -> None:
    with pytest.raises(UnknownFormat, match="XML document"):
        formats.parse({"x.xml": b"<svg></svg>"})


def test_samples_without_their_header_name_the_header() -> None:
    with pytest.raises(MalformedInput, match=r"x\.hea"):
        formats.parse({"x.dat": b"\0" * 100})


def mat(compressed: bool = True, **variables: object) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables, do_compression=compressed)
    return stream.getvalue()


def test_matlab_matrices_need_everything_stated() -> None:
    samples = EIGHT[:3].astype(float) / 1000
    stated = Stated(500.0, ("I", "II", "V1"), "mV")
    for data in (mat(val=samples), mat(False, feats=samples.T), mat(ECG={"data": samples, "age": 61, "sex": "Male"})):
        record = formats.parse({"x.mat": data}, stated)
        assert np.allclose(record.signal, samples, rtol=1e-6)
    assert record.origin is not None
    assert (record.origin.age_years, record.origin.sex) == (61, "male")
    for less in (Stated(500.0), Stated(None, ("I", "II", "V1"))):
        with pytest.raises(MalformedInput, match="state"):
            formats.parse({"x.mat": mat(val=samples)}, less)
    with pytest.raises(MalformedInput, match="a row for each lead"):
        formats.parse({"x.mat": mat(val=samples)}, Stated(500.0, ("I", "II")))


def test_a_matlab_file_that_inflates_beyond_the_bound_is_refused() -> None:
    with pytest.raises(InputTooLarge):
        formats.parse({"x.mat": mat(val=np.zeros((3, 6_000_000)))}, Stated(500.0, ("I", "II", "V1")))


@pytest.mark.shared
def test_one_recording_in_three_formats_has_the_same_samples(shared: Path) -> None:
    folder = shared / "data" / "same_ecg_dicom_scp_aecg"
    records = [read(folder / f"Example.{ending}").standard() for ending in ("dcm", "scp", "xml")]
    assert {record.format for record in records} == {"dicom", "scp-ecg", "hl7-aecg"}
    for record in records[1:]:
        assert np.abs(record.signal - records[0].signal).max() < 1e-6


@pytest.mark.shared
def test_every_shared_device_file_is_read_or_refused_for_its_reason(shared: Path) -> None:
    refused = {}
    for folder in ("dicom", "same_ecg_dicom_scp_aecg", "scp", "muse_xml", "philips_xml", "contec_limb_only"):
        for path in sorted((shared / "data" / folder).iterdir()):
            try:
                assert read(path).unit == "mV"
            except EcgError as error:
                refused[path.name] = error.message
    refused.pop("0000050.ECG.csv", None)  # a heading of its own, see the tests of tables
    assert list(refused) == ["BROKEN_shifted_by_5_bytes.SCP"]


def test_big_endian_dicom_is_refused_and_not_read_with_swapped_bytes() -> None:
    head = b"\0" * 128 + b"DICM" + b"\x02\x00\x10\x00UI\x14\x00" + b"1.2.840.10008.1.2.2\0"
    with pytest.raises(UnusableRecording, match="Big-endian"):
        formats.parse({"x.dcm": head + b"\0" * 500}, Stated())


@pytest.mark.parametrize(
    ("written", "offset_h"),
    [
        ("20240101230000", None),
        ("20240101230000.5+0130", 1.5),
        ("2024-01-01T23:00:00Z", 0),
        ("20240101230000-0500", -5),
    ],
)
def test_the_offset_from_utc_is_kept(written: str, offset_h: float | None) -> None:
    zone = None if offset_h is None else timezone(timedelta(hours=offset_h))
    assert timestamp_of(written) == datetime(2024, 1, 1, 23, tzinfo=zone)


def test_the_filters_of_edf_are_those_of_a_lead() -> None:
    plain = made.edf(EIGHT).replace(b"ECG I           ", b"Flow            ", 1)
    plain = plain.replace(b"HP:0.05Hz LP:150Hz N:50Hz", b"HP:0.05Hz LP:15Hz N:50Hz ", 1)
    origin = formats.parse({"x.edf": plain}).origin
    assert origin is not None
    assert origin.low_pass_hz == 150


def test_a_huffman_table_of_a_thousand_codes_is_decoded() -> None:
    codes = {f"1{number:010b}": (0, number) for number in range(1000)} | {"0": (4, 0)}
    wanted = [0, 999, -3, 512, 7]
    bits = "".join("0" + format(v & 15, "04b") if v < 8 else f"1{v:010b}" for v in wanted)
    part = int(bits.ljust(64, "0"), 2).to_bytes(8, "big")
    assert decoded(part, codes_of(made.huffman_table(codes)), len(wanted)).tolist() == wanted


def test_a_huffman_table_in_which_one_code_begins_another_is_refused() -> None:
    with pytest.raises(MalformedInput, match="begins another"):
        codes_of(made.huffman_table({"10": (0, 1), "101": (0, 2)}))


def test_the_free_words_of_plain_edf_are_no_device() -> None:
    plain = bytearray(made.edf(EIGHT))
    plain[88:168] = b"ECG of the patient Smithers ward 3".ljust(80)
    origin = formats.parse({"x.edf": bytes(plain)}).origin
    assert origin is not None
    assert origin.model is None
    assert "recording field" in origin.identifying
