"""Headings of tables as exports write them: units, clocks, counters, none at all, and columns that are no leads."""

import numpy as np
import pytest

from ecg import formats
from ecg.errors import EcgError, InconsistentInput, MalformedInput, UnusableRecording
from ecg.formats.stated import Stated
from ecg.record import EcgRecord

SAMPLES = np.round(np.random.default_rng(3).normal(0, 0.5, (40, 3)), 3)
LEADS = ("I", "II", "V1")


def table(heading: str, first: list[str] | None = None, samples: np.ndarray = SAMPLES) -> bytes:
    cells = [[repr(float(x)) for x in row] for row in samples]
    rows = [",".join(([first[i]] if first else []) + row) for i, row in enumerate(cells)]
    return (heading + "\n".join(rows) + "\n").encode()


def read(data: bytes, **stated: object) -> EcgRecord:
    return formats.parse({"x.csv": data}, Stated(**stated))  # type: ignore[arg-type]


SECONDS = [f"{i / 250:.3f}" for i in range(40)]
CLOCK = [f"'0:{i / 250:06.3f}'" for i in range(40)]
COUNT = [str(i) for i in range(40)]


@pytest.mark.parametrize(
    ("data", "stated"),
    [
        (table("Time (s),I (mV),II (mV),V1 (mV)\n", SECONDS), {}),
        (table("t,I [mV],II [uV],V1 [V]\n", SECONDS, SAMPLES * [1, 1e3, 1e-3]), {"fs_hz": 250}),
        (table("'Elapsed time',I,II,V1\n", SECONDS), {"fs_hz": 250, "unit": "mV"}),
        (table("Unnamed: 0,I,II,V1\n", COUNT), {"fs_hz": 250, "unit": "mV"}),
        (table("'Elapsed time','I','II','V1'\n'hh:mm:ss.mmm','mV','mV','mV'\n", CLOCK), {}),
        (table(""), {"fs_hz": 250, "unit": "mV", "leads": LEADS}),
        (table("", COUNT), {"fs_hz": 250, "unit": "mV", "leads": LEADS}),
        (table("time_s,Lead I (Einthoven),Lead II,Lead V1\n", SECONDS), {"unit": "mV"}),
    ],
)
def test_headings_as_exports_write_them(data: bytes, stated: dict) -> None:
    record = read(data, **stated)
    assert (record.leads, record.fs_hz, record.unit) == (LEADS, 250, "mV")
    assert np.allclose(record.signal, SAMPLES.T, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["RESP", "Heart rate", "marker", "EEG1"])
def test_a_column_that_is_no_lead_is_left_out_with_a_note(name: str) -> None:
    record = read(table(f"{name},I,II,V1\n", COUNT), fs_hz=250.0, unit="mV")
    assert record.leads == LEADS
    assert name in record.notes[0]


def test_a_column_of_an_unknown_name_is_left_out_by_its_number() -> None:
    record = read(table("Zebedeus,I,II,V1\n", COUNT), fs_hz=250.0, unit="mV")
    assert record.notes == ("Signal 1 is left out: its name is of no ECG lead.",)


@pytest.mark.parametrize(
    "heads",
    [
        "I/uV,II/uV,V1/uV",
        "uV I,uV II,uV V1",
        "I [uV],II [uV],V1 [uV]",
        "I (uV),II (uV),V1 (uV)",
        "I uV,II_uV,V1-uV",
        "I in uV,II (µV),V1 / μV",
        "[uV] I,uV: II,(uV) V1",
        "Lead I (uV),ECG II/uV,MDC_ECG_LEAD_V1 uV",
    ],
)
def test_a_unit_is_read_wherever_a_head_writes_it(heads: str) -> None:
    record = read(table(f"{heads}\n", samples=SAMPLES * 1000), fs_hz=250.0)
    assert (record.leads, record.unit) == (LEADS, "mV")
    assert np.allclose(record.signal, SAMPLES.T, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("data", "unit"),
    [
        (table("# units: uV\nI (mV),II (mV),V1 (mV)\n"), None),
        (table("# amplitudes are in µV\nI (mV),II (mV),V1 (mV)\n"), None),
        (table("I (mV),II (mV),V1 (mV)\nuV,uV,uV\n"), None),
        (table("# units: uV\nI,II,V1\nmV,mV,mV\n"), None),
        (table("# units: uV\nI,II,V1\n"), "mV"),
        (table("I (mV),II (mV),V1 (mV)\n"), "uV"),
        (table("# unit: uV\n# units: mV\nI,II,V1\n"), None),
        (table("I (counts),II (counts),V1 (counts)\n"), "mV"),
    ],
)
def test_two_units_for_one_lead_are_refused(data: bytes, unit: str | None) -> None:
    with pytest.raises(InconsistentInput):
        read(data, fs_hz=250.0, unit=unit)


def test_the_unit_of_a_column_that_is_left_out_contradicts_nothing() -> None:
    record = read(table("# units: mV\nResp (V),I,II,V1\n", COUNT), fs_hz=250.0)
    assert (record.leads, record.unit) == (LEADS, "mV")


