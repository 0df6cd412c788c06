"""A small archive as people have them: WFDB and JSON in nested folders, and files that cannot be analysed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import wfdb

from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate

#: Files of `write_archive` that have no row in the result, and the code of their failure.
BROKEN = {
    "json/cut.json": "malformed_input",
    "json/four_seconds.json": "recording_too_short",
    "json/gap.json": "invalid_samples",
    "json/limb_only.json": "missing_leads",
    "json/too_long.json": "recording_too_long",
    "wfdb/deep/no_signal_file.hea": "malformed_input",
    "wfdb/empty.hea": "malformed_input",
    "wfdb/escape.hea": "malformed_input",
}


def record(heart_rate_bpm: float, duration_s: float = 10.0) -> EcgRecord:
    return simulate(Scenario(heart_rate_bpm=heart_rate_bpm, duration_s=duration_s, fs_hz=500), seed=7).record


def write_json(path: Path, recording: EcgRecord, leads: int = 12) -> None:
    signal = [[None if np.isnan(v) else round(float(v), 4) for v in row] for row in recording.signal[:leads]]
    body = {"signal": signal, "fs": recording.fs_hz, "lead_names": recording.leads[:leads], "units": "mV"}
    path.write_bytes(orjson.dumps(body))


def write_wfdb(folder: Path, name: str, recording: EcgRecord) -> None:
    wfdb.wrsamp(
        name,
        fs=recording.fs_hz,
        units=["mV"] * 12,
        sig_name=list(recording.leads),
        p_signal=recording.signal.T,
        fmt=["16"] * 12,
        write_dir=str(folder),
    )


def write_archive(root: Path, good: int) -> list[str]:
    """Write `good` sound recordings, half of them WFDB, and those of `BROKEN`; relative paths of the sound ones."""
    for folder in ("json", "wfdb/deep"):
        (root / folder).mkdir(parents=True)
    paths = []
    for number in range(good):
        recording = record(50 + 3 * number, duration_s=10 if number % 5 else 17)
        if number % 2:
            write_json(root / "json" / f"r{number:03d}.json", recording)
            paths.append(f"json/r{number:03d}.json")
        else:
            folder = "wfdb/deep" if number % 4 else "wfdb"
            write_wfdb(root / folder, f"r{number:03d}", recording)
            paths.append(f"{folder}/r{number:03d}.hea")
    (root / "json/cut.json").write_bytes((root / "json/r001.json").read_bytes()[:-9])
    sinus = record(60)
    write_json(root / "json/four_seconds.json", replace(sinus, signal=sinus.signal[:, :2000]))
    gap = sinus.signal.copy()
    gap[3, 100:200] = np.nan
    write_json(root / "json/gap.json", replace(sinus, signal=gap))
    write_json(root / "json/limb_only.json", sinus, leads=6)
    flat = np.zeros((12, 61_000), np.float32)
    write_json(root / "json/too_long.json", replace(sinus, signal=flat, fs_hz=100.0), leads=2)
    (root / "wfdb/deep/no_signal_file.hea").write_text("x 1 500 5000\nx.dat 16 1000/mV 16 0 0 0 0 II\n")
    (root / "wfdb/empty.hea").write_text("")
    (root / "wfdb/escape.hea").write_text("x 1 500 5000\n../../../etc/passwd 16 1000/mV 16 0 0 0 0 II\n")
    (root / "wfdb/notes.txt").write_text("not a recording, and not taken for one")
    return paths
