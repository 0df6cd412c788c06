"""Tables of `ecg extract`, read with the gain, baseline and rate of the record map beside their folder."""

from pathlib import Path

import numpy as np
import pytest

from ecg import read
from ecg.cli import main
from ecg.errors import InconsistentInput, MalformedInput
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
