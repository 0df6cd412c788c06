"""HDF5 files of the public archives (CODE-15, SPH) and MATLAB 7.3: one array of samples, or one of many by its number.

The library finds the array; `ecg.formats.hdf5_storage` decodes its samples. Links to other files are not followed.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ecg.errors import EcgError, MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import DeviceFile, record_of
from ecg.formats.hdf5_storage import Decoder, is_text, members, what_stands_beside
from ecg.formats.matrix_file import chosen, stands_beside
from ecg.formats.stated import Stated
from ecg.formats.xml_tree import missing_extra
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "hdf5"
ENDINGS = (".h5", ".hdf5")
SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LEAST_PADDING_S = 0.1


def claims(name: str, head: bytes) -> bool:
    """Whether the name or the first bytes say HDF5, MATLAB's kind apart."""
    return (name.endswith(ENDINGS) or head.startswith(SIGNATURE)) and not name.endswith(".mat")


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The recording in a file in memory; see `read_stream`."""
    return read_stream(io.BytesIO(files[main]), main, stated, max_duration_s)


def read_stream(stream: BinaryIO, main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The recording `stated.index` of an array [recording, sample, lead], or the only one, read from a seekable stream.

    Variables and attributes such as ``fs``, ``units`` and ``leads`` say what was not stated, and must not contradict
    it. Zeros in all leads at the ends of a recording of such an array, which fill it up to the common length, are cut
    off, with a note. Raises `MalformedInput`, `InconsistentInput`, `UnusableRecording`, `InputTooLarge`.
    """
    with _opened(stream) as (h5py, file):
        arrays = _arrays(h5py, file)
        beside = what_stands_beside(h5py, file, arrays.values())
        stated = beside.settled(stated)
        array = arrays[chosen({name: item.shape for name, item in arrays.items()}, stated)]
        number, count = _number(array, stated.index)
        samples = Decoder(stream, array).samples(number)
    leads = stated.settle_leads(None)
    if samples.shape[0] != len(leads):
        samples = samples.T
    if samples.shape[0] != len(leads):
        raise MalformedInput("The array has another number of rows.", "lead_names", len(leads), list(samples.shape))
    notes = [*beside.notes(stated.unit)]
    if count is not None:
        main = f"{PurePosixPath(main).stem}#{number}.hdf5"
        first, last = _without_padding(samples, stated.fs_hz)
        if last - first < samples.shape[1]:
            notes.append(f"{samples.shape[1] - last + first} zeros before and after the recording are cut off.")
            samples = samples[:, first:last]
    channels = [Channel(lead, stated.unit, 1.0) for lead in leads]
    origin = Origin(identifying=beside.identifying) if beside.identifying else None
    found = DeviceFile(NAME, channels, None, samples.shape[1], lambda i: samples[i], origin, notes)
    return record_of(found, main, stated, max_duration_s)


def count_of(stream: BinaryIO) -> int | None:
    """How many recordings the file holds in arrays of many; None for one. Raises what `read_stream` raises."""
    with _opened(stream) as (h5py, file):
        counts = {int(array.shape[0]) for array in _arrays(h5py, file).values() if array.ndim == 3}
        if len(counts) > 1:
            raise UnusableRecording("Arrays of the file hold different numbers of recordings.", "signal", "one", None)
        return counts.pop() if counts else None


def identifiers_of(stream: BinaryIO, names: Sequence[str]) -> list[str] | None:
    """What the file calls its recordings, in order: the first array of one of these names; None without any."""
    count = count_of(stream)
    with _opened(stream) as (h5py, file):
        for name in names:
            item = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
            if isinstance(item, h5py.Dataset) and item.shape == (count,) and item.dtype.kind in "iu":
                return [str(number) for number in item[()].tolist()]
    return None


@contextmanager
def _opened(stream: BinaryIO) -> Iterator[tuple[Any, Any]]:
    """The library and the file; whatever the library raises is a refusal."""
    try:
        import h5py
    except ImportError:
        raise missing_extra("HDF5") from None
    try:
        with h5py.File(stream, "r") as file:
            yield h5py, file
    except EcgError:
        raise
    except Exception:  # noqa: BLE001  h5py raises what its parsers meet
        raise MalformedInput("Not an HDF5 file that can be read.", "file", "HDF5", None) from None


def _arrays(h5py: Any, file: Any) -> dict[str, Any]:
    """The numeric arrays of two or three dimensions by name, of the file and of its groups."""
    arrays = (item for item in members(h5py, file) if isinstance(item, h5py.Dataset) and item.ndim in (2, 3))
    numbers = (item for item in arrays if item.dtype.kind in "iuf" and item.size > 1 and not is_text(item))
    return {item.name: item for item in numbers if not stands_beside(item.name)}


def _number(array: Any, index: int | None) -> tuple[int, int | None]:
    """Which recording of the array is read, and how many there are; None for an array of one recording."""
    if array.ndim == 2:
        if index not in (None, 0):
            raise MalformedInput("The file holds one recording.", "index", 0, index)
        return 0, None
    count = int(array.shape[0])
    if index is None and count != 1:
        raise MalformedInput(
            "The file holds many recordings; state the number of one.", "index", f"0 to {count - 1}", None
        )
    number = index or 0
    if not 0 <= number < count:
        raise MalformedInput("The file has no recording of this number.", "index", f"0 to {count - 1}", index)
    return number, count


def _without_padding(samples: NDArray[Any], fs_hz: float | None) -> tuple[int, int]:
    """First and last sample of a recording [lead, sample] without the zeros at its ends; all of it for short ones."""
    there = np.flatnonzero((samples != 0).any(axis=0))
    n_samples = samples.shape[1]
    if not len(there):
        return 0, n_samples
    least = _LEAST_PADDING_S * (fs_hz or 0)
    first, last = int(there[0]), int(there[-1]) + 1
    return first if first > least else 0, last if n_samples - last > least else n_samples
