"""The samples of WFDB signal files, after signal(5) of the WFDB Applications Guide.

Everything is read from memory, and nothing larger than the samples that were asked for is made. How many a file holds
is known before it is decoded: from its length, or from the first block of a FLAC file.
"""

import io
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InputTooLarge, MalformedInput, UnusableRecording
from ecg.formats.wfdb_header import SignalLine

INVALID_SAMPLE = -32768  # WFDB_INVALID_SAMPLE, whatever marks a gap in the signal file's own format
# The value that marks a missing sample, per format; format 8 stores differences and has none.
GAPS = {
    16: -(2**15),
    61: -(2**15),
    160: -(2**15),
    80: -(2**7),
    212: -(2**11),
    310: -(2**9),
    311: -(2**9),
    24: -(2**23),
    32: -(2**31),
    508: -(2**7),
    516: -(2**15),
    524: -(2**23),
}
#: Samples of all signals that a compressed file may become: its length bounds nothing.
MAX_COMPRESSED_VALUES = 40_000_000
# A block of so many samples takes so many bytes.
_BLOCKS = {
    8: (1, 1),
    16: (1, 2),
    24: (1, 3),
    32: (1, 4),
    61: (1, 2),
    80: (1, 1),
    160: (1, 2),
    212: (2, 3),
    310: (3, 4),
    311: (3, 4),
}
_FLAC = (508, 516, 524)
_FLAC_CHUNK = 2**20

Counts = NDArray[np.int32]
Buffer = Any  # bytes, memoryview or mmap


def frames_in(data: Buffer, group: Sequence[SignalLine]) -> int:
    """Whole frames that a signal file holds, counted from its offset. Raises `MalformedInput`, `UnusableRecording`."""
    per_frame = sum(line.samples_per_frame for line in group)
    first = group[0]
    if first.format in _FLAC:
        samples, channels = _flac_size(data, first)
        _check_channels(group, channels)
        return max(0, samples - first.offset) // first.samples_per_frame
    _check_known(first)
    samples_per_block, bytes_per_block = _BLOCKS[first.format]
    length = max(0, len(data) - first.offset)
    whole, rest = divmod(length, bytes_per_block)
    # Of the last block, the samples whose bytes are all there: in format 310 each of the first two has two of its own.
    samples = rest // 2 if first.format == 310 else rest * samples_per_block // bytes_per_block
    return (whole * samples_per_block + samples) // per_frame


def read_frames(data: Buffer, group: Sequence[SignalLine], start: int, stop: int) -> list[Counts]:
    """int32 [sample] of each signal of one file, of the frames from `start` up to, not with, `stop`.

    A file of differences (format 8) must be read from its beginning. Raises `MalformedInput` when the file is shorter,
    `UnusableRecording` for an unknown format.
    """
    widths = [line.samples_per_frame for line in group]
    available = frames_in(data, group)
    if stop > available:
        raise MalformedInput(
            f"The signal file {group[0].file} is shorter than the header says.",
            "file",
            f"{stop} frames",
            f"{available} frames",
        )
    first = group[0]
    if first.format in _FLAC:
        return _flac_frames(data, group, start, stop)
    per_frame = sum(widths)
    flat = _flat(data, first, start * per_frame, (stop - start) * per_frame).reshape(-1, per_frame)
    edges = np.cumsum([0, *widths])
    rows = [flat[:, a:b].reshape(-1) for a, b in pairwise(edges)]
    if first.format == 8:
        rows = [np.cumsum(row, dtype=np.int32) + np.int32(line.initial) for row, line in zip(rows, group, strict=True)]
    return rows


def aligned(row: Counts, line: SignalLine) -> Counts:
    """The samples [sample] of a whole signal moved to where the header's skew says, gaps after the last."""
    shift = line.skew_frames * line.samples_per_frame
    if shift == 0:
        return row
    moved = np.full_like(row, GAPS.get(line.format, INVALID_SAMPLE))
    moved[: len(row) - shift] = row[shift:]
    return moved


def check_sum(row: Counts, line: SignalLine, number: int) -> None:
    """Raise `MalformedInput` when the samples of a whole signal do not sum to the checksum of its line."""
    if line.checksum is None or line.skew_frames:
        return
    total = int(row.sum(dtype=np.int64))
    # Writers differ in whether a gap counts as written or as the WFDB library's invalid sample.
    gap = GAPS.get(line.format, INVALID_SAMPLE)
    as_invalid = total + int((row == gap).sum()) * (INVALID_SAMPLE - gap)
    if line.checksum not in (total % 65536, as_invalid % 65536):
        raise MalformedInput(
            f"The samples of signal {number} do not sum to its checksum: a file is damaged or of another record.",
            "file",
            line.checksum,
            total % 65536,
        )


def _check_known(line: SignalLine) -> None:
    if line.format not in _BLOCKS and line.format not in _FLAC:
        raise UnusableRecording(
            f"WFDB signal format {line.format} is not read.", "file", sorted([*_BLOCKS, *_FLAC]), line.format
        )


