"""Tables of `ecg extract`, read with the gain, baseline and rate of the record map beside their folder."""

from pathlib import Path

import numpy as np
import pytest

from ecg import read
from ecg.cli import main
from ecg.errors import InconsistentInput, MalformedInput
from ecg.formats.record_map import map_path, mapped_beside, read_map
from ecg.formats.writers import write_wfdb
from ecg.simulation import Scenario, simulate
from tests.ecg.formats.test_mutations import wfdb_files


def extracted(folder: Path, files: dict[str, bytes]) -> Path:
    """The one table that `ecg extract` makes of a record."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "manifest").write_text(f"{folder / 'rec.hea'}\n")
    (folder / "csv").mkdir()
    assert main(["extract", "-m", str(folder / "manifest"), "-t", "0", "-d", str(folder / "csv")]) == 0
    (table,) = (folder / "csv").iterdir()
    return table


def test_an_extracted_table_is_the_recording_again(tmp_path: Path) -> None:
    files = wfdb_files("16")
    samples = np.frombuffer(files["rec.dat"], "<i2").copy()
    samples[30:33] = -32768  # one frame is missing
    table = extracted(tmp_path, files | {"rec.dat": samples.tobytes()})
    record, again = read(tmp_path / "rec.hea"), read(table)
    assert np.isnan(record.signal).sum() == 3
    assert (again.unit, again.fs_hz, again.leads) == ("mV", 500, record.leads)
    assert np.array_equal(again.signal, record.signal, equal_nan=True)


def test_the_time_of_a_window_is_that_of_its_first_sample(tmp_path: Path) -> None:
    header, _ = write_wfdb(simulate(Scenario(duration_s=12, fs_hz=500)).record, tmp_path, "rec")
    first, rest = header.read_text().split("\n", 1)
    header.write_text(f"{first} 20:00:00 01/01/2024\n{rest}")
    (tmp_path / "manifest").write_text(f"{tmp_path / 'rec.hea'}\n")
    assert main(["extract", "-m", str(tmp_path / "manifest"), "-f", "5", "-t", "0", "-d", str(tmp_path / "csv")]) == 0
    (table,) = (tmp_path / "csv").iterdir()
    (mapped,) = read_map(map_path(tmp_path / "csv")).values()
    assert mapped.acquired == "2024-01-01T20:00:05"
    assert read(table).n_samples == 3500


@pytest.mark.parametrize("folder", [Path("/"), Path("//")])
def test_nothing_lies_beside_the_root(folder: Path) -> None:
    assert mapped_beside(folder / "rec.txt") is None


def test_what_is_stated_must_agree_with_the_map(tmp_path: Path) -> None:
    table = extracted(tmp_path, wfdb_files("16"))
    assert read(table, fs_hz=500, unit="mV").unit == "mV"
    for wrong in ({"fs_hz": 250.0}, {"unit": "uV"}):
        with pytest.raises(InconsistentInput):
            read(table, **wrong)  # type: ignore[arg-type]


def test_without_its_map_a_table_has_no_unit(tmp_path: Path) -> None:
    table = extracted(tmp_path, wfdb_files("16"))
    (tmp_path / "csv.records.jsonl").write_text('{"record_id": "another"}\n')
    assert read(table, fs_hz=500).unit is None
    (tmp_path / "csv.records.jsonl").write_text(f'{{"record_id": "{table.stem}"}}\n')
    with pytest.raises(MalformedInput, match="record map"):
        read(table, fs_hz=500)


def test_names_with_commas_survive_extraction(tmp_path: Path) -> None:
    names = ("Lead I (Einthoven)", "aVR, augmented voltage, right", "Lead V1")
    header = wfdb_files("16")["rec.hea"].decode()
    for short, long in zip(("I", "II", "V1"), names, strict=True):
        header = header.replace(f" 0 {short}\n", f" 0 {long}\n")
    table = extracted(tmp_path, wfdb_files("16") | {"rec.hea": header.encode()})
    assert read(table).leads == ("I", "aVR", "V1")
    (tmp_path / "payloads").mkdir()
    assert main(["payloads", "-s", str(table.parent), "-d", str(tmp_path / "payloads"), "--version", "2"]) == 0
    (payload,) = (tmp_path / "payloads").iterdir()
    message = read(payload)
    assert (message.format, message.unit, message.leads) == ("cardioai", "mV", ("I", "aVR", "V1"))
    assert np.array_equal(message.signal, read(table).signal)
