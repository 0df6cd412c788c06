"""HDF5, MATLAB 7.3, zip and CardioAI files, for the tests."""

import io
import json
import zipfile

import h5py
import numpy as np


def hdf5(arrays: dict[str, np.ndarray], userblock: int = 0, **storage: object) -> bytes:
    """An HDF5 file of these arrays; `storage` goes to h5py."""
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=userblock) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **storage)
    return stream.getvalue()


def mat73(**arrays: np.ndarray) -> bytes:
    """A MATLAB 7.3 file: HDF5 behind a header of 512 bytes, matrices transposed."""
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    data = hdf5({name: array.T for name, array in arrays.items()}, userblock=512, compression="gzip")
    return text + data[128:]


def zipped(files: dict[str, bytes]) -> bytes:
    """A deflated zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def cardioai(counts: np.ndarray, leads: tuple[str, ...], sequence: int = 1, version: int = 2, **known: object) -> bytes:
    """A CardioAI message of ADC values at 500 Hz, 400 counts a millivolt, as version 2 states them."""
    calibration = {
        "fs": 500,
        "gain": [400] * len(leads),
        "baseline": [0] * len(leads),
        "units": ["mV"] * len(leads),
        "acquired": "2020-11-28T10:20:30",
    } | known
    payload = {
        "deviceId": "Zebedeus",
        "customerId": "Zebedeus",
        "sequenceId": "s1",
        "sequence": sequence,
        "index": 1,
        "headers": ",".join(["INDEX", *leads]),
        "data": [",".join(map(str, (i, *column))) for i, column in enumerate(counts.T.tolist())],
        "recordId": "r1",
        "created": 1,
        **(calibration if version == 2 else {}),
    }
    message = {
        "originId": "o",
        "messageId": "m",
        "originCode": "clinical",
        "deviceCode": "d",
        "messageType": "cardioai.ekg.data",
        "messageVersion": version,
        "payload": payload,
        "created": 1,
    }
    return json.dumps(message).encode()
