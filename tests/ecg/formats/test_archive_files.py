"""HDF5, MATLAB 7.3, zip and CardioAI files: the right recording, and bounds before decoding."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecg import formats, read
from ecg.errors import InconsistentInput, InputTooLarge, MalformedInput, UnknownFormat, UnusableRecording
from ecg.formats.stated import Stated
from ecg.leads import STANDARD_LEADS
from tests.ecg.formats import archive_files as made
from tests.ecg.formats import device_files
from tests.ecg.formats.test_mutations import wfdb_files

RNG = np.random.default_rng(5)
MANY = np.round(RNG.normal(0, 0.3, (6, 1024, 12)), 3).astype(np.float32)
STATED = Stated(400.0, STANDARD_LEADS, "mV", 4)


@pytest.mark.parametrize(
    "storage",
    [{}, {"chunks": (2, 512, 5)}, {"compression": "gzip", "shuffle": True, "fletcher32": True}],
    ids=["plain", "chunks", "filters"],
)
def test_one_of_many_recordings_is_read_by_its_number(storage: dict[str, object]) -> None:
    data = made.hdf5({"tracings": MANY}, **storage)
    record = formats.parse({"part0.hdf5": data}, STATED)
    assert np.array_equal(record.signal, MANY[4].T)
    assert (record.name, record.format, record.fs_hz) == ("part0#4", "hdf5", 400)


def test_a_file_of_many_needs_the_number_of_one() -> None:
    data = made.hdf5({"tracings": MANY})
    for index in (None, 6, -1):
        with pytest.raises(MalformedInput, match="recording"):
            formats.parse({"x.hdf5": data}, Stated(400.0, STANDARD_LEADS, "mV", index))


def test_one_recording_in_a_file_as_sph_has_it(tmp_path: Path) -> None:
    samples = MANY[0].T.astype(np.float16)
    path = tmp_path / "A00001.h5"
    path.write_bytes(made.hdf5({"ecg": samples}, compression="gzip"))
    record = read(path, fs_hz=500, leads=STANDARD_LEADS, unit="mV")
    assert np.array_equal(record.signal, samples.astype(np.float32))
    with pytest.raises(MalformedInput, match="not stated"):
        read(path, fs_hz=500)


def test_zeros_that_fill_a_recording_up_are_cut_off() -> None:
    padded = MANY.copy()
    padded[2, :200] = padded[2, -300:] = 0
    record = formats.parse({"x.hdf5": made.hdf5({"tracings": padded})}, Stated(400.0, STANDARD_LEADS, "mV", 2))
    assert np.array_equal(record.signal, MANY[2, 200:-300].T)
    assert "500 zeros" in record.notes[0]


def test_matlab_7_3_is_read_as_matlab() -> None:
    samples = MANY[0].T.astype(np.float64)
    record = formats.parse({"x.mat": made.mat73(val=samples)}, Stated(500.0, STANDARD_LEADS, "mV"))
    assert (record.format, record.signal.shape) == ("matlab", (12, 1024))
    assert np.allclose(record.signal, samples)


def test_links_out_of_an_hdf5_file_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h5"
    secret.write_bytes(made.hdf5({"ecg": MANY[0].T}))
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["ecg"] = h5py.ExternalLink(str(secret), "ecg")
    with pytest.raises(UnusableRecording, match="no matrix"):
        formats.parse({"x.h5": stream.getvalue()}, Stated(500.0, STANDARD_LEADS))


def test_samples_outside_an_hdf5_file_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(MANY[0].tobytes())
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("ecg", (12, 1024), "f4", external=[(str(tmp_path / "raw"), 0, 12 * 1024 * 4)])
    with pytest.raises(UnusableRecording, match="stored in a way"):
        formats.parse({"x.h5": stream.getvalue()}, Stated(500.0, STANDARD_LEADS))


def test_an_hdf5_chunk_that_inflates_beyond_its_size_is_refused() -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        array = file.create_dataset("ecg", (12, 1000), "f4", chunks=(12, 1000), compression="gzip")
        import zlib

        array.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**26)))
    with pytest.raises(MalformedInput, match="damaged"):
        formats.parse({"x.h5": stream.getvalue()}, Stated(500.0, STANDARD_LEADS))


RECORD = {f"folder/{name}": data for name, data in wfdb_files("16").items()}


def test_a_zip_file_of_one_recording() -> None:
    plain = formats.parse(wfdb_files("16"))
    data = made.zipped(RECORD | {"folder/rec.atr": b"x", "folder/README.txt": b"x", "__MACOSX/rec.hea": b"x"})
    for name in ("x.zip", "upload"):
        record = formats.parse({name: data})
        assert record.sha256 == plain.sha256
    single = made.zipped({"a.xml": device_files.muse_xml(device_files.counts())})
    assert formats.parse({"x.zip": single}).format == "muse-xml"


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({}, UnusableRecording),
        ({"a.hea": b"a", "b.hea": b"b"}, UnusableRecording),
        ({"a/rec.hea": b"a", "b/rec.hea": b"b"}, MalformedInput),
        ({"inner.zip": made.zipped(RECORD)}, UnusableRecording),
        ({f"{i}.dat": b"" for i in range(100)}, InputTooLarge),
        ({"zeros.npy": bytes(2**27 + 1)}, InputTooLarge),
        ({"word/document.xml": b"<w/>"}, UnknownFormat),
    ],
    ids=["empty", "two", "one name twice", "nested", "many", "bomb", "document"],
)
def test_other_zip_files_are_refused(files: dict[str, bytes], error: type[Exception]) -> None:
    with pytest.raises(error):
        formats.parse({"x.zip": made.zipped(files)})


def test_a_zip_file_with_a_nameless_member_is_refused() -> None:
    data = made.zipped({"x": b"1"})
    at = data.index(b"PK\x01\x02")
    nameless = data[:at] + data[at : at + 28] + b"\0\0" + data[at + 30 : at + 46] + data[at + 47 :]
    nameless = nameless.replace((47).to_bytes(4, "little"), (46).to_bytes(4, "little"))  # the directory is shorter now
    with pytest.raises(UnusableRecording, match="0 recordings"):
        formats.parse({"x.zip": nameless})


def test_a_zip_file_that_lies_about_its_sizes_is_refused() -> None:
    data = made.zipped({"x.npy": bytes(2**22)})
    size = (2**22).to_bytes(4, "little")
    lying = data.replace(size, (100).to_bytes(4, "little"))
    assert lying != data
    with pytest.raises(MalformedInput):
        formats.parse({"x.zip": lying})


def test_other_compressions_and_passwords_are_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", b"x" * 1000)
    with pytest.raises(UnusableRecording, match="deflated"):
        formats.parse({"x.zip": stream.getvalue()})


COUNTS = device_files.counts()


def test_a_message_is_calibrated_as_it_states() -> None:
    counts = COUNTS.copy()
    counts[1, 7] = -32768
    record = formats.parse({"x.json": made.cardioai(counts, device_files.LEADS8)})
    assert record.unit == "mV"
    assert np.isnan(record.signal[1, 7])
    assert record.notes == ("1 samples were sent as invalid.",)


def test_a_message_of_version_1_has_no_rate_and_no_unit() -> None:
    data = made.cardioai(COUNTS, device_files.LEADS8, version=1)
    with pytest.raises(MalformedInput, match="sampling rate is not stated"):
        formats.parse({"x.json": data})
    assert formats.parse({"x.json": data}, Stated(500.0)).unit is None
    with pytest.raises(InconsistentInput, match="ADC values"):
        formats.parse({"x.json": data}, Stated(500.0, unit="mV"))


def test_one_part_of_several_is_no_recording() -> None:
    with pytest.raises(UnusableRecording, match="part 1 of 3"):
        formats.parse({"x.json": made.cardioai(COUNTS, device_files.LEADS8, sequence=3)})
