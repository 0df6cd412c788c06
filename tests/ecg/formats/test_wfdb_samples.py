"""Signal files in every format: the samples that the `wfdb` package writes and reads."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import formats
from ecg.errors import EcgError, MalformedInput, UnusableRecording
from ecg.formats.wfdb_digital import open_digital
from ecg.formats.wfdb_header import read_header
from ecg.formats.wfdb_samples import frames_in, read_frames

BITS = {"80": 8, "212": 12, "16": 16, "61": 16, "24": 24, "32": 32, "508": 8, "516": 16, "524": 24}
LEADS = ["I", "II", "V1"]


def counts(fmt: str, n_samples: int = 401, n_signals: int = 3) -> np.ndarray:
    most = 2 ** (min(BITS[fmt], 24) - 1) - 1
    return np.random.default_rng(int(fmt)).integers(-most, most, (n_samples, n_signals))


def write(folder: Path, fmt: str, samples: np.ndarray) -> dict[str, bytes]:
    n = samples.shape[1]
    wfdb.wrsamp(
        "rec",
        250,
        ["mV"] * n,
        LEADS[:n],
        d_signal=samples,
        fmt=[fmt] * n,
        adc_gain=[1000.0] * n,
        baseline=[7] * n,
        write_dir=str(folder),
    )
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("fmt", [fmt for fmt in BITS if fmt != "61"])  # wfdb cannot write format 61
def test_every_format_that_wfdb_writes_is_read(fmt: str, tmp_path: Path) -> None:
    samples = counts(fmt)
    files = write(tmp_path, fmt, samples)
    record = formats.parse(files)
    assert np.array_equal(record.signal, ((samples.T - 7) / 1000).astype(np.float32))
    digital = open_digital(tmp_path / "rec.hea")
    ((first, block),) = digital.blocks(100, 300)
    assert first == 100
    assert np.array_equal(block, samples[100:300])


@pytest.mark.parametrize("fmt", ["160", "310", "311"])
def test_formats_that_wfdb_only_reads(fmt: str, tmp_path: Path) -> None:
    data = np.random.default_rng(int(fmt)).bytes(1200)
    if fmt == "311":
        data = (np.frombuffer(data, "<u4") & 0x3FFFFFFF).tobytes()  # wfdb 4.3 takes the two bits that are not used
    lines = ["rec 3 250 200", *(f"rec.dat {fmt} 1000(7)/mV 16 0 0 0 0 {lead}" for lead in LEADS)]
    (tmp_path / "rec.hea").write_text("\n".join(lines) + "\n")
    (tmp_path / "rec.dat").write_bytes(data)
    theirs = wfdb.rdrecord(str(tmp_path / "rec")).p_signal.T.astype(np.float32)
    assert np.array_equal(formats.read(tmp_path / "rec.hea").signal, theirs, equal_nan=True)


def test_format_61_is_16_with_the_bytes_exchanged() -> None:
    samples = counts("61")
    lines = ["rec 3 250 401", *(f"rec.dat 61 1000(7)/mV 16 0 0 0 0 {lead}" for lead in LEADS)]
    record = formats.parse({"rec.hea": "\n".join(lines).encode(), "rec.dat": samples.astype(">i2").tobytes()})
    assert np.array_equal(record.signal, ((samples.T - 7) / 1000).astype(np.float32))


def test_format_8_adds_differences_to_the_initial_value(tmp_path: Path) -> None:
    steps = np.random.default_rng(8).integers(-128, 128, (500, 2)).astype(np.int8)
    lines = ["rec 2 250 500", "rec.dat 8 200/mV 12 0 30 0 0 I", "rec.dat 8 200/mV 12 0 -4 0 0 II"]
    (tmp_path / "rec.hea").write_text("\n".join(lines) + "\n")
    (tmp_path / "rec.dat").write_bytes(steps.tobytes())
    expected = np.cumsum(steps, axis=0, dtype=np.int64) + np.array([30, -4])
    assert np.array_equal(formats.read(tmp_path / "rec.hea").signal, (expected.T / 200).astype(np.float32))
    ((_, block),) = open_digital(tmp_path / "rec.hea").blocks(250, 400)
    assert np.array_equal(block, expected[250:400])


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["8", "16", "24", "32", "61", "80", "160", "212", "310", "311"]),
    st.binary(max_size=60),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 4),
)
def test_any_window_of_any_bytes_is_the_same_window_of_the_whole(
    fmt: str, data: bytes, n_signals: int, per_frame: int, offset: int
) -> None:
    lines = [f"r {n_signals} 250", *([f"r.dat {fmt}x{per_frame}+{offset} 200 12"] * n_signals)]
    group = read_header("\n".join(lines).encode()).signals
    frames = frames_in(data, group)
    whole = read_frames(data, group, 0, frames)
    assert [len(row) for row in whole] == [frames * per_frame] * n_signals
    with pytest.raises(MalformedInput, match="shorter"):
        read_frames(data, group, 0, frames + 1)
    for start in range(frames if fmt != "8" else 0):
        for row, part in zip(whole, read_frames(data, group, start, frames), strict=True):
            assert np.array_equal(row[start * per_frame :], part)


@pytest.mark.parametrize("fmt", ["16", "212", "24"])
def test_skewed_signals_are_moved_and_end_in_gaps(fmt: str, tmp_path: Path) -> None:
    samples = counts(fmt)
    files = write(tmp_path, fmt, samples)
    header = files["rec.hea"].decode().splitlines()
    header[2] = header[2].replace(f" {fmt} ", f" {fmt}:5 ", 1)
    (tmp_path / "rec.hea").write_text("\n".join(header) + "\n")
    record = formats.read(tmp_path / "rec.hea")
    expected = (samples.T - 7) / 1000
    assert np.allclose(record.signal[0], expected[0])
    assert np.allclose(record.signal[1, :-5], expected[1, 5:])
    assert np.isnan(record.signal[1, -5:]).all()
    ((_, block),) = open_digital(tmp_path / "rec.hea").blocks(390, 401)
    assert block[:, 1].tolist() == [*samples[395:, 1], *[-32768] * 5]


@pytest.mark.parametrize("count", ["0", ""])
def test_a_header_without_a_length_takes_what_the_file_holds(count: str, tmp_path: Path) -> None:
    samples = counts("212")
    files = write(tmp_path, "212", samples)
    (tmp_path / "rec.hea").write_bytes(files["rec.hea"].replace(b"250 401", f"250 {count}".encode()))
    assert formats.read(tmp_path / "rec.hea").n_samples == 401
    assert open_digital(tmp_path / "rec.hea").n_samples == 401


def test_a_file_without_any_chosen_signal_need_not_be_there() -> None:
    lines = [b"rec 2 250 300", b"rec.dat 16 1000/mV 16 0 0 0 0 II", b"rec.xyz 16 1000/mmHg 16 0 0 0 0 ABP"]
    record = formats.parse({"rec.hea": b"\n".join(lines), "rec.dat": bytes(600)})
    assert record.leads == ("II",)
    with pytest.raises(MalformedInput, match=r"rec\.hea needs rec\.dat"):
        formats.parse({"rec.hea": b"\n".join(lines), "rec.xyz": bytes(600)})


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(UnusableRecording, match="format 17") as refused:
        formats.parse({"rec.hea": b"rec 1 250 300\nrec.dat 17 1000 16\n", "rec.dat": bytes(600)})
    assert 212 in refused.value.expected  # type: ignore[operator]


def test_wfdb_reads_the_same_of_damaged_headers_or_we_refuse(tmp_path: Path) -> None:
    """Seeded damage to a header: what is read here must be what `wfdb` reads, where that reads it at all."""
    rng = np.random.default_rng(17)
    samples = counts("212")
    whole = write(tmp_path, "212", samples)["rec.hea"]
    compared = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(damaged))] = rng.choice(list(b" 0123456789./()xX:+-#eE\t_"))
        (tmp_path / "rec.hea").write_bytes(damaged)
        try:
            record = formats.read(tmp_path / "rec.hea")
            theirs = wfdb.rdrecord(str(tmp_path / "rec"))
        except EcgError:
            continue
        except Exception:  # noqa: BLE001  wfdb raises what it likes
            continue
        compared += 1
        for lead, row in zip(record.leads, record.signal, strict=True):
            names = [name or "" for name in theirs.sig_name]
            if record.unit == "mV" and lead in names and theirs.units[names.index(lead)] == "mV":
                theirs_row = theirs.p_signal[: record.n_samples, names.index(lead)].astype(np.float32)
                assert np.array_equal(row, theirs_row, equal_nan=True), bytes(damaged)
    assert compared > 50
