"""CSV tables: a column of times speaks for the sampling rate, and what is out of all proportion is refused."""

import math
from pathlib import Path

import numpy as np
import pytest

from ecg import formats, read
from ecg.errors import EcgError, InconsistentInput, InputTooLarge, MalformedInput
from ecg.formats.stated import Stated
from ecg.formats.writers import write_csv
from ecg.record import EcgRecord


def parse(text: str, fs_hz: float | None = None) -> EcgRecord:
    return formats.parse({"x.csv": text.encode()}, Stated(fs_hz))


def timed(name: str, fs_hz: float, unit_s: float = 1.0, digits: int = 6, n: int = 500) -> str:
    return f"{name},I\n" + "".join(f"{i / fs_hz / unit_s:.{digits}f},0.5\n" for i in range(n))


@pytest.mark.parametrize("name", ["time", "time_s", "t", "time_ms", "Time (s)"])
def test_a_time_column_against_the_stated_rate_is_refused(name: str) -> None:
    table = timed(name, 500, 1e-3 if "ms" in name else 1.0)
    assert parse(table, 500).fs_hz == 500
    with pytest.raises(InconsistentInput, match="500 rows a second"):
        parse(table, 1000)
    with pytest.raises(InconsistentInput):
        parse("# fs: 250\n" + table)
    for off in (498, 502):  # the clock says 500 to a thousandth
        with pytest.raises(InconsistentInput):
            parse(table, off)


def test_a_bare_time_may_be_milliseconds_but_never_gives_the_rate() -> None:
    assert parse(timed("time", 500, 1e-3), 500).fs_hz == 500
    for unit_s in (1.0, 1e-3):
        with pytest.raises(MalformedInput, match="not stated"):
            parse(timed("time", 500, unit_s))


@pytest.mark.parametrize(("fs_hz", "digits"), [(500, 3), (360, 3), (257, 6), (1000, 4), (128, 7), (512.5, 9)])
def test_a_time_column_with_its_unit_gives_the_rate(fs_hz: float, digits: int) -> None:
    assert parse(timed("time_s", fs_hz, digits=digits)).fs_hz == fs_hz
    assert parse(timed("time (ms)", fs_hz, 1e-3, digits=digits - 3)).fs_hz == fs_hz


def test_a_table_of_one_column_cannot_have_empty_rows() -> None:
    with pytest.raises(MalformedInput, match="empty"):
        parse("# fs: 500\nII\n" + "0.1\n" * 400 + "\n" + "0.1\n" * 400 + "\n\n")
    assert parse("# fs: 500\nII\n\n" + "0.1\n" * 800 + "\n\n").n_samples == 800


@pytest.mark.parametrize("broken", ["0.05", "", "nan", "noon"])
def test_an_irregular_time_column_is_refused(broken: str) -> None:
    rows = timed("time_s", 500).splitlines()
    rows[100] = f"{broken},0.5"
    with pytest.raises(MalformedInput):
        parse("\n".join(rows), 500)


def test_a_lost_sample_is_seen_in_the_time_column() -> None:
    rows = timed("time_s", 500, digits=3, n=5000).splitlines()
    del rows[2000]
    with pytest.raises(InconsistentInput, match="equal steps"):
        parse("\n".join(rows), 500)


def test_a_long_table_of_ours_is_read_back(tmp_path: Path) -> None:
    record = EcgRecord(np.zeros((1, 400_000), np.float32), ("I",), 360, None)
    (path,) = write_csv(record, tmp_path, "long")
    assert read(path).fs_hz == 360


def test_the_rate_of_a_short_table_is_as_exact_as_its_clock(tmp_path: Path) -> None:
    for fs_hz in (333.3333, 500.5, 500.0):
        record = EcgRecord(np.zeros((1, 8), np.float32), ("I",), fs_hz, None)
        (path,) = write_csv(record, tmp_path, "short")
        assert read(path).fs_hz == pytest.approx(fs_hz, rel=1e-6)


