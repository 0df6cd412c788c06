"""The grammar of WFDB headers: what header(5) allows is read, what it does not is refused by name."""

import pytest

from ecg.errors import MalformedInput
from ecg.formats.wfdb_header import Header, read_header


def header(record: str = "rec 1 250 1500", signal: str = "rec.dat 16 1000/mV 16 0 0 0 0 I") -> Header:
    return read_header(f"{record}\n{signal}\n".encode())


@pytest.mark.parametrize(
    ("text", "gain", "baseline", "unit"),
    [
        ("1000", 1000.0, -3, None),
        ("1E3/mV", 1000.0, -3, "mV"),
        ("1e+3/mV", 1000.0, -3, "mV"),
        ("1.5e3(12)/uV", 1500.0, 12, "uV"),
        ("-200.(-5)", -200.0, -5, None),
        (".5/mV", 0.5, -3, "mV"),
        ("1674431134.6165743(-1806093861)/mV", 1674431134.6165743, -1806093861, "mV"),
        ("0/mV", None, -3, "mV"),
        ("1000/µV", 1000.0, -3, "µV"),
    ],
)
def test_gains_as_written(text: str, gain: float | None, baseline: int, unit: str | None) -> None:
    (line,) = header(signal=f"rec.dat 16 {text} 16 -3 0 0 0 I").signals
    assert (line.gain, line.baseline, line.unit) == (gain, baseline, unit)


@pytest.mark.parametrize(
    ("signal", "named"),
    [
        ("rec.dat 16 np.float64(1000.0)(0)/mV 16 0 0 0 0 I", "gain"),
        ("rec.dat 16 1000 /mV 16 0 0 0 0 I", "ADC resolution"),
        ("rec.dat 16 1_000/mV 16 0 0 0 0 I", "gain"),
        ("rec.dat 16 nan/mV 16 0 0 0 0 I", "gain"),
        ("rec.dat 16 １０００/mV 16 0 0 0 0 I", "gain"),
        ("rec.dat 16-1 1000/mV 16 0 0 0 0 I", "format"),
        ("rec.dat 16x 1000/mV 16 0 0 0 0 I", "format"),
        ("rec.dat", "format"),
        ("rec.dat 16 1000/mV 16 0 0 0.5 0 I", "checksum"),
        ("rec.dat 16 1000/mV 16 0 0 0 I", "block size"),
    ],
)
def test_a_broken_signal_line_is_refused_by_the_name_of_its_field(signal: str, named: str) -> None:
    with pytest.raises(MalformedInput, match=f"line 1 .*{named}"):
        header(signal=signal)


@pytest.mark.parametrize(
    ("written", "acquired"),
    [
        ("", None),
        ("12:30:05 24/12/2019", "2019-12-24T12:30:05"),
        ("1:02:03.5 1/2/1998", "1998-02-01T01:02:03.500000"),
        ("2014-05-08 05:05:15", "2014-05-08T05:05:15"),
        ("2014-05-08T05:05:15", "2014-05-08T05:05:15"),
        ("24/12/2019", "2019-12-24T00:00:00"),
        ("12:30", None),
    ],
)
def test_starts_as_written(written: str, acquired: str | None) -> None:
    found = header(f"rec 1 250 1500 {written}")
    assert (found.acquired, found.notes) == (acquired, ())


@pytest.mark.parametrize("written", ["0:00:00 2006", "99:99:99 40/13/2001", "12:30:05 -1", "yesterday"])
def test_a_start_that_is_not_understood_stops_nothing_and_is_noted(written: str) -> None:
    found = header(f"rec 1 250 1500 {written}")
    assert found.acquired is None
    assert "start time" in found.notes[0]


@pytest.mark.parametrize(
    ("record", "frames_hz", "frames"),
    [
        ("rec 1", None, None),
        ("rec 1 360", 360.0, None),
        ("rec 1 360.5/1000(0.5) 77", 360.5, 77),
        ("rec 1 2.5e2 0", 250.0, None),
        ("a_b-c.d\t1 250   1500", 250.0, 1500),
    ],
)
def test_record_lines_as_written(record: str, frames_hz: float | None, frames: int | None) -> None:
    found = header(record)
    assert (found.frames_hz, found.frames) == (frames_hz, frames)


@pytest.mark.parametrize(
    "record",
    [
        "",
        "rec",
        "rec x 250",
        "rec 1 250Hz 1500",
        "rec 1 1e3x 5",
        "rec 1 250 1e3",
        "rec 1 250 -5",
        "rec 1 5_00 4",
        "rec 1 ５００ 4",
        "rec 1 250 15.0",
        "../rec 1 250 5",
        "/rec 1 250 5",
        "rec 1 0 5",
        "rec 1 nan 5",
    ],
)
def test_other_record_lines_are_refused(record: str) -> None:
    with pytest.raises(MalformedInput):
        header(record)


@pytest.mark.parametrize(
    "name", ["../x.dat", "/etc/passwd", "a/../x.dat", "a//b.dat", ".x.dat", "~", "a\\b.dat", "x..dat"]
)
def test_a_signal_file_lies_in_the_folder_of_the_record(name: str) -> None:
    with pytest.raises(MalformedInput, match="outside its folder"):
        header(signal=f"{name} 16 1000")


def test_a_byte_order_mark_and_line_ends_of_any_system_are_passed_over() -> None:
    plain = b"rec 1 250 1500\nrec.dat 16 1000/mV 16 0 0 0 0 I\n# age: 50\n"
    for text in (plain, b"\xef\xbb\xbf" + plain, plain.replace(b"\n", b"\r\n"), plain.replace(b"\n", b"\r")):
        found = read_header(text)
        assert (found.signals[0].name, found.comments) == ("I", ("age: 50",))


def test_another_number_of_signal_lines_than_announced_is_refused_with_both_numbers() -> None:
    with pytest.raises(MalformedInput, match="announces 8 signals and has 12"):
        read_header(("rec 8 250 1500\n" + "rec.dat 16 1000/mV 16 0 0 0 0 I\n" * 12).encode())


def test_signals_of_one_file_stand_together_and_share_the_format() -> None:
    with pytest.raises(MalformedInput, match="differ in format"):
        read_header(b"r 2 250\na.dat 16 1\na.dat 212 1\n")
    with pytest.raises(MalformedInput, match="stand together"):
        read_header(b"r 3 250\na.dat 16 1\nb.dat 16 1\na.dat 16 1\n")
