"""Recordings written in every format and read again: the same samples to a microvolt, and no person in them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg import read
from ecg.cli import main
from ecg.errors import InconsistentInput, MalformedInput
from ecg.formats.stated import Stated
from ecg.formats.writers import ENDINGS, write_dicom, write_edf
from ecg.leads import STANDARD_LEADS
from ecg.local import measured
from ecg.record import EcgRecord
from ecg.simulation import SCENARIOS, simulate
from tests.ecg.formats import device_files as made


def recording(n_samples: int = 5000, fs_hz: float = 500.0) -> EcgRecord:
    signal = np.random.default_rng(5).normal(0, 0.5, (12, n_samples)).astype(np.float32)
    return EcgRecord(signal, STANDARD_LEADS, fs_hz, "mV")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("n_samples", "fs_hz"), [(5000, 500.0), (4003, 400.0), (10240, 1024.0)])
def test_what_is_written_is_read_again(ending: str, n_samples: int, fs_hz: float, tmp_path: Path) -> None:
    record = recording(n_samples, fs_hz)
    path = ENDINGS[ending](record, tmp_path, "x")[0]
    stated = Stated(fs_hz, STANDARD_LEADS, "mV") if ending == ".npy" else Stated()
    again = read(path, fs_hz=stated.fs_hz, leads=stated.leads, unit=stated.unit)
    assert (again.leads, again.fs_hz, again.unit) == (STANDARD_LEADS, fs_hz, "mV")
    assert np.abs(again.signal - record.signal).max() <= 0.000501  # half a step of a microvolt


def test_missing_samples_stay_missing_or_are_refused(tmp_path: Path) -> None:
    signal = recording().signal.copy()
    signal[3, 100:200] = np.nan
    record = EcgRecord(signal, STANDARD_LEADS, 500.0, "mV")
    assert np.array_equal(np.isnan(read(write_dicom(record, tmp_path, "x")[0]).signal), np.isnan(signal))
    with pytest.raises(MalformedInput, match="missing samples"):
        write_edf(record, tmp_path, "x")


def test_wfdb_to_dicom_and_back_is_the_same_counts(tmp_path: Path) -> None:
    first = read(ENDINGS[".hea"](recording(), tmp_path, "a")[0])
    second = read(ENDINGS[".hea"](read(write_dicom(first, tmp_path, "b")[0]), tmp_path, "c")[0])
    assert np.array_equal(first.signal, second.signal)


@pytest.mark.parametrize("ending", [".dcm", ".edf", ".hea", ".csv", ".json"])
def test_an_export_holds_nothing_that_identifies_a_person(ending: str, tmp_path: Path) -> None:
    source = tmp_path / "source.xml"
    source.write_bytes(made.philips_xml(made.counts(12)))
    out = tmp_path / f"out{ending}"
    assert main(["export", str(source), str(out)]) == 0
    assert all(made.CANARY.encode() not in path.read_bytes() for path in tmp_path.glob("out.*"))
    assert read(out).n_samples == 600


def test_an_unknown_ending_names_the_known_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source.scp"
    source.write_bytes(made.scp(made.counts()))
    assert main(["export", str(source), str(tmp_path / "x.xyz")]) == 2
    assert ".dcm" in capsys.readouterr().err


def test_inspect_says_what_device_and_that_a_person_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source.xml"
    source.write_bytes(made.philips_xml(made.counts(12)))
    assert main(["inspect", str(source)]) == 0
    said = capsys.readouterr().out
    assert "PageWriter" in said
    assert "heart_rate 41" in said
    assert "may identify a person are there and not read: patient id, patient name, institution" in said
    assert made.CANARY not in said


@pytest.mark.parametrize("name", ["sinus", "atrial_fibrillation", "lbbb", "pvc"])
def test_the_report_of_what_is_written_is_the_same(name: str, tmp_path: Path) -> None:
    simulated = simulate(SCENARIOS[name], seed=11).record
    record = replace(simulated, signal=np.round(simulated.signal.astype(np.float64), 3).astype(np.float32))
    expected = measured(record).to_dict()
    for ending, write in ENDINGS.items():
        stated = {"fs_hz": record.fs_hz, "leads": record.leads, "unit": "mV"} if ending == ".npy" else {}
        found = measured(read(write(record, tmp_path, "x")[0], **stated)).to_dict()  # type: ignore[arg-type]
        assert found["findings"] == expected["findings"], ending
        assert found["statements"] == expected["statements"], ending
        assert found["signal_quality"] == expected["signal_quality"], ending
        for key, value in expected["measurements"].items():
            if "value" in value and value["value"] is not None:  # to the last digit given: float32 of counts differs
                assert found["measurements"][key]["value"] == pytest.approx(value["value"], abs=0.11), (ending, key)


@pytest.mark.parametrize("name", ["my rec", "\u00fcn\u00ef", ""])
def test_a_name_that_a_wfdb_header_cannot_hold_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedInput, match="no name of a WFDB record"):
        ENDINGS[".hea"](simulate().record, tmp_path, name)
    with pytest.raises(MalformedInput, match="ASCII"):
        ENDINGS[".hea"](replace(simulate().record, leads=("\u00b5", *STANDARD_LEADS[1:])), tmp_path, "x")
    assert not list(tmp_path.iterdir())


def test_edf_keeps_the_names_of_other_leads_or_refuses_them(tmp_path: Path) -> None:
    leads = ("I", "V7", "MLII", "Z")
    record = EcgRecord(recording().signal[:4], leads, 500.0, "mV")
    assert read(write_edf(record, tmp_path, "x")[0]).leads == leads
    for name in ("\u00b5", "a name of more than sixteen"):
        with pytest.raises(MalformedInput, match="EDF label"):
            write_edf(replace(record, leads=(name, *leads[1:])), tmp_path, "y")
    assert not (tmp_path / "y.edf").exists()


@pytest.mark.parametrize(
    ("fs_hz", "n_samples"),
    [
        (360.0, 5000),
        (360.0, 3600),
        (360.0, 200_000),
        (128.0, 5000),
        (250.5, 5010),
        (1000 / 3, 5000),
        (257.0, 4096),
        (999.99, 5000),
        (180.3, 5000),
    ],
)
def test_the_rate_is_the_same_after_an_edf_file(fs_hz: float, n_samples: int, tmp_path: Path) -> None:
    """Its duration field has eight characters, and 5000 samples at 360 Hz have no record of a duration that fits."""
    record = EcgRecord(np.zeros((1, n_samples), np.float32), ("II",), fs_hz, "mV")
    (path,) = write_edf(record, tmp_path, "x")
    again = read(path)
    assert again.n_samples == n_samples
    assert again.fs_hz == pytest.approx(fs_hz, rel=1e-15 if fs_hz == round(fs_hz, 2) else 1e-8)
    assert read(path, fs_hz=fs_hz).fs_hz == fs_hz
    with pytest.raises(InconsistentInput):
        read(path, fs_hz=fs_hz * 1.001)


@pytest.mark.parametrize(
    ("duration", "fs_hz"),
    [("1.736111", 360.0), ("1.73611", 625 / 1.73611), ("2", 312.5), ("1.736", 625 / 1.736), ("1.736e0", 625 / 1.736)],
)
def test_the_rate_of_an_edf_file_is_as_open_as_its_duration(duration: str, fs_hz: float, tmp_path: Path) -> None:
    (path,) = write_edf(EcgRecord(np.zeros((1, 5000), np.float32), ("II",), 360.0, "mV"), tmp_path, "x")
    data = path.read_bytes()
    assert data[244:252] == b"1.736111"
    path.write_bytes(data[:244] + f"{duration:8}".encode() + data[252:])
    assert read(path).fs_hz == fs_hz
    if abs(fs_hz - 360) < 0.002:  # what the last of five digits leaves open
        assert read(path, fs_hz=360.0).fs_hz == 360
    else:
        with pytest.raises(InconsistentInput):
            read(path, fs_hz=360.0)


@pytest.mark.parametrize(
    "leads", [("Left, chest", "Right; chest"), ('a "b" c', "II"), ("a;b;c;d", "II"), ("\u00b5V, left", "I")]
)
def test_lead_names_with_separators_are_read_again_from_a_table(leads: tuple[str, ...], tmp_path: Path) -> None:
    record = EcgRecord(recording().signal[:2, :100], leads, 500.0, "mV")
    again = read(ENDINGS[".csv"](record, tmp_path, "x")[0])
    assert again.signal.shape[0] == (2 if not {"I", "II"} & set(leads) else 1)
    assert set(again.leads) <= set(leads)
    assert again.fs_hz == 500