def _flat(data: Buffer, line: SignalLine, first: int, count: int) -> Counts:
    """int32 [sample] in the order of the file, from sample `first`."""
    samples_per_block, bytes_per_block = _BLOCKS[line.format]
    skipped = first % samples_per_block
    at = line.offset + first // samples_per_block * bytes_per_block
    blocks = -(-(skipped + count) // samples_per_block)
    raw = np.frombuffer(memoryview(data)[at : at + blocks * bytes_per_block], np.uint8)
    if len(raw) < blocks * bytes_per_block:  # the last block may lack what no wanted sample needs
        raw = np.concatenate([raw, np.zeros(blocks * bytes_per_block - len(raw), np.uint8)])
    return _DECODERS[line.format](raw)[skipped : skipped + count]


def _signed(values: NDArray[Any], bits: int) -> Counts:
    """Two's complement of so many bits as int32."""
    shift = 32 - bits
    return (values.astype(np.int32) << shift) >> shift


def _pairs_of_12(raw: NDArray[np.uint8]) -> Counts:
    triplets = raw.reshape(-1, 3).astype(np.int32)
    out = np.empty((len(triplets), 2), np.int32)
    out[:, 0] = triplets[:, 0] | (triplets[:, 1] & 0x0F) << 8
    out[:, 1] = triplets[:, 2] | (triplets[:, 1] & 0xF0) << 4
    return _signed(out.reshape(-1), 12)


def _triples_310(raw: NDArray[np.uint8]) -> Counts:
    words = raw.view("<u2").reshape(-1, 2).astype(np.int32)
    out = np.empty((len(words), 3), np.int32)
    out[:, :2] = words >> 1
    out[:, 2] = words[:, 0] >> 11 | (words[:, 1] >> 11) << 5
    return _signed(out.reshape(-1), 10)


def _triples_311(raw: NDArray[np.uint8]) -> Counts:
    words = raw.view("<u4").astype(np.int64)
    return _signed(np.stack([words, words >> 10, words >> 20], axis=1).reshape(-1), 10)


def _threes_of_bytes(raw: NDArray[np.uint8]) -> Counts:
    padded = np.zeros((len(raw) // 3, 4), np.uint8)
    padded[:, 1:] = raw.reshape(-1, 3)
    return padded.reshape(-1).view("<i4").astype(np.int32) >> 8


_DECODERS: dict[int, Callable[[NDArray[np.uint8]], Counts]] = {
    8: lambda raw: raw.view(np.int8).astype(np.int32),
    16: lambda raw: raw.view("<i2").astype(np.int32),
    24: _threes_of_bytes,
    32: lambda raw: raw.view("<i4").astype(np.int32),
    61: lambda raw: raw.view(">i2").astype(np.int32),
    80: lambda raw: raw.astype(np.int32) - 2**7,
    160: lambda raw: raw.view("<u2").astype(np.int32) - 2**15,
    212: _pairs_of_12,
    310: _triples_310,
    311: _triples_311,
}


def _flac_size(data: Buffer, line: SignalLine) -> tuple[int, int]:
    """Samples a channel and channels that the STREAMINFO block of a FLAC file announces (RFC 9639, section 8.2)."""
    head = bytes(data[:42])
    if len(head) < 42 or head[:4] != b"fLaC" or head[4] & 0x7F:
        raise MalformedInput(f"The signal file {line.file} is not FLAC.", "file", "a FLAC stream", None)
    packed = int.from_bytes(head[18:26], "big")
    samples, channels = packed & (2**36 - 1), (packed >> 41 & 7) + 1
    if samples == 0:
        raise MalformedInput(f"The FLAC file {line.file} does not say its length.", "file", "a number of samples", 0)
    return samples, channels


def _check_channels(group: Sequence[SignalLine], channels: int) -> None:
    first = group[0]
    if channels != len(group):
        raise MalformedInput(f"{first.file} has another number of channels.", "file", len(group), channels)
    if any(line.samples_per_frame != first.samples_per_frame for line in group):
        raise MalformedInput(f"The signals of {first.file} differ in rate.", "file", "one rate", None)


def _flac_frames(data: Buffer, group: Sequence[SignalLine], start: int, stop: int) -> list[Counts]:
    import soundfile

    first = group[0]
    count = (stop - start) * first.samples_per_frame
    if count * len(group) > MAX_COMPRESSED_VALUES:
        raise InputTooLarge(
            f"The FLAC file {first.file} holds too many samples.", "file", MAX_COMPRESSED_VALUES, count * len(group)
        )
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as stream:
            bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}.get(stream.subtype, 32)
            if bits > first.format - 500:
                raise MalformedInput(
                    f"{first.file} has another resolution than the header says.", "file", first.format - 500, bits
                )
            stream.seek(first.offset + start * first.samples_per_frame)
            samples = np.empty((count, len(group)), np.int32)
            # libsndfile cannot read more than 2**24 values at once.
            for at in range(0, count, _FLAC_CHUNK):
                part = samples[at : at + _FLAC_CHUNK]
                if len(stream.read(out=part)) != len(part):
                    raise MalformedInput(f"The FLAC file {first.file} is cut off.", "file", f"{count} samples", None)
    except soundfile.SoundFileError:
        raise MalformedInput(f"The FLAC file {first.file} cannot be read.", "file", "a FLAC stream", None) from None
    samples >>= 32 - bits  # libsndfile gives 32 bits whatever the stream has
    return list(np.ascontiguousarray(samples.T))
