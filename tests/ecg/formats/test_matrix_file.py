"""MATLAB and HDF5 files of several matrices, and of variables that say what the samples are."""

import io
from collections.abc import Callable

import h5py
import numpy as np
import pytest
import scipy.io

from ecg import formats
from ecg.errors import InconsistentInput, MalformedInput, UnusableRecording
from ecg.formats.stated import Stated
from ecg.leads import STANDARD_LEADS
from tests.ecg.formats import archive_files

RAW = np.round(np.random.default_rng(3).normal(0, 0.3, (12, 1000)), 3)
FILTERED = RAW * 0.5
STATED = Stated(500.0, STANDARD_LEADS, "mV")


def matlab(variables: dict[str, object]) -> dict[str, bytes]:
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables)
    return {"x.mat": stream.getvalue()}


def hdf5(variables: dict[str, object]) -> dict[str, bytes]:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, value in variables.items():
            if isinstance(value, np.ndarray) and value.dtype == object:
                file.create_dataset(name, data=[str(text) for text in value])
            else:
                file[name] = value
    return {"x.h5": stream.getvalue()}


def hdf5_attributes(variables: dict[str, object]) -> dict[str, bytes]:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        arrays = {name: value for name, value in variables.items() if np.ndim(value) == 2}
        for name, value in arrays.items():
            file[f"group/{name}"] = value
        for name, value in variables.items():
            if name not in arrays:
                found = [str(text) for text in value] if isinstance(value, np.ndarray) else value
                file["group"].attrs[name] = found
    return {"x.h5": stream.getvalue()}


WRITERS = pytest.mark.parametrize("write", [matlab, hdf5, hdf5_attributes])
Write = Callable[[dict[str, object]], dict[str, bytes]]


@WRITERS
def test_of_two_matrices_none_is_taken_without_its_name(write: Write) -> None:
    files = write({"raw": RAW, "filtered": FILTERED})
    with pytest.raises(UnusableRecording, match=r"2 matrices .*(raw.*filtered|filtered.*raw)"):
        formats.parse(files, STATED)
    found = formats.parse(files, Stated(500.0, STANDARD_LEADS, "mV", variable="filtered"))
    assert np.array_equal(found.signal, FILTERED.astype(np.float32))
    with pytest.raises(MalformedInput, match="no matrix of this name"):
        formats.parse(files, Stated(500.0, STANDARD_LEADS, "mV", variable="median"))


@WRITERS
def test_a_matrix_of_another_shape_is_no_rival(write: Write) -> None:
    files = write({"val": RAW, "peaks": np.arange(40.0).reshape(20, 2), "time": np.arange(12.0)[:, None] * np.ones(2)})
    assert formats.parse(files, STATED).n_samples == 1000


def test_the_table_of_many_recordings_is_no_rival() -> None:
    many = np.stack([RAW.T] * 12).astype(np.float32)
    files = {"x.h5": archive_files.hdf5({"tracings": many, "labels": np.zeros((12, 12))})}
    assert formats.parse(files, Stated(500.0, STANDARD_LEADS, "mV", 3)).n_samples == 1000


@WRITERS
def test_variables_say_what_was_not_stated(write: Write) -> None:
    names = np.array(STANDARD_LEADS, dtype=object)
    record = formats.parse(write({"val": RAW * 1000, "fs": 500.0, "units": "uV", "leads": names}))
    assert (record.fs_hz, record.unit, record.leads) == (500, "mV", STANDARD_LEADS)
    assert np.allclose(record.signal, RAW, atol=1e-6)


@WRITERS
@pytest.mark.parametrize(
    "said",
    [
        {"fs": 250.0},
        {"Sampling_Rate": 1000},
        {"sfreq": "250 Hz"},
        {"units": "uV"},
        {"unit": "counts"},
        {"lead_names": np.array([*STANDARD_LEADS[1:], "I"], dtype=object)},
        {"fs": 500.0, "sampling_frequency": 400.0},
        {"fs": np.array([[500.0, 500.0, 250.0]])},
        {"units": np.array([*["mV"] * 11, "uV"], dtype=object)},
    ],
    ids=str,
)
def test_variables_that_contradict_what_was_stated_are_refused(write: Write, said: dict[str, object]) -> None:
    with pytest.raises(InconsistentInput):
        formats.parse(write({"val": RAW, **said}), STATED)