def test_two_comments_that_differ_are_refused() -> None:
    with pytest.raises(InconsistentInput, match="fs"):
        parse("# fs: 500\n# fs: 250\nI\n1\n2\n")
    assert parse("# fs: 500\n# fs: 500\nI\n1\n2\n").fs_hz == 500


@pytest.mark.parametrize("fs", ["5_00", "５００", "0x1F4", "-500", "inf", "nan"])
def test_a_rate_in_a_comment_is_a_plain_number(fs: str) -> None:
    with pytest.raises(MalformedInput, match="not a number"):
        parse(f"# fs: {fs}\nI\n1\n2\n")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_empty_cells_are_missing_samples(delimiter: str) -> None:
    text = 'I,II,V1\n1,,\n, ,\n,2,3\r\n\n"1", 2 ,3\n'.replace(",", delimiter)
    nan = math.nan
    expected = [[1, nan, nan, 1], [nan, nan, 2, 2], [nan, nan, 3, 3]]
    assert np.array_equal(parse(text, 500).signal, np.array(expected, np.float32), equal_nan=True)


@pytest.mark.parametrize("row", ["1", "1,2,3", "1 2,3", "1_0,2", "１,2", "one,2", '"1,2'])
def test_a_row_of_anything_else_than_numbers_is_refused(row: str) -> None:
    with pytest.raises(MalformedInput):
        parse(f"I,II\n1,2\n{row}\n", 500)


def test_a_heading_without_end_is_refused() -> None:
    for heading in ("I" * 200_000, '"' + "I" * 200_000, ",".join(f"x{i}" for i in range(20_000))):
        with pytest.raises(MalformedInput, match="heading"):
            parse(f"{heading}\n1\n", 500)


@pytest.mark.parametrize("heading", [" \r\n(9255,68", "\t\n1\t2", "\u00a0\n1,2", " \n \n1,2", "\x1f\n1,2"])
def test_a_heading_of_nothing_is_refused(heading: str) -> None:
    with pytest.raises(MalformedInput):
        parse(f"{heading}\n", 500)


def test_blank_lines_before_the_heading_are_passed_over() -> None:
    assert parse(" \n\nI,II\n1,2\n3,4\n", 500).leads == ("I", "II")


def test_a_table_of_more_cells_than_are_read_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(InputTooLarge):
        parse("I,II\n" + "1,\n" * 5_000_001, 500)
    with pytest.raises(EcgError):
        parse("12,12\n" * 1000, 500)


@pytest.mark.parametrize(
    ("row", "told"),
    [("0.1,Jane Doe", "Row 2 of the samples is no number in column 2"), ("0.1", "Row 2 of the samples has another")],
)
def test_the_row_that_is_not_numbers_is_named_and_its_text_is_not(row: str, told: str) -> None:
    with pytest.raises(MalformedInput, match=told) as refused:
        parse(f"I (mV),II (mV)\n0.1,0.2\n{row}\n0.1,0.2\n", 500)
    assert "Jane" not in str(refused.value.__dict__)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("I;II\n0,12;0,34\n0,56;0,78\n", "write 0.5 for 0,5"),
        ("I\tII\n-1,5\t0,34\n", "write 0.5 for 0,5"),
        ("I II V1\n0.1 0.2 0.3\n0.4 0.5 0.6\n", "separated by blanks"),
        ("I   II  V1\n  0.1   -0.2   3e-1\n", "separated by blanks"),
    ],
)
def test_a_table_of_another_kind_is_refused_with_what_to_write(table: str, told: str) -> None:
    with pytest.raises(MalformedInput, match=told):
        parse(table, 500)


def test_what_a_comment_says_in_place_of_a_rate_is_not_repeated() -> None:
    with pytest.raises(MalformedInput, match="not a number of Hz, but text") as refused:
        parse("# fs: Jane Doe\nI\n1\n2\n")
    assert "Jane" not in str(refused.value.__dict__)
