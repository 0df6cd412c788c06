"""Reference recordings under ../shared/data, each set as recordings with what is known about them."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

import ecg
from ecg.leads import STANDARD_LEADS
from ecg.record import EcgRecord

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BEAT_SYMBOLS = set("NLRBAaJSVrFejnE/fQ?")
CINC2011_LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")  # their order
Index = NDArray[np.int64]
EDGE_FOLDS = 4  # of LUDB, by which the edge network was trained
EDGE_FOLD = 2  # the one its weights have not seen


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def ludb() -> Iterator[tuple[dict[str, float | None], EcgRecord]]:
    """Reference values (intervals between the middle marks of the leads, rate, axis; None: absent) and recording."""
    middle = {row["record"]: row for row in rows(DATA / "ludb" / "reference_middle.csv")}
    for row in rows(DATA / "ludb" / "reference.csv"):
        name = row.pop("record")
        row |= {key: text for key, text in middle[name].items() if key != "record"}
        yield {key: float(text) if text else None for key, text in row.items()}, read("ludb", name)


def seen_by_edge_network(names: list[str]) -> list[bool]:
    """Whether the shipped edge network was trained on each recording of LUDB, in the order of its reference."""
    return [int(fold) != EDGE_FOLD for fold in edge_folds(len(names), EDGE_FOLDS)]


def edge_folds(n: int, folds: int) -> Index:
    """The fold of each of n recordings by which `training/edges.py` cuts LUDB, int64 [n]."""
    return np.random.default_rng(0).permutation(n) % folds


def ludb_gains(record: EcgRecord) -> NDArray[np.float64]:
    """What each lead of a LUDB recording must be multiplied with to have one gain: its header's, float64 [lead]."""
    import wfdb  # its pandas warns when it is imported: only where it is needed

    return np.array(wfdb.rdheader(str(DATA / "ludb" / str(record.name))).adc_gain) / 1e3


def diagnoses() -> Iterator[tuple[str, dict[str, bool | None], EcgRecord]]:
    """Name, the 17 labels (None: not stated) and recording."""
    for row in rows(DATA / "diagnoses.csv"):
        name = row.pop("record")
        yield name, {key: {"1": True, "0": False}.get(text) for key, text in row.items()}, read(*name.split("/"))


def read(folder: str, name: str) -> EcgRecord:
    if folder != "code15":
        return ecg.read(DATA / folder / f"{name}.hea")
    content = loadmat(DATA / folder / f"{name}.mat")
    fs_hz = float(np.squeeze(content["curr_sample_rate"]))
    return EcgRecord(content["feats"].astype(np.float32), STANDARD_LEADS, fs_hz, None, name)


def cinc2011() -> Iterator[tuple[bool, EcgRecord]]:
    """Whether the group called it acceptable, and recording."""
    folder = DATA / "cinc2011_quality"
    for row in rows(folder / "labels.csv"):
        samples = np.loadtxt(folder / f"{row['record']}.txt", delimiter=",")[:, 1:].T
        record = EcgRecord(samples.astype(np.float32), CINC2011_LEADS, 500.0, None, row["record"])
        yield row["group_label"] == "acceptable", record


def beat_sets() -> Iterator[tuple[str, Index, EcgRecord]]:
    """Set name, reference beats in samples, and recording."""
    import wfdb  # its pandas warns when it is imported: only where it is needed

    for title, folder in (("MIT-BIH 100, SVDB 800", "mitdb_svdb"), ("CPSC-2021", "cpsc2021_af")):
        for path in sorted((DATA / folder).glob("*.hea")):
            marks = wfdb.rdann(str(path.with_suffix("")), "atr")
            beats = [at for at, symbol in zip(marks.sample, marks.symbol, strict=True) if symbol in BEAT_SYMBOLS]
            yield title, np.array(beats, dtype=np.int64), _two_leads(path)
    for path in sorted((DATA / "cpsc2019_qrs" / "data").glob("*.mat")):
        beats = loadmat(path.parent.parent / "ref" / path.name.replace("data_", "R_"))["R_peak"].ravel()
        signal = loadmat(path)["ecg"].T.astype(np.float32)
        yield "CPSC-2019", np.sort(beats.astype(np.int64)), EcgRecord(signal, ("II",), 500.0, "mV", path.stem)


def windows() -> Iterator[tuple[str, dict[str, bool], EcgRecord]]:
    """Name, annotated labels and samples of each 10 s of MIT-BIH 100, SVDB 800 and CPSC-2021.

    A stretch that is part fibrillation and part not is left out.
    """
    import wfdb

    paths = [path for folder in ("mitdb_svdb", "cpsc2021_af") for path in sorted((DATA / folder).glob("*.hea"))]
    for path in paths:
        record = _two_leads(path)
        marks = wfdb.rdann(str(path.with_suffix("")), "atr")
        fibrillates = np.zeros(record.n_samples, dtype=bool)
        for at, note in zip(marks.sample, marks.aux_note, strict=True):
            if note in ("(AFIB", "(N"):
                fibrillates[at:] = note == "(AFIB"
        ventricular = np.array([at for at, symbol in zip(marks.sample, marks.symbol, strict=True) if symbol == "V"])
        length = round(10 * record.fs_hz)
        for start in range(0, record.n_samples - length + 1, length):
            share = fibrillates[start : start + length].mean()
            if 0.02 < share < 0.98:
                continue
            labels = {
                "Atrial fibrillation": bool(share > 0.5),
                "Premature ventricular contraction": bool(
                    ((ventricular >= start) & (ventricular < start + length)).any()
                ),
            }
            piece = replace(record, signal=record.signal[:, start : start + length])
            yield f"{path.stem} at {round(start / record.fs_hz)} s", labels, piece


def qtdb() -> Iterator[tuple[list[dict[str, int]], EcgRecord]]:
    """Marks of each beat by the first annotator (samples of R, QRS onset and end, T end), and recording."""
    import wfdb

    for path in sorted((DATA / "qtdb").glob("*.hea")):
        marks = wfdb.rdann(str(path.with_suffix("")), "q1c")
        yield _beats(list(marks.symbol), [int(at) for at in marks.sample], list(marks.num)), _two_leads(path)


def _beats(symbols: list[str], samples: list[int], numbers: list[int]) -> list[dict[str, int]]:
    """Marks gathered beat by beat: a bracket's `num` says which wave it belongs to (0 P, 1 QRS, 2 T)."""
    beats: list[dict[str, int]] = []
    for symbol, at, number in zip(symbols, samples, numbers, strict=True):
        if symbol == "(" and number == 1:
            beats.append({"qrs_onset": at})
        elif beats and symbol == ")" and number in (1, 2):
            beats[-1][{1: "qrs_offset", 2: "t_end"}[number]] = at
        elif beats and symbol in BEAT_SYMBOLS and "r" not in beats[-1]:
            beats[-1]["r"] = at
    return [beat for beat in beats if "r" in beat]


def _two_leads(path: Path) -> EcgRecord:
    """A recording in WFDB format; leads without a standard name are called by their place."""
    import wfdb

    header = wfdb.rdrecord(str(path.with_suffix("")))
    names = [name if name in STANDARD_LEADS else {"MLII": "II"}.get(name) for name in header.sig_name]
    leads = tuple(name or f"ch{number}" for number, name in enumerate(names))
    return EcgRecord(header.p_signal.T.astype(np.float32), leads, float(header.fs), "mV", path.stem)
