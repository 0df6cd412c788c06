"""`ecg simulate` writes what it says."""

import json
from pathlib import Path

import numpy as np
import pytest

from ecg.cli import main
from ecg.errors import MalformedInput
from ecg.formats.writers import WRITERS, wire_body, write_wfdb
from ecg.record import EcgRecord
from ecg.simulation import SCENARIOS, simulate


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_each_format_is_written_with_its_truth(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "simulate",
        "--scenario",
        "pvc",
        "--count",
        "2",
        "--seed",
        "7",
        "--out",
        str(tmp_path),
        "--format",
        form,
    ]
    assert main(arguments) == 0
    printed = lines(capsys.readouterr().out)
    assert [line["record"] for line in printed] == ["pvc-0007", "pvc-0008"]
    for line in printed:
        assert isinstance(line["files"], list)
        assert all(Path(file).stat().st_size > 100 for file in line["files"])
    truth = json.loads((tmp_path / "pvc-0007.truth.json").read_text())
    assert truth["seed"] == 7
    assert {beat["kind"] for beat in truth["beats"]} == {"N", "V"}


def test_wfdb_files_hold_the_samples_to_a_microvolt(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    record = simulate(SCENARIOS["missing_samples"], 1).record
    write_wfdb(record, tmp_path, "x")
    read = wfdb.rdrecord(str(tmp_path / "x"))
    assert tuple(read.sig_name) == record.leads
    assert (read.fs, read.units[0]) == (500, "mV")
    raw = wfdb.rdrecord(str(tmp_path / "x"), physical=False)
    assert [value % 65536 for value in raw.checksum] == [value % 65536 for value in raw.calc_checksum()]
    assert np.array_equal(np.isnan(read.p_signal.T), np.isnan(record.signal))
    assert np.nanmax(np.abs(read.p_signal.T - record.signal)) <= 0.0005001


def test_wfdb_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    large = np.full((1, 500), 40.0, dtype=np.float32)
    with pytest.raises(MalformedInput):
        write_wfdb(EcgRecord(large, ("I",), 500.0, "mV"), tmp_path, "x")
    with pytest.raises(MalformedInput):
        write_wfdb(EcgRecord(large, ("I",), 500.0, None), tmp_path, "x")


def test_without_a_folder_the_request_body_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--rate", "60", "--qrs", "120", "--duration", "6", "--fs", "250"]) == 0
    (body,) = lines(capsys.readouterr().out)
    assert set(body) == {"signal", "fs", "lead_names", "recording_duration", "units"}
    assert (body["fs"], body["recording_duration"], body["units"]) == (250.0, 6.0, "mV")
    signal = np.array(body["signal"])
    assert signal.shape == (12, 1500)


def test_missing_samples_are_null_in_json() -> None:
    signal = wire_body(simulate(SCENARIOS["missing_samples"]).record)["signal"]
    assert sum(value is None for value in signal[7]) == 750


def test_parameters_and_artefacts_change_the_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["simulate", "--pr", "240", "--artefact", "muscle:0.05:V3", "--artefact", "reversal::LA/RA"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    truth = json.loads((tmp_path / "sinus-0000.truth.json").read_text())
    assert truth["pr_ms"] == 240
    assert truth["lead_reversal"] == "LA/RA"
    assert truth["scenario"]["artefacts"][0]["level_mv"] == 0.05


def test_the_list_names_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--list"]) == 0
    assert [line["scenario"] for line in lines(capsys.readouterr().out)] == list(SCENARIOS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scenario", "../etc"],
        ["--pr", "900"],
        ["--count", "0"],
        ["--format", "wfdb"],
        ["--artefact", "hum"],
        ["--artefact", "muscle:loud"],
        ["--artefact", "muscle:0.1:V3:V4"],
        ["--rate", "nan"],
    ],
)
def test_what_cannot_be_simulated_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "expected" in captured.err
