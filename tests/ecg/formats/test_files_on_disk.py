"""Files as they lie on a disk: too large, empty, no file at all, or one recording where another was asked for."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ecg import formats, read
from ecg.errors import InputTooLarge, MalformedInput, UnknownFormat, UnusableRecording
from ecg.formats.table import FORMATS
from tests.ecg.formats import device_files as made
from tests.ecg.formats.every_format import samples


@pytest.mark.parametrize("name", ["huge.mat", "huge.csv", "huge.edf"])
def test_a_file_larger_than_any_recording_is_refused_before_it_is_read(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(6 * 2**30)  # without taking any room
    with pytest.raises(InputTooLarge):
        read(tmp_path / name)


@pytest.mark.parametrize("ending", [ending for reader in FORMATS for ending in reader.endings])
def test_an_empty_file_of_any_ending_is_said_to_be_empty(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{ending}"
    path.touch()
    with pytest.raises(MalformedInput, match="is empty"):
        read(path)
    with pytest.raises(MalformedInput, match="is empty"):
        formats.parse({path.name: b""})


def test_a_pointer_of_git_lfs_is_said_to_be_one() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n"
    for name in ("x.dat", "x.mat", "x.edf", "x.csv"):
        with pytest.raises(UnknownFormat, match="git lfs pull"):
            formats.parse({name: pointer})


@pytest.mark.parametrize("ending", [".h5", ".hea", ".csv", ".zip", ""])
def test_a_pipe_is_refused_and_not_waited_for(ending: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"x{ending}")
    with pytest.raises(UnusableRecording, match="regular file"):
        read(tmp_path / f"x{ending}")


@pytest.mark.parametrize("name", ["dicom", "edf", "matlab", "npy", "csv", "json", "wfdb"])
def test_a_number_or_variable_is_refused_where_there_is_one_recording(name: str) -> None:
    sample = samples(made.counts())[name]
    assert formats.parse(sample.files, replace(sample.stated, index=0)).n_samples > 0
    for stated in (replace(sample.stated, index=3), replace(sample.stated, variable="raw")):
        with pytest.raises(MalformedInput, match=r"one recording|MATLAB and HDF5|no matrix of this name"):
            formats.parse(sample.files, stated)
