"""A file that carries checksums is held against them: damaged samples are refused, damaged texts are left out."""

import base64
import binascii
import io
import re
import struct
import zlib

import h5py
import numpy as np
import pytest
import scipy.io

from ecg import formats
from ecg.errors import MalformedInput
from ecg.formats.stated import Stated
from ecg.leads import STANDARD_LEADS
from tests.ecg.formats import device_files as made

COUNTS = made.counts()
SAMPLES = np.round(np.random.default_rng(3).normal(0, 0.3, (12, 1001)), 3).astype(np.float32)
STATED = Stated(500.0, STANDARD_LEADS, "mV")


def scp_with_sums(data: bytes) -> bytearray:
    """The file with the sum of each section and of the whole."""
    out = bytearray(data)
    (length,) = struct.unpack_from("<I", out, 10)
    for at in range(22, 6 + length - 9, 10):
        _, size, place = struct.unpack_from("<HII", out, at)
        if size > 16:
            struct.pack_into("<H", out, place - 1, binascii.crc_hqx(out[place + 1 : place - 1 + size], 0xFFFF))
    struct.pack_into("<H", out, 6, binascii.crc_hqx(out[8 : 6 + length], 0xFFFF))
    struct.pack_into("<H", out, 0, binascii.crc_hqx(out[2:], 0xFFFF))
    return out


def section(data: bytes, number: int) -> int:
    """Where a section begins."""
    return next(
        struct.unpack_from("<I", data, at + 6)[0] - 1
        for at in range(22, 142, 10)
        if struct.unpack_from("<H", data, at)[0] == number
    )


def test_an_scp_file_with_right_sums_is_read() -> None:
    record = formats.parse({"x.scp": bytes(scp_with_sums(made.scp(COUNTS)))})
    assert not [note for note in record.notes if "checksum" in note]
    assert record.sha256 == formats.parse({"x.scp": made.scp(COUNTS)}).sha256


@pytest.mark.parametrize("number", [2, 3, 6])
def test_an_scp_section_of_samples_that_does_not_fit_is_refused(number: int) -> None:
    data = scp_with_sums(made.scp(COUNTS))
    data[section(data, number) + 40 if number == 6 else section(data, number) + 17] ^= 4
    with pytest.raises(MalformedInput, match=f"Section {number} .* checksum"):
        formats.parse({"x.scp": bytes(data)})


def test_an_scp_section_of_texts_that_does_not_fit_is_left_out() -> None:
    data = scp_with_sums(made.scp(COUNTS))
    data[section(data, 7) + 25] ^= 4
    record = formats.parse({"x.scp": bytes(data)})
    assert record.origin is not None
    assert record.origin.measurements == {}
    assert "Section 7 of the SCP-ECG file does not fit its checksum and is not read." in record.notes


def test_an_scp_file_whose_only_sum_is_the_whole_one_is_held_against_it() -> None:
    data = bytearray(made.scp(COUNTS))
    struct.pack_into("<H", data, 0, binascii.crc_hqx(data[2:], 0xFFFF))
    assert formats.parse({"x.scp": bytes(data)}).n_samples == 600
    data[section(data, 6) + 40] ^= 4
    with pytest.raises(MalformedInput, match="checksum"):
        formats.parse({"x.scp": bytes(data)})


def muse_with_sums(damage: int = 0, form: str = "{}") -> bytes:
    """The document with the sum of each lead; of the first lead, `damage` is added to it."""

    def summed(found: re.Match[bytes]) -> bytes:
        nonlocal damage
        value, damage = zlib.crc32(base64.b64decode(found[1])) + damage, 0
        return f"<LeadDataCRC32>{form.format(value)}</LeadDataCRC32>".encode() + found[0]

    head, mark, rhythm = made.muse_xml(COUNTS).partition(b"<WaveformType>Rhythm")
    return head + mark + re.sub(rb"<WaveFormData>([^<]*)</WaveFormData>", summed, rhythm)


def test_muse_samples_that_do_not_fit_their_sum_are_refused() -> None:
    plain = formats.parse({"x.xml": made.muse_xml(COUNTS)})
    assert formats.parse({"x.xml": muse_with_sums()}).sha256 == plain.sha256
    assert formats.parse({"x.xml": muse_with_sums(-(2**32))}).sha256 == plain.sha256  # written as a signed number
    for data in (muse_with_sums(1), muse_with_sums(form="x{}")):
        with pytest.raises(MalformedInput, match="LeadDataCRC32"):
            formats.parse({"x.xml": data})


@pytest.mark.parametrize("storage", [{}, {"compression": "gzip", "shuffle": True}], ids=["plain", "deflated"])
@pytest.mark.parametrize("chunk", [(12, 1001), (5, 333), (1, 1001)])
def test_an_hdf5_chunk_that_does_not_fit_its_sum_is_refused(storage: dict[str, object], chunk: tuple[int, int]) -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        array = file.create_dataset("ecg", data=SAMPLES, chunks=chunk, fletcher32=True, **storage)
        info = array.id.get_chunk_info(0)
    data = bytearray(stream.getvalue())
    assert np.array_equal(formats.parse({"x.h5": bytes(data)}, STATED).signal, SAMPLES)
    data[info.byte_offset + info.size // 2] ^= 1
    with pytest.raises(MalformedInput, match="checksum"):
        formats.parse({"x.h5": bytes(data)}, STATED)


def test_a_deflated_chunk_or_variable_that_is_cut_off_is_refused() -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        array = file.create_dataset("ecg", (12, 1001), "f4", chunks=(12, 1001), compression="gzip")
        array.id.write_direct_chunk((0, 0), zlib.compress(SAMPLES.tobytes())[:-4])
    with pytest.raises(MalformedInput, match="damaged"):
        formats.parse({"x.h5": stream.getvalue()}, STATED)
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"val": SAMPLES}, do_compression=True)
    with pytest.raises(MalformedInput, match="cut off"):
        formats.parse({"x.mat": stream.getvalue()[:-4]}, STATED)
