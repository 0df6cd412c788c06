"""Reference recordings under ../shared/data, each set as recordings with what is known about them."""

import csv
from collections.abc import Iterator
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


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def ludb() -> Iterator[tuple[dict[str, float | None], EcgRecord]]:
    """Reference values (global intervals, rate, axis; None: absent) and recording."""
    for row in rows(DATA / "ludb" / "reference.csv"):
        name = row.pop("record")
        yield {key: float(text) if text else None for key, text in row.items()}, read("ludb", name)


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
    """A recording of leads without standard names, called by their place."""
    import wfdb

    header = wfdb.rdrecord(str(path.with_suffix("")))
    leads = tuple(f"ch{number}" for number in range(header.n_sig))
    return EcgRecord(header.p_signal.T.astype(np.float32), leads, float(header.fs), "mV", path.stem)
