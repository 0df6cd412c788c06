"""Readers: what is written is read back; what is damaged is refused with a typed error, whatever the bytes."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import formats, read
from ecg.errors import EcgError, InconsistentInput, MalformedInput
from ecg.formats.npy_array import parse_int16
from ecg.formats.stated import Stated
from ecg.leads import STANDARD_LEADS
from ecg.record import EcgRecord

LEADS = ("I", "II", "V1")
STATED = Stated(500.0, LEADS, "mV")


def npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def wfdb_bytes(counts: np.ndarray, gain: str = "1000/mV") -> dict[str, bytes]:
    lines = [f"rec {len(counts)} 500 {counts.shape[1]}"]
    lines += [f"rec.dat 16 {gain} 16 0 0 0 0 {lead}" for lead in LEADS[: len(counts)]]
    return {"rec.hea": ("\n".join(lines) + "\n").encode(), "rec.dat": counts.T.astype("<i2").tobytes()}


COUNTS = st.integers(1, 50).flatmap(
    lambda n: st.lists(st.lists(st.integers(-32767, 32767), min_size=n, max_size=n), min_size=3, max_size=3)
)


@settings(deadline=None, max_examples=25)
@given(COUNTS)
def test_one_recording_in_every_format(rows: list[list[int]]) -> None:
    counts = np.array(rows, np.int16)
    signal = (counts / 1000).astype(np.float32)
    table = "# fs: 500 Hz\n# units: mV\ntime," + ",".join(LEADS) + "\n"
    table += "".join(
        f"{i / 500}," + ",".join(repr(float(x)) for x in column) + "\n" for i, column in enumerate(signal.T)
    )
    body = {"signal": signal.tolist(), "fs": 500, "lead_names": LEADS, "units": "mV"}
    records = [
        formats.parse({"x.npy": npy_bytes(signal)}, STATED),
        formats.parse({"x.npy": npy_bytes(np.asfortranarray(signal))}, STATED),
        formats.parse({"x.json": json.dumps(body).encode()}),
        formats.parse({"x.csv": table.encode()}),
    ]
    for record in records:
        assert np.array_equal(record.signal, signal)
        assert (record.leads, record.fs_hz, record.unit) == (LEADS, 500.0, "mV")
        assert record.sha256 == records[0].sha256
    # counts times 0.001 instead of counts over 1000: the last bit of a float32 may differ
    assert np.allclose(parse_int16(counts.astype("<i2").tobytes(), STATED, 0.001).signal, signal, rtol=2e-7)
    from_wfdb = formats.parse(wfdb_bytes(counts))
    assert np.allclose(from_wfdb.signal, signal, rtol=2e-7)
    assert from_wfdb.leads == LEADS


def read_or_refused(files: dict[str, bytes]) -> None:
    """Any other exception than a refusal fails the test."""
    with contextlib.suppress(EcgError):
        assert isinstance(formats.parse(files, STATED), EcgRecord)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400), st.sampled_from(["x.npy", "x.json", "x.csv", "x.hea", "upload"]))
def test_any_bytes_are_read_or_refused(data: bytes, name: str) -> None:
    read_or_refused({name: data})


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject) -> None:
    signal = np.zeros((3, 40), np.float32)
    whole = data.draw(
        st.sampled_from(
            [npy_bytes(signal), json.dumps({"signal": signal.tolist(), "fs": 500, "lead_names": LEADS}).encode()]
        )
    )
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + 1 :]
    read_or_refused({"upload": damaged})


def test_uncalibrated_wfdb_has_no_unit() -> None:
    for gain in ("0", "0/mV"):
        assert formats.parse(wfdb_bytes(np.ones((3, 20), np.int16), gain)).unit is None


def test_wfdb_without_units_is_millivolt_and_says_so() -> None:
    record = formats.parse(wfdb_bytes(np.full((3, 20), 2000), "2000"))
    assert record.unit == "mV"
    assert np.allclose(record.signal, 1)
    assert "mV" in record.notes[0]


def test_wfdb_invalid_samples_are_missing() -> None:
    counts = np.ones((3, 20), np.int16)
    counts[1, 5] = -32768
    record = formats.parse(wfdb_bytes(counts))
    assert np.isnan(record.signal).nonzero() == (np.array([1]), np.array([5]))


def test_a_statement_against_the_file_is_refused() -> None:
    with pytest.raises(InconsistentInput):
        formats.parse(wfdb_bytes(np.ones((3, 20), np.int16)), Stated(fs_hz=250.0))
    with pytest.raises(InconsistentInput):
        formats.parse(wfdb_bytes(np.ones((3, 20), np.int16)), Stated(leads=("I", "II", "V2")))


def test_nothing_is_guessed_for_an_array() -> None:
    data = {"x.npy": npy_bytes(np.zeros((3, 20)))}
    with pytest.raises(MalformedInput, match="sampling rate"):
        formats.parse(data, Stated(None, LEADS))
    with pytest.raises(MalformedInput, match="lead names"):
        formats.parse(data, Stated(500.0, None))
    assert formats.parse(data, Stated(500.0, LEADS)).unit is None


def test_read_stays_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "outside.dat").write_bytes(b"\0" * 120)
    folder = tmp_path / "records"
    folder.mkdir()
    for name, data in wfdb_bytes(np.ones((3, 20), np.int16)).items():
        (folder / name).write_bytes(data.replace(b"rec.dat", b"../outside.dat"))
    with pytest.raises(MalformedInput, match="outside its folder"):
        read(folder / "rec.hea")


def test_read_by_path_with_and_without_suffix(tmp_path: Path) -> None:
    for name, data in wfdb_bytes(np.ones((3, 20), np.int16)).items():
        (tmp_path / name).write_bytes(data)
    assert read(tmp_path / "rec.hea").sha256 == read(tmp_path / "rec").sha256


@pytest.mark.parametrize("name", ["Müller 1.csv", "_x.csv", "心电图.csv", "a&b.csv"])
def test_a_file_may_have_any_plain_name(name: str, tmp_path: Path) -> None:
    table = b"# fs: 500\nI\n1\n2\n"
    assert formats.parse({name: table}).leads == ("I",)
    (tmp_path / name).write_bytes(table)
    assert read(tmp_path / name).leads == ("I",)


@pytest.mark.parametrize("name", ["../x.csv", "a/x.csv", "a\\x.csv", ".x.csv", "x..csv", "x\n.csv", "\u202ex.csv", ""])
def test_an_upload_named_like_a_path_is_refused(name: str) -> None:
    with pytest.raises(MalformedInput, match="plain name"):
        formats.parse({name: b"# fs: 500\nI\n1\n2\n"})


def test_a_file_of_no_part_in_the_recording_is_refused_by_name() -> None:
    files = wfdb_bytes(np.ones((3, 20), np.int16))
    assert formats.parse(files).leads == LEADS
    for stranger in ("other.hea", "rec.atr", "second.csv"):
        with pytest.raises(MalformedInput, match=stranger):
            formats.parse(files | {stranger: files["rec.hea"]})
    with pytest.raises(MalformedInput, match=r"b\.npy"):
        formats.parse({"a.npy": npy_bytes(np.zeros((3, 20))), "b.npy": npy_bytes(np.zeros((3, 20)))}, STATED)


@pytest.mark.parametrize("unit", ["uV", "µV", "\u03bcV", " UV "])
def test_spellings_of_one_unit_agree(unit: str) -> None:
    table = "# fs: 500\n# units: µV\nI\n1000\n2000\n".encode()
    assert formats.parse({"x.csv": table}, Stated(unit=unit)).signal.tolist() == [[1.0, 2.0]]
    with pytest.raises(InconsistentInput):
        formats.parse({"x.csv": table}, Stated(unit="mV"))


@pytest.mark.shared
def test_every_shared_wfdb_record_is_read(shared: Path) -> None:
    paths = sorted(shared.glob("data/ludb/*.hea")) + sorted(shared.glob("data/cinc2021_sample/*.hea"))
    assert len(paths) == 128
    for path in paths:
        record = read(path)
        assert (record.leads, record.fs_hz, record.unit) == (STANDARD_LEADS, 500.0, "mV")
