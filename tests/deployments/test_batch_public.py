"""`ecg batch` over five public archives as they are downloaded: every recording analysed, and joined to its table."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.io

from ecg.leads import STANDARD_LEADS
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate
from tests.deployments.archive import write_wfdb
from tests.ecg.formats import archive_files

ROOT = Path(__file__).resolve().parents[2]
RATES_BPM = (52.0, 75.0, 118.0)
#: CODE-15 and the tables of Chapman name neither rate nor leads nor unit: their user does.
LEADS = ("--leads", ",".join(STANDARD_LEADS))


@dataclass(frozen=True)
class Archive:
    """A folder as it lies after the download; `heart_rates` by what the metadata say of a recording's key."""

    folder: Path
    table: str
    key: str
    rate_column: str
    stated: tuple[str, ...] = ()


def simulated(rate_bpm: float, fs_hz: float = 500.0) -> EcgRecord:
    """Ten seconds of sinus rhythm in millivolt, twelve leads."""
    return simulate(Scenario(heart_rate_bpm=rate_bpm, duration_s=10, fs_hz=fs_hz), seed=11).record


def ptb_xl(root: Path) -> Archive:
    rows = ["ecg_id,true_rate,filename_lr,filename_hr"]
    for number, rate in enumerate(RATES_BPM, 1):
        for folder, ending, fs_hz in (("records100", "lr", 100.0), ("records500", "hr", 500.0)):
            place = root / folder / "00000"
            place.mkdir(parents=True, exist_ok=True)
            write_wfdb(place, f"{number:05d}_{ending}", simulated(rate, fs_hz))
        rows.append(f"{number},{rate},records100/00000/{number:05d}_lr,records500/00000/{number:05d}_hr")
    (root / "ptbxl_database.csv").write_text("\n".join(rows))
    (root / "scp_statements.csv").write_text(",description\nNORM,normal ECG\n")
    (root / "LICENSE.txt").write_text("Creative Commons\n")
    return Archive(root / "records500", "../ptbxl_database.csv", "filename_hr", "true_rate")


def mimic_iv_ecg(root: Path) -> Archive:
    rows = ["subject_id,study_id,true_rate,path"]
    for study, rate in enumerate(RATES_BPM, 40_689_238):
        place = f"files/p1000/p10000032/s{study}"
        (root / place).mkdir(parents=True)
        write_wfdb(root / place, str(study), simulated(rate))
        rows.append(f"10000032,{study},{rate},{place}/{study}")
    (root / "record_list.csv").write_text("\n".join(rows))
    (root / "machine_measurements.csv").write_text("subject_id,report_0\n10000032,Sinus rhythm\n")
    return Archive(root, "record_list.csv", "path", "true_rate")


def code_15(root: Path) -> Archive:
    padded = np.zeros((len(RATES_BPM), 4096, 12), np.float32)
    for number, rate in enumerate(RATES_BPM):
        padded[number, 48:4048] = simulated(rate, 400.0).signal.T  # zeros before and after, as there
    (root / "exams_part0.hdf5").write_bytes(archive_files.hdf5({"exam_id": np.array([70, 12, 99]), "tracings": padded}))
    rows = [f"{exam},{rate},exams_part0.hdf5" for exam, rate in zip((70, 12, 99), RATES_BPM, strict=True)]
    (root / "exams.csv").write_text("\n".join(["exam_id,true_rate,trace_file", *rows]))
    return Archive(root, "exams.csv", "exam_id", "true_rate", ("--fs", "400", "--units", "mV", *LEADS))


def cinc_2021(root: Path) -> Archive:
    rows = ["name,true_rate"]
    for number, rate in enumerate(RATES_BPM, 1):
        place = root / "training" / "georgia" / f"g{number}"
        place.mkdir(parents=True)
        name = f"E{number:05d}"
        counts = np.round(simulated(rate).signal * 1000).astype("<i2")
        scipy.io.savemat(place / f"{name}.mat", {"val": counts}, format="4")
        lines = [
            f"{name}.mat 16x1+24 1000.0(0)/mV 16 0 {counts[i, 0]} 0 0 {lead}" for i, lead in enumerate(STANDARD_LEADS)
        ]
        (place / f"{name}.hea").write_text("\n".join([f"{name} 12 500 5000", *lines, "# Age: 53", "# Sex: Female"]))
        (place / "RECORDS").write_text(f"{name}\n")
        rows.append(f"{name},{rate}")
    (root / "REFERENCE.csv").write_text("\n".join(rows))
    return Archive(root, "REFERENCE.csv", "name", "true_rate")


def chapman(root: Path) -> Archive:
    (root / "ECGData").mkdir()
    rows = ["FileName,VentricularRate"]
    for number, rate in enumerate(RATES_BPM):
        name = f"MUSE_2018011{number}_120000_00000"
        heading = ",".join(STANDARD_LEADS)
        np.savetxt(
            root / "ECGData" / f"{name}.csv", simulated(rate).signal.T * 1000, "%.1f", ",", header=heading, comments=""
        )
        rows.append(f"{name},{rate}")
    (root / "Diagnostics.csv").write_text("\n".join(rows))
    return Archive(root, "Diagnostics.csv", "FileName", "VentricularRate", ("--fs", "500", "--units", "uV"))


#: Five commands in one process: each alone would spend most of its time on the imports.
COMMANDS = """
import json, sys
from ecg.cli import main
sys.exit(max(main(["batch", *command]) for command in json.load(sys.stdin)))
"""


def command(archive: Archive, out: Path, address: str) -> list[str]:
    """The arguments of `ecg batch` for an archive."""
    table = str(archive.folder / archive.table)
    where = [str(archive.folder), "--out", str(out), "--address", address, "--parts", "1"]
    return [*where, "--include", "measurements,quality", *archive.stated, "--metadata", table, "--key", archive.key]


def test_every_recording_of_an_archive_is_measured_and_joined(address: str, tmp_path: Path) -> None:
    archives: dict[str, Archive] = {}
    for write in (ptb_xl, mimic_iv_ecg, code_15, cinc_2021, chapman):
        root = tmp_path / write.__name__
        root.mkdir()
        archives[write.__name__] = write(root)
    commands = [command(archive, tmp_path / f"{name}_out", address) for name, archive in archives.items()]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input=json.dumps(commands),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name, archive in archives.items():
        out = tmp_path / f"{name}_out"
        measured = {row["path"]: row["heart_rate"] for row in pq.read_table(out / "recordings").to_pylist()}
        rows = pq.read_table(out / "metadata.parquet").to_pylist()
        joined = {row["path"]: float(row[archive.rate_column]) for row in rows}
        assert measured.keys() == joined.keys(), name
        assert sorted(joined.values()) == list(RATES_BPM), name
        for path, true_rate in joined.items():
            # A rate is known to the sample: at 118 beats a minute 2 ms are half a beat.
            assert measured[path] == pytest.approx(true_rate, abs=1.0), path
