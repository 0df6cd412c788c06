"""PTB-XL in both of its forms, made here from simulated recordings."""

import csv
from pathlib import Path

import numpy as np
import pytest

from ecg.errors import EcgError
from ecg.formats.writers import write_wfdb
from ecg.leads import STANDARD_LEADS
from ecg.models.ecgfm.preparation import prepare
from ecg.record import EcgRecord
from ecg.simulation import SCENARIOS, simulate
from training.recordings import STEPS, cached, ptbxl_archive, ptbxl_standardised


def write_standardised(folder: Path, names: dict[str, tuple[int, str]]) -> None:
    """`foldN.npz` and `labels.csv` of simulated recordings: scenario name to fold and statements."""
    folder.mkdir(exist_ok=True)
    rows, by_fold = [], {}
    for number, (name, (fold, codes)) in enumerate(names.items()):
        record = simulate(SCENARIOS[name.split("-")[0]], number).record
        lower = record.signal[:, ::2]
        deviation = lower.std(axis=1)
        scaled = (lower - lower.mean(axis=1, keepdims=True)) / deviation[:, None] * 1000
        by_fold.setdefault(fold, []).append((f"{number:05d}", scaled.astype(np.int16)))
        scales = deviation[:6] / deviation[:6].max()
        rows.append(
            {"record": f"{number:05d}", "fold": fold, "age": 40 + number, "sex": "female", "scp_statements": codes}
            | {f"scale_{lead}": float(scale) for lead, scale in zip(STANDARD_LEADS[:6], scales, strict=True)}
        )
    for fold, kept in by_fold.items():
        ids, signals = zip(*kept, strict=True)
        np.savez(folder / f"fold{fold}.npz", record=np.array(ids), signal=np.stack(signals))
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_standardised_archive_is_read_with_its_fold_person_and_intervals(tmp_path: Path) -> None:
    write_standardised(tmp_path, {"sinus": (3, "SR;NORM"), "lbbb": (6, "SR;CLBBB")})
    first, second = ptbxl_standardised(tmp_path)
    assert (first.fold, first.sex, first.age) == (3, "female", 40.0)
    assert second.labels[14] == 1  # left bundle branch block
    rate = 75 * 2 ** (first.intervals[0] / 2)
    assert rate == pytest.approx(72, abs=2)
    lower = simulate(SCENARIOS["sinus"], 0).record.signal[:, ::2]
    expected = prepare(EcgRecord(np.ascontiguousarray(lower), STANDARD_LEADS, 250.0, None))
    np.testing.assert_allclose(first.signal, expected.transpose(1, 0, 2).reshape(12, -1), atol=0.01)  # int16 steps


def test_the_archive_as_downloaded_is_read_by_its_own_table(tmp_path: Path) -> None:
    write_wfdb(simulate(SCENARIOS["rbbb"], 1).record, tmp_path, "00007_hr")
    row = {
        "ecg_id": "7.0",
        "sex": "0",
        "age": "61.0",
        "strat_fold": "10",
        "filename_hr": "00007_hr",
        "scp_codes": "{'CRBBB': 100.0, 'IMI': 0.0, 'SR': 0.0}",
    }
    with (tmp_path / "ptbxl_database.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    (example,) = ptbxl_archive(tmp_path)
    assert (example.name, example.fold, example.sex, example.age) == ("00007", 10, "male", 61.0)
    assert example.labels[13] == 1  # right bundle branch block
    assert example.labels[1] == 1  # a rhythm statement stands with likelihood 0 and counts
    assert example.labels[15] == 0  # a diagnosis of likelihood 0 does not
    assert example.signal.shape == (12, 5000)


def test_a_code_column_that_is_a_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ptbxl_database.csv").write_text(
        "ecg_id,sex,age,strat_fold,filename_hr,scp_codes\n7,0,61,10,x,__import__('os').getcwd()\n"
    )
    with pytest.raises((ValueError, EcgError)):
        list(ptbxl_archive(tmp_path))


def test_a_cache_is_filled_once_and_read_as_it_was_made(tmp_path: Path) -> None:
    write_standardised(tmp_path / "archive", {"sinus": (3, "SR;NORM"), "pvc": (6, "SR;PVC")})
    made = cached(tmp_path / "cache", "ptbxl", lambda: ptbxl_standardised(tmp_path / "archive"), print)
    first = next(iter(ptbxl_standardised(tmp_path / "archive")))
    np.testing.assert_allclose(made.signal[0] / STEPS, first.signal, atol=0.5 / STEPS + 1e-6)

    def again() -> None:
        raise AssertionError("the cache was there")

    kept = cached(tmp_path / "cache", "ptbxl", again, print)  # type: ignore[arg-type]
    np.testing.assert_array_equal(kept.signal, made.signal)
    np.testing.assert_array_equal(kept.labels, made.labels)
    assert kept.names.tolist() == ["00000", "00001"]