@pytest.mark.parametrize(
    "comment",
    [
        "fs: 250",
        "Sampling rate: 250 Hz",
        "sampled at 250 Hz",
        "Sampling frequency is 250Hz.",
        "sampling_frequency = 250",
        "sample_rate_hz: 250",
        "sfreq=250",
        "sampling rate: 0.25 kHz",
        "fs = 250 samples/s",
    ],
)
def test_a_rate_in_a_comment_is_read_and_held_against_the_stated_one(comment: str) -> None:
    data = table(f"# {comment}\nI,II,V1\n")
    assert read(data).fs_hz == 250
    with pytest.raises(InconsistentInput):
        read(data, fs_hz=500.0)


@pytest.mark.parametrize(
    "comment",
    [
        "low-pass frequency: 40 Hz",
        "Frequency response: 0.05 - 150 Hz",
        "Frequency 150 Hz",
        "bit rate 128 Hz",
        "Mains frequency: 50 Hz",
        "display rate 128 Hz",
        "Recording, heart rate 75 bpm, ADC rate 1000 Hz",
    ],
)
def test_another_frequency_is_no_rate(comment: str) -> None:
    data = table(f"# {comment}\nI,II,V1\n")
    with pytest.raises(MalformedInput, match="not stated"):
        read(data)
    assert read(data, fs_hz=250.0).fs_hz == 250
    assert read(b"# fs: 250\n" + data).fs_hz == 250


@pytest.mark.parametrize(
    "comments",
    [
        "# Originally sampled at 1000 Hz, resampled to 250 Hz\n",
        "# sampled at 1000 Hz\n# downsampled to 250 Hz\n",
        "# Sampling rate: 1000 Hz\n# decimated by 4\n",
        "# Sampling rate: 1000 Hz (250 Hz in this file)\n",
        "# fs: 1000 / 4\n",
    ],
)
def test_a_rate_beside_another_is_not_taken(comments: str) -> None:
    data = comments.encode() + table("I,II,V1\n")
    with pytest.raises(MalformedInput, match="--fs"):
        read(data)
    assert read(data, fs_hz=250.0).fs_hz == 250


@pytest.mark.parametrize(
    "comment",
    [
        "Unit: mV",
        "units = millivolts",
        "Amplitudes are in mV.",
        "all values in mV",
        "voltage [mV]",
        "units of samples: mV",
    ],
)
def test_a_unit_that_a_comment_states_plainly_is_read(comment: str) -> None:
    for beside in ("", "# 10 mm/mV, 25 mm/s\n", "# noise below 20 uV\n", "# Raw data of a 16 bit ADC\n"):
        assert read(f"# {comment}\n{beside}".encode() + table("I,II,V1\n"), fs_hz=250.0).unit == "mV"


@pytest.mark.parametrize(
    "comments",
    [
        "# Amplitudes are in uV; divide by 1000 to get values in mV\n",
        "# ADC counts, not in mV\n",
        "# display gain 10 mm in mV units, samples are ADC counts\n",
        "# units: mV\n# gain: 200\n",
        "# units: mV\n# 200 adu/mV\n",
        "# units: mV\n# values are ADC counts\n",
        "# units: mV\n# multiply by 0.005\n",
        "# units: mV\n# original data in uV\n",
        "# unit: ward 3, Dr. Zebedeus\n",
    ],
)
def test_a_unit_in_doubt_is_not_known_and_that_is_said(comments: str) -> None:
    record = read(comments.encode() + table("I,II,V1\n"), fs_hz=250.0)
    assert record.unit is None
    assert any("--units" in note for note in record.notes)
    assert "Zebedeus" not in repr(record.notes)
    assert read(comments.encode() + table("I,II,V1\n"), fs_hz=250.0, unit="uV").unit == "mV"


def test_only_columns_of_other_signals_are_refused() -> None:
    with pytest.raises(UnusableRecording, match="ECG lead"):
        read(table("RESP,ABP,PLETH\n"), fs_hz=250.0)


def test_a_table_without_a_heading_needs_the_leads_and_their_number() -> None:
    with pytest.raises(MalformedInput, match="no heading; state the leads"):
        read(table(""), fs_hz=250.0)
    with pytest.raises(MalformedInput, match="number of columns"):
        read(table(""), fs_hz=250.0, leads=("I", "II"))


def test_missing_samples_of_an_extracted_file_are_missing() -> None:
    data = b"'sample #','I','II'\n0,100,-32768\n1,-32768,5\n2,3,4\n"
    record = read(data, fs_hz=250.0)
    assert np.isnan(record.signal).tolist() == [[False, True, False], [True, False, False]]
    assert read(data.replace(b"'sample #'", b"index"), fs_hz=250.0).signal[1, 0] == -32768


def test_a_clock_that_contradicts_the_rate_is_refused() -> None:
    with pytest.raises(EcgError, match="rows a second"):
        read(table("'Elapsed time','I','II','V1'\n'hh:mm:ss.mmm','mV','mV','mV'\n", CLOCK), fs_hz=500.0)


@pytest.mark.parametrize("column", ["Unnamed: 0", "row", "Elapsed time", "t"])
def test_a_counter_or_clock_is_left_out_with_a_note(column: str) -> None:
    times = column in ("Elapsed time", "t")
    rows = "\n".join(f"{i / 250 if times else i},{i % 7},{i % 5}" for i in range(300))
    record = read(f"{column},I,II\n{rows}\n".encode(), fs_hz=250.0, unit="mV")
    assert record.leads == ("I", "II")
    assert any("left out" in note for note in record.notes)