def test_texts_of_matlab_7_3_are_numbers_of_letters() -> None:
    letters = np.array([[ord(letter)] for letter in "uV"], np.uint16)
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["val"] = RAW
        file["units"] = letters
        file["units"].attrs["MATLAB_class"] = np.bytes_("char")
    with pytest.raises(InconsistentInput, match="unit"):
        formats.parse({"x.h5": stream.getvalue()}, STATED)


@WRITERS
def test_texts_beside_the_samples_are_said_and_not_repeated(write: Write) -> None:
    origin = formats.parse(write({"val": RAW, "patient": "Zebedeus", "fs": 500.0}), STATED).origin
    assert origin is not None
    assert origin.identifying == ("texts beside the samples",)
    assert "Zebedeus" not in repr(origin)


@WRITERS
def test_a_gain_beside_the_samples_is_noted_because_it_is_not_applied(write: Write) -> None:
    assert formats.parse(write({"val": RAW, "gain": 200.0, "baseline": 0.0}), STATED).notes == (
        "Variables that are not applied to the samples: gain.",
    )


@WRITERS
@pytest.mark.parametrize(
    "scale", [{"gain": 200.0}, {"ADC_gain": np.full((12, 1), 200.0)}, {"baseline": 1024.0}], ids=str
)
def test_the_unit_of_a_file_is_not_taken_beside_a_gain_that_is_not_applied(
    write: Write, scale: dict[str, object]
) -> None:
    names = np.array(STANDARD_LEADS, dtype=object)
    files = write({"val": np.rint(RAW * 200), "fs": 500.0, "units": "mV", "leads": names, **scale})
    record = formats.parse(files)
    assert record.unit is None
    assert "--units" in record.notes[0]
    assert formats.parse(files, Stated(unit="mV")).unit == "mV"
    with pytest.raises(InconsistentInput):
        formats.parse(files, Stated(unit="uV"))


@WRITERS
def test_a_gain_of_one_leaves_the_unit_of_the_file(write: Write) -> None:
    names = np.array(STANDARD_LEADS, dtype=object)
    record = formats.parse(
        write({"val": RAW, "fs": 500.0, "units": "mV", "leads": names, "gain": 1.0, "baseline": 0.0})
    )
    assert (record.unit, record.notes) == ("mV", ())


@WRITERS
def test_a_bare_frequency_is_no_sampling_rate(write: Write) -> None:
    names = np.array(STANDARD_LEADS, dtype=object)
    files = write({"val": RAW, "frequency": 150.0, "leads": names})
    with pytest.raises(MalformedInput, match="sampling rate is not stated"):
        formats.parse(files)
    assert formats.parse(files, Stated(500.0)).fs_hz == 500


@WRITERS
@pytest.mark.parametrize("stated", [Stated(), STATED])
def test_a_variable_for_each_lead_is_refused_with_what_to_do(write: Write, stated: Stated) -> None:
    files = write({"fs": 500.0, **{lead: RAW[i : i + 1] for i, lead in enumerate(STANDARD_LEADS)}})
    with pytest.raises(UnusableRecording, match="put them into one matrix"):
        formats.parse(files, stated)


def test_gains_and_peaks_are_no_matrices_of_samples() -> None:
    beside = {"gain": np.full((12, 1), 2.0), "R_peak": np.arange(12.0)[:, None], "fs": np.full((12, 1), 500.0)}
    for write in (matlab, hdf5):
        record = formats.parse(write({"val": RAW, **beside}), STATED)
        assert (record.n_samples, record.fs_hz) == (1000, 500)
        with pytest.raises(UnusableRecording, match="no matrix"):
            formats.parse(write({"R_peak": np.arange(12.0)[:, None]}), Stated(500.0, ("II",), "mV"))


def test_empty_attributes_are_no_matter() -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["val"] = RAW
        file["val"].attrs["description"] = h5py.Empty("S10")
        file.attrs["fs"] = h5py.Empty("f8")
        file["nothing"] = h5py.Empty("f8")
    assert formats.parse({"x.h5": stream.getvalue()}, STATED).n_samples == 1000
