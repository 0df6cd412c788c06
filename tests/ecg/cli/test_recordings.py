"""Files on the command line: one that is empty of samples, one that is missing, and a reader that goes away."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
import scipy.io

from ecg.cli import main
from ecg.formats.writers import wire_body, write_wfdb
from tests.conftest import noise_record
from tests.ecg.formats.device_files import counts as counts_of_eight
from tests.ecg.formats.device_files import muse_xml


def test_a_recording_without_a_sample_is_inspected_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.npy"
    np.save(path, np.full((1, 1000), np.nan, np.float32))
    assert main(["inspect", str(path), "--fs", "500", "--leads", "I"]) == 0
    shown = capsys.readouterr()
    assert "every sample is missing" in shown.out
    assert "nan" not in shown.out
    assert shown.err == ""


def test_a_missing_file_is_told_and_the_next_one_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header, _ = write_wfdb(noise_record(seconds=1), tmp_path, "rec")
    assert main(["inspect", str(tmp_path / "gone.csv"), str(header)]) == 1
    shown = capsys.readouterr()
    assert "gone.csv: No such file" in shown.err
    assert "1 of 2 files failed" in shown.err
    assert "500 Hz" in shown.out


@pytest.mark.parametrize("command", [["inspect"], ["measure"], ["measure", "--jsonl"]])
def test_a_reader_that_goes_away_ends_the_command_quietly(command: list[str], tmp_path: Path) -> None:
    header, _ = write_wfdb(noise_record(seconds=10), tmp_path, "rec")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ecg", *command, str(header), str(header)],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_inspect_names_clipped_and_flat_leads_and_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = counts_of_eight()
    counts[1] = np.clip(counts[1], -300, 300)
    counts[2] = 7
    path = tmp_path / "x.xml"
    path.write_bytes(muse_xml(counts))
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert "clipped: II\n" in said
    assert "flat: V1\n" in said
    assert "start     2020-11-28 10:20:30" in said


def test_samples_of_matlab_alone_name_the_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "A0001.mat"
    scipy.io.savemat(path, {"val": np.zeros((12, 100))})
    assert main(["inspect", str(path)]) == 2
    assert "A0001.hea" in capsys.readouterr().err


def table(folder: Path, heading: str = "I,II") -> Path:
    """Two leads of a CSV file that says neither rate nor unit."""
    path = folder / "bare.csv"
    wave = np.sin(np.arange(2000) / 50.0)
    np.savetxt(path, np.stack([wave, wave], 1), "%.3f", ",", header=heading, comments="")
    return path


def test_a_refusal_names_the_options_that_state_what_the_file_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path)
    assert main(["inspect", str(path)]) == 2
    assert "--fs HZ --leads I,II,… --units mV" in capsys.readouterr().err
    assert main(["export", str(path), str(tmp_path / "x.npy"), "--units", "uV"]) == 2
    assert "--fs HZ --leads" in (told := capsys.readouterr().err)
    assert "--units" not in told
    assert main(["inspect", str(tmp_path / "bare.csv"), "--fs", "-1"]) == 2
    assert "--leads" not in capsys.readouterr().err


def test_measure_shows_what_was_noted_of_the_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path, "I,RESP")
    assert main(["measure", str(path), "--fs", "500", "--units", "mV"]) == 0
    (noted,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("  note "))
    assert "RESP" in noted


def test_export_into_no_folder_is_told_and_npy_says_how_it_is_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, stated = table(tmp_path), ["--fs", "500", "--units", "uV"]
    assert main(["export", str(path), str(tmp_path / "none/x.npy"), *stated]) == 2
    assert "There is no such folder." in capsys.readouterr().err
    assert main(["export", str(path), str(tmp_path / "x.npy"), *stated]) == 0
    back = capsys.readouterr().err.partition("read it back with ")[2].split()
    assert main(["inspect", str(tmp_path / "x.npy"), *back]) == 0


def test_export_to_dicom_names_the_missing_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(table(tmp_path)), str(tmp_path / "x.dcm"), "--fs", "500"]) == 2
    assert "field: units" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["inspect"], ["measure"], ["measure", "--jsonl"]])
def test_the_name_of_a_file_need_not_be_utf_8(command: list[str], tmp_path: Path) -> None:
    header, _ = write_wfdb(noise_record(seconds=10), tmp_path, "rec")
    odd = tmp_path / os.fsdecode(b"M\xfcller.json")
    odd.write_bytes(orjson.dumps(wire_body(noise_record(seconds=10))))
    done = subprocess.run(
        [sys.executable, "-m", "ecg", *command, odd, header], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"M\udcfcller" in done.stdout or r"M\\xfcller" in done.stdout
    assert "rec" in done.stdout
