"""Files that ask for more than they are worth: refused by a typed error, in little memory and time.

Each input is read in a process of its own, whose address space may grow by `ROOM` and whose processor time is bounded.
"""

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg import formats
from ecg.formats.stated import Stated
from ecg.leads import STANDARD_LEADS
from tests.ecg.formats import device_files as made

ROOM = 96 * 2**20  # bytes: the files of these tests have up to 6 MiB, and a recording of them at most 20
SECONDS = 5  # of processor time, which imports take most of

_READ = """
import json, resource, sys
from pathlib import Path
from ecg import formats
from ecg.errors import EcgError
from ecg.formats.stated import Stated
try:
    import soundfile
except ImportError:
    pass
files = {path.name: path.read_bytes() for path in Path(sys.argv[1]).iterdir()}
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[3]), int(sys.argv[3])))
try:
    record = formats.parse(files, Stated(), 600.0)
    print(json.dumps(["read", list(record.signal.shape)]))
except EcgError as error:
    print(json.dumps([type(error).__name__, len(str(error)) + len(str(error.expected)) + len(str(error.got))]))
"""


def outcome(folder: Path, files: dict[str, bytes], room: int = ROOM) -> str:
    """How reading ends: the name of the refusal, or ``read``; the test fails for a crash or any other error."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(folder), str(room), str(SECONDS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    kind, size = json.loads(done.stdout)
    assert kind == "read" or size < 2000, "a refusal repeats what it was sent"
    return str(kind)


def header(
    record_line: str = "rec 1 250 1500", signal: str = "rec.dat 16 1000/mV 16 0 0 0 0 I", after: str = ""
) -> bytes:
    return f"{record_line}\n{signal}\n{after}".encode()


SIGNAL = np.zeros(1500, "<i2").tobytes()
RECORDS: dict[str, tuple[bytes, str]] = {
    "an honest one": (header(), "read"),
    "a skew beyond the recording": (header(signal="rec.dat 16:100000000 1000/mV 16 0 0 0 0 I"), "MalformedInput"),
    "a skew beyond a recording of unknown length": (
        header("rec 1 250", "rec.dat 16:190000000 1000/mV 16 0 0 0 0 I"),
        "MalformedInput",
    ),
    "an offset beyond the file": (header(signal="rec.dat 16+900000000000 1000/mV 16 0 0 0 0 I"), "MalformedInput"),
    "a long line after the signals": (header(after="a" * 80_000), "MalformedInput"),
    "a long comment": (header(after="#" + "a" * 80_000 + " <" * 1000), "read"),
    "a megabyte of comments": (header(after="# a\n" * 300_000), "InputTooLarge"),
    "a number of samples of 20 digits": (header("rec 1 250 " + "9" * 20), "MalformedInput"),
    "a number of samples of 5000 digits": (header("rec 1 250 " + "9" * 5000), "MalformedInput"),
    "more samples than all bounds": (header("rec 1 250 999999999999"), "InputTooLarge"),
    "more samples than the file": (header("rec 1 4000 2000000"), "MalformedInput"),
    "more seconds than are taken": (header("rec 1 250 199999999"), "RecordingTooLong"),
    "a rate of 400 digits": (header("rec 1 " + "2" * 400 + " 1500"), "MalformedInput"),
    "a gain of 1e999": (header(signal="rec.dat 16 1e999/mV 16 0 0 0 0 I"), "MalformedInput"),
    "a gain of 1e-999": (header(signal="rec.dat 16 1e-308/mV 16 0 9 0 0 I"), "read"),
    "samples a frame beyond all bounds": (header(signal="rec.dat 16x999999999 1/mV 16 0 0 0 0 I"), "InputTooLarge"),
    "a format that ends in -1": (header(signal="rec.dat 16-1 1000/mV 16 0 0 0 0 I"), "MalformedInput"),
    "a gain with an underscore": (header(signal="rec.dat 16 1_000/mV 16 0 0 0 0 I"), "MalformedInput"),
    "a number of samples 1e3": (header("rec 1 250 1e3"), "MalformedInput"),
    "a line separator in a comment": (header(after="# a\u2028rec.dat 16 2000/mV 16 0 0 0 0 II"), "MalformedInput"),
    "a vertical tab in a name": (header(signal="rec.dat 16 1000/mV 16 0 0 0 0 I\x0brec.dat"), "MalformedInput"),
    "a name of 20,000 letters": (header(signal="rec.dat 16 1000/mV 16 0 0 0 0 " + "I" * 20_000), "read"),
    "a record name of 20,000 letters": (header("r" * 20_000 + " 1 250 1500"), "MalformedInput"),
    "a unit of 20,000 letters": (header(signal="rec.dat 16 1000/" + "m" * 20_000 + " 16 0 0 0 0 I"), "MalformedInput"),
    "9,999 signals": (header("rec 9999 250 1500"), "MalformedInput"),
    "half a million lines": (header(after="x\n" * 500_000), "MalformedInput"),
    "a thousand segments": (header("rec/1000 1 250 1500"), "UnusableRecording"),
}


@pytest.mark.parametrize("case", RECORDS)
def test_a_header_cannot_take_memory_or_time(case: str, tmp_path: Path) -> None:
    hea, expected = RECORDS[case]
    assert outcome(tmp_path, {"rec.hea": hea, "rec.dat": SIGNAL}) == expected


def flac(samples: int) -> bytes:
    soundfile = pytest.importorskip("soundfile")
    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", 48000, 1, "PCM_16", format="FLAC") as sound:
        for start in range(0, samples, 2**22):
            sound.write(np.zeros(min(2**22, samples - start), np.int16))
    return stream.getvalue()


def announcing(data: bytes, samples: int) -> bytes:
    """The FLAC file with another number of samples in its first block."""
    packed = int.from_bytes(data[18:26], "big") >> 36 << 36 | samples
    return data[:18] + packed.to_bytes(8, "big") + data[26:]


@pytest.mark.parametrize(
    ("frames", "held", "announced", "expected"),
    [
        (2000, 2000, 2000, "read"),
        (0, 2000, 2000, "read"),
        (0, 60_000_000, 60_000_000, "RecordingTooLong"),  # 0.2 MB that decode to a quarter of a gigabyte
        (60_000_000, 60_000_000, 60_000_000, "RecordingTooLong"),
        (2000, 60_000_000, 60_000_000, "read"),
        (0, 2000, 2**36 - 1, "InputTooLarge"),
        (100_000, 2000, 2**36 - 1, "MalformedInput"),
        (2000, 2000, 0, "MalformedInput"),
        (3000, 2000, 2000, "MalformedInput"),
    ],
)
def test_a_compressed_signal_is_decoded_no_further_than_its_bounds(
    frames: int, held: int, announced: int, expected: str, tmp_path: Path
) -> None:
    hea = header(f"rec 1 250 {frames}", "rec.dat 516 1000/mV 16 0 0 0 0 I")
    assert outcome(tmp_path, {"rec.hea": hea, "rec.dat": announcing(flac(held), announced)}) == expected


def inflating(order: str, text: bytes, size: int, around: Callable[[bytes], bytes] = lambda element: element) -> bytes:
    """A MATLAB file of a header of this text and order of bytes, and one compressed matrix of so many zeros."""
    sign = "<" if order == "IM" else ">"

    def element(kind: int, body: bytes) -> bytes:
        return struct.pack(f"{sign}II", kind, len(body)) + body + bytes(-len(body) % 8)

    about = element(6, struct.pack(f"{sign}II", 6, 0)) + element(5, struct.pack(f"{sign}ii", 12, size // 96))
    about += element(1, b"val")
    pressed = zlib.compressobj(1)
    parts = [pressed.compress(struct.pack(f"{sign}II", 14, len(about) + 8 + size) + about)]
    parts.append(pressed.compress(struct.pack(f"{sign}II", 9, size)))
    zeros = bytes(96 * 2**14)
    parts += [pressed.compress(zeros) for _ in range(size // len(zeros))]
    parts.append(pressed.flush())
    version = struct.pack("<H" if order == "IM" else ">H", 0x0100) + order.encode()
    body = around(struct.pack(f"{sign}II", 15, sum(map(len, parts))) + b"".join(parts))
    return text.ljust(124) + version + body


def twice(element: bytes) -> bytes:
    """A compressed element within a compressed one."""
    pressed = zlib.compress(element)
    return struct.pack("<II", 15, len(pressed)) + pressed


def behind(element: bytes) -> bytes:
    """A compressed element behind the matrix in another compressed one."""
    empty = (
        struct.pack("<IIIIII", 14, 40, 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 0, 0) + struct.pack("<IIII", 1, 0, 9, 0)
    )
    pressed = zlib.compress(empty + element)
    return struct.pack("<II", 15, len(pressed)) + pressed


@pytest.mark.parametrize(
    ("order", "text", "around", "expected"),
    [
        ("IM", b"MATLAB 5.0 MAT-file", bytes, "InputTooLarge"),
        ("IM", b"Created by somebody", bytes, "InputTooLarge"),
        ("MI", b"MATLAB 5.0 MAT-file", bytes, "InputTooLarge"),
        ("MI", b"Created by somebody", bytes, "InputTooLarge"),
        ("xx", b"Created by somebody", bytes, "InputTooLarge"),
        ("IM", b"MATLAB 5.0 MAT-file", twice, "MalformedInput"),
        ("IM", b"MATLAB 5.0 MAT-file", behind, "MalformedInput"),
    ],
)
def test_a_matlab_file_inflates_to_no_more_than_its_bound(
    order: str, text: bytes, around: Callable[[bytes], bytes], expected: str, tmp_path: Path
) -> None:
    data = inflating(order, text, 96 * 2**14 * 110, around)
    assert len(data) < 2**21
    assert outcome(tmp_path, {"x.mat": data}, 300 * 2**20) == expected


@pytest.mark.parametrize("order", ["IM", "MI"])
def test_a_compressed_matlab_file_of_either_order_of_bytes_is_read(order: str) -> None:
    data = inflating(order, b"Created by somebody", 96 * 2**14)
    assert formats.parse({"x.mat": data}, Stated(500.0, STANDARD_LEADS, "mV")).n_samples == 2**14


def nested(depth: int) -> bytes:
    """A MATLAB file of a cell in a cell in a cell."""
    body = (
        struct.pack("<IIIIII", 14, 40, 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 0, 0) + struct.pack("<IIII", 1, 0, 9, 0)
    )
    about = struct.pack("<IIII", 6, 8, 1, 0) + struct.pack("<IIii", 5, 8, 1, 1) + struct.pack("<II", 1, 0)
    heads = []
    size = len(body)
    for _ in range(depth):
        heads.append(struct.pack("<II", 14, len(about) + size) + about)
        size += 8 + len(about)
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + b"".join(reversed(heads)) + body


def test_cells_in_cells_of_a_matlab_file_cannot_end_the_process(tmp_path: Path) -> None:
    assert outcome(tmp_path, {"x.mat": nested(20_000)}) != "read"


def npy(kind: str, shape: str) -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


def deflated_dicom(before: int) -> bytes:
    """A DICOM file of a hundred megabytes deflated, whose transfer syntax stands after so many bytes of its group."""
    version = b"\x02\x00\x01\x00OB\0\0" + struct.pack("<I", before) + b"\0" * before
    syntax = b"\x02\x00\x10\x00UI" + struct.pack("<H", 22) + b"1.2.840.10008.1.2.1.99"
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = squeeze.compress(b"\0" * 10**8) + squeeze.flush()
    return b"\0" * 128 + b"DICM" + version + syntax + body


def zeros_between_definitions(number: int) -> bytes:
    """An MFER file with two bytes of filling before each definition, and much after them."""
    return (
        b"\x40\x08MFR ECG "
        + b"\0\0\x16\x01a" * number
        + b"\0\0"
        + b"\x16\x84"
        + struct.pack(">I", 2**24)
        + bytes(2**24)
    )


def central_directory(entries: int) -> bytes:
    """A zip file that is a central directory and nothing else."""
    entry = b"PK\1\2" + bytes(24) + struct.pack("<HHH", 1, 0, 0) + bytes(12) + b"a"
    end = b"PK\5\6" + bytes(4) + struct.pack("<HHIIH", entries % 2**16, entries % 2**16, entries * len(entry), 0, 0)
    return entry * entries + end


def many_codes() -> bytes:
    """An SCP-ECG file of zeros whose Huffman table has a thousand other codes before that of zero."""
    codes = {f"1{number:010b}": (0, number) for number in range(1000)} | {"0": (0, 0)}
    return made.scp(np.zeros((8, 400_000)), coding=0, table=made.huffman_table(codes))


OTHERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "an array of 10^17 samples": ("x.npy", lambda: npy("<f8", "(99999, 999999999999)")),
    "a pickled array": ("x.npy", lambda: npy("|O", "(12, 5000)") + b"cos\nsystem\n"),
    "two million open brackets": ("x.json", lambda: b'{"signal": ' + b"[" * 2_000_000),
    "two million objects": ("x.json", lambda: b'{"a":' * 2_000_000),
    "a lead name of 4 MB": ("x.json", lambda: b'{"signal":[[0]],"fs":500,"lead_names":["%s"]}' % (b"I" * 2**22)),
    "an unknown field of 4 MB": ("x.json", lambda: json.dumps({"x" * 2**22: 1}).encode()),
    "a heading of 4 MB": ("x.csv", lambda: b"I," * 2**21 + b"\n1\n"),
    "four million empty lines": ("x.csv", lambda: b"# fs: 500\nI\n" + b"\n" * 4_000_000),
    "a comment of 4 MB": ("x.csv", lambda: b"# fs: " + b"5" * 2**22 + b"\nI\n1\n"),
    "a cell of 4 MB": ("x.csv", lambda: b"# fs: 500\nI\n" + b"1" * 2**22 + b"\n"),
    "a deflated DICOM file": ("x.dcm", lambda: deflated_dicom(4096)),
    "an MFER file of filling": ("x.mwf", lambda: zeros_between_definitions(19_000)),
    "half a million names in a zip file": ("x.zip", lambda: central_directory(500_000)),
    "a million comments": ("x.csv", lambda: b"#\n" * 1_000_000 + b"# fs: 500\nI\n1\n"),
}


def test_no_code_of_a_huffman_table_is_tried_for_long(tmp_path: Path) -> None:
    assert outcome(tmp_path, {"x.scp": many_codes()}) in {"read", "RecordingTooLong"}


@pytest.mark.parametrize("case", OTHERS)
def test_no_other_file_can_either(case: str, tmp_path: Path) -> None:
    name, content = OTHERS[case]
    assert outcome(tmp_path, {name: content()}) != "read"
