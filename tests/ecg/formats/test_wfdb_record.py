"""WFDB records: one scale, one rate, whole samples; what does not fit is left out with a note, or refused."""

import subprocess
import sys

import numpy as np
import pytest

from ecg import formats
from ecg.errors import InputTooLarge, MalformedInput, UnusableRecording
from ecg.record import EcgRecord
from tests.ecg.formats.test_mutations import wfdb_files

COUNTS = np.random.default_rng(7).integers(-2000, 2000, (3, 400)).astype("<i2")


def parse(signals: list[str], data: bytes, rate: str = "500", n: str = "400") -> EcgRecord:
    lines = [f"rec {len(signals)} {rate} {n}", *(f"rec.dat {signal}" for signal in signals)]
    return formats.parse({"rec.hea": ("\n".join(lines) + "\n").encode(), "rec.dat": data})


def three(*gains_and_names: str) -> EcgRecord:
    signals = [f"16 {gain} 16 0 0 0 0 {name}" for gain, name in (text.split() for text in gains_and_names)]
    return parse(signals, COUNTS[: len(signals)].T.tobytes())


@pytest.mark.parametrize("gain", ["0", "0/mV"])
def test_leads_on_two_scales_are_refused(gain: str) -> None:
    with pytest.raises(UnusableRecording, match="calibrated") as refused:
        three(f"{gain} I", "1000/mV II", "1000/mV V1")
    assert refused.value.got == ["I"]


def test_leads_that_are_all_uncalibrated_have_no_unit() -> None:
    record = three("0 I", "0 II", "100/mmHg ABP")
    assert (record.unit, record.leads) == (None, ("I", "II"))
    assert "scale" in record.notes[0]
    assert "ABP" in record.notes[1]


@pytest.mark.parametrize("gain", ["0", "100/mmHg", "100/NU"])
def test_a_signal_that_is_no_voltage_is_left_out_with_a_note(gain: str) -> None:
    record = three("1000/mV I", f"{gain} RESP", "1000/uV V1")
    assert (record.unit, record.leads) == ("mV", ("I", "V1"))
    assert np.allclose(record.signal[0], COUNTS[0] / 1000)
    assert np.allclose(record.signal[1], COUNTS[2] / 1e6)
    assert [note for note in record.notes if "RESP" in note]


def test_a_voltage_beside_the_standard_leads_is_kept() -> None:
    assert three("1000/mV I", "1000/mV vx").leads == ("I", "vx")


def test_a_standard_lead_in_another_unit_is_refused() -> None:
    with pytest.raises(MalformedInput, match="mmHg"):
        three("1000/mV I", "1000/mmHg II")


@pytest.mark.parametrize(("frames_hz", "per_frame"), [(250, 2), (62.5, 8), (500, 1)])
def test_several_samples_a_frame_are_all_kept(frames_hz: float, per_frame: int) -> None:
    frames = COUNTS[:2].reshape(2, -1, per_frame).transpose(1, 0, 2)
    signals = [f"16x{per_frame} 1000/mV 16 0 0 0 0 {lead}" for lead in ("I", "II")]
    record = parse(signals, frames.tobytes(), str(frames_hz), str(400 // per_frame))
    assert record.fs_hz == 500
    assert np.allclose(record.signal, COUNTS[:2] / 1000)


def test_leads_of_two_rates_are_refused_and_another_signal_is_left_out() -> None:
    data = COUNTS[0].tobytes()  # 133 frames of three samples fit
    lines = ["16x2 1000/mV 16 0 0 0 0 I", "16 1000/mV 16 0 0 0 0 {}"]
    record = parse([lines[0], lines[1].format("RESP")], data, "250", "133")
    assert (record.leads, record.fs_hz, record.n_samples) == (("I",), 500, 266)
    assert "RESP" in record.notes[0]
    with pytest.raises(UnusableRecording, match="rate"):
        parse([lines[0], lines[1].format("II")], data, "250", "133")


def test_samples_that_do_not_sum_to_the_checksums_are_refused() -> None:
    sums = [(int(row.sum(dtype=np.int64)) + 32768) % 65536 - 32768 for row in COUNTS]
    signals = [f"16 1000/mV 16 0 0 {total} 0 {lead}" for total, lead in zip(sums, ("I", "II", "V1"), strict=True)]
    assert parse(signals, COUNTS.T.tobytes()).leads == ("I", "II", "V1")
    with pytest.raises(MalformedInput, match="checksum"):
        parse(signals, COUNTS[[1, 0, 2]].T.tobytes())


def test_a_header_cannot_announce_frames_beyond_all_bounds() -> None:
    with pytest.raises(InputTooLarge):
        parse(["16x999999999 1000/mV 16 0 0 0 0 I"], b"", n="1")
    with pytest.raises(MalformedInput, match="too many"):
        parse(["16 1000/mV 16 0 0 0 0 I"] * 65, b"")


@pytest.mark.parametrize("rate", ["5_00", "５００"])
def test_a_rate_is_an_ascii_number(rate: str) -> None:
    with pytest.raises(MalformedInput):
        parse(["16 1000/mV 16 0 0 0 0 I"], COUNTS[0].tobytes(), rate)


def test_reading_other_formats_does_not_load_wfdb() -> None:
    code = "import sys, ecg.formats; sys.exit('wfdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("comments", "age", "sex"),
    [
        ("# Age: 78\n# Sex: Male\n# Dx: 426177001\n", 78, "male"),
        ("#<age>: 51\n#<sex>: F\n#<diagnoses>:\n", 51, "female"),
        ("#Age: 55  Sex: M\n", 55, "male"),
        ("# age: 300\n# sex: Unknown\n", None, None),
        ("# Age: NaN\n# Sex: NaN\n", None, None),
        ("# age: 50\n# age: 60\n# sex: F\n", None, "female"),
        ("# stage: 3\n# age: 6 months\n# Essex: M\n", None, None),
    ],
)
def test_age_and_sex_are_read_from_comments(comments: str, age: float | None, sex: str | None) -> None:
    files = wfdb_files("16")
    origin = formats.parse(files | {"rec.hea": files["rec.hea"].replace(b"# age: 50\n", comments.encode())}).origin
    assert origin is not None
    assert (origin.age_years, origin.sex, origin.identifying) == (age, sex, ("comments",))
