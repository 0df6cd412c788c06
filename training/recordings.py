"""The recordings that are learnt from, standardised at 500 Hz and cached as int16 with their targets."""

import ast
import csv
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ecg.errors import EcgError
from ecg.formats import read
from ecg.leads import STANDARD_LEADS
from ecg.measurement.intervals import measure
from ecg.models.ecgfm.preparation import prepare
from ecg.record import EcgRecord
from training.simulated import draw, varied
from training.statements import AUXILIARY, auxiliary_of, labels_of

SAMPLES = 5000
#: int16 steps of one standard deviation of a lead.
STEPS = 1000.0
#: Learnt beside the labels: log2 of the rate over 75 per minute, then PR, QRS and QT over usual values and spreads.
INTERVALS = ("rate", "pr", "qrs", "qt")
VERSION = "2"


@dataclass(frozen=True)
class Example:
    """One recording as it is kept: float32 [12, 5000] standardised, labels [17], statements, intervals, its fold."""

    name: str
    signal: NDArray[np.float32]
    labels: NDArray[np.float32]
    auxiliary: NDArray[np.float32]
    intervals: NDArray[np.float32]
    fold: int
    sex: str = ""
    age: float = float("nan")


@dataclass(frozen=True)
class Recordings:
    """Cached examples: `signal` int16 [n, 12, 5000] mapped from its file, and everything else in memory."""

    signal: NDArray[np.int16]
    names: NDArray[np.str_]
    labels: NDArray[np.float32]
    auxiliary: NDArray[np.float32]
    intervals: NDArray[np.float32]
    fold: NDArray[np.int16]
    sex: NDArray[np.str_]
    age: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.fold)

    def sha256(self) -> str:
        """Of samples, targets and folds: two trainings with the same one learnt from the same."""
        digest = hashlib.sha256()
        for values in (self.signal, self.labels, self.auxiliary, self.intervals, self.fold):
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


def simulated(count: int, first_seed: int = 0) -> Iterator[Example]:
    """`count` simulated recordings; their fold is 0."""
    for seed in range(first_seed, first_seed + count):
        made, labels = draw(seed)
        record = EcgRecord(varied(made, seed), STANDARD_LEADS, 500.0, None)
        truth = made.truth
        rate, has_p = truth.heart_rate_bpm, truth.pr_ms is not None and truth.scenario.rhythm == "sinus"
        intervals = _intervals(rate, truth.pr_ms if has_p else None, truth.qrs_ms, truth.qt_ms)
        nothing = np.full(len(AUXILIARY), np.nan, dtype=np.float32)
        yield Example(f"simulated-{seed}", _standardised(record), labels, nothing, intervals, 0)


def ptbxl_standardised(folder: Path) -> Iterator[Example]:
    """PTB-XL as `foldN.npz` files of 250 Hz, int16 thousandths of each lead's deviation, beside `labels.csv`."""
    for name, record, codes, person in standardised_records(folder):
        yield _ptbxl(name, record, codes, person)


def standardised_records(folder: Path) -> Iterator[tuple[str, EcgRecord, list[str], "Person"]]:
    """Name, recording, statements and person of each record of such a folder; limb leads obey Einthoven's law."""
    with (folder / "labels.csv").open() as file:
        rows = {row["record"]: row for row in csv.DictReader(file)}
    for path in sorted(folder.glob("fold*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            names, signals = stored["record"], stored["signal"]
        for name, samples in zip(names, signals, strict=True):
            row = rows[str(name)]
            scaled = samples.astype(np.float32) / 1000.0
            for index, lead in enumerate(STANDARD_LEADS[:6]):
                scaled[index] *= float(row[f"scale_{lead}"])
            record = EcgRecord(scaled, STANDARD_LEADS, 250.0, None)
            codes = [code for code in row["scp_statements"].split(";") if code]
            yield str(name), record, codes, Person(int(row["fold"]), row["sex"], float(row["age"] or "nan"))


def ptbxl_archive(folder: Path) -> Iterator[Example]:
    """PTB-XL as downloaded: `ptbxl_database.csv` and WFDB records of 500 Hz. Likelihoods of 0 count as not stated."""
    with (folder / "ptbxl_database.csv").open() as file:
        for row in csv.DictReader(file):
            stated = ast.literal_eval(row["scp_codes"])  # a Python dictionary of literals, as PTB-XL prints it
            # A likelihood of 0 means "not known" in PTB-XL; its readers give rhythm statements that way.
            codes = [str(code) for code, likelihood in stated.items() if likelihood > 0 or code not in _LIKELIHOOD]
            record = read(folder / f"{row['filename_hr']}.hea")
            sex = {"0": "male", "1": "female"}.get(row["sex"], "")
            person = Person(int(row["strat_fold"]), sex, float(row["age"] or "nan"))
            yield _ptbxl(f"{int(float(row['ecg_id'])):05d}", record, codes, person)


class Person(NamedTuple):
    """In which fold a recording is, and of whom; sex empty and age NaN where they are not known."""

    fold: int
    sex: str
    age: float


def _ptbxl(name: str, record: EcgRecord, codes: Sequence[str], person: Person) -> Example:
    try:
        found = measure(record)
        intervals = _intervals(
            found.heart_rate.value, found.pr_interval.value, found.qrs_duration.value, found.qt_interval.value
        )
    except EcgError:
        intervals = _intervals(None, None, None, None)
    return Example(name, _standardised(record), labels_of(codes), auxiliary_of(codes), intervals, *person)


def _standardised(record: EcgRecord) -> NDArray[np.float32]:
    segments = prepare(record)[:2]
    joined: NDArray[np.float32] = segments.transpose(1, 0, 2).reshape(12, -1)
    return joined


def _intervals(rate: float | None, pr: float | None, qrs: float | None, qt: float | None) -> NDArray[np.float32]:
    def scaled(value: float | None, centre: float, spread: float) -> float:
        return float("nan") if value is None else (value - centre) / spread

    logarithm = float("nan") if not rate else float(np.log2(rate / 75.0))
    return np.array(
        [2 * logarithm, scaled(pr, 160, 40), scaled(qrs, 100, 25), scaled(qt, 400, 50)], dtype=np.float32
    ).clip(-4, 4)


def cached(folder: Path, name: str, make: Callable[[], Iterator[Example]], say: Callable[[str], None]) -> Recordings:
    """The recordings of `make`, from the cache in `folder` when they are there."""
    stem = folder / f"{name}-v{VERSION}"
    table, samples = stem.with_suffix(".npz"), stem.with_suffix(".i16.npy")
    if not (table.exists() and samples.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        _fill(table, samples, make(), name, say)
    with np.load(table, allow_pickle=False) as stored:
        fields = {key: stored[key] for key in stored.files}
    return Recordings(np.load(samples, mmap_mode="r"), **fields)


def _fill(table: Path, samples: Path, examples: Iterator[Example], what: str, say: Callable[[str], None]) -> None:
    """Write the two files of a cache entry; the table last, because its presence says that the entry is whole."""
    kept: list[Example] = []
    raw = samples.with_suffix(".raw")
    # With two threads matrix products round otherwise than with one, and the cache would be another.
    with raw.open("wb") as file, threadpool_limits(limits=1, user_api="blas"):
        for example in examples:
            if example.signal.shape != (12, SAMPLES):
                say(f"{example.name} is not ten seconds long and is left out")
                continue
            file.write(np.clip(np.rint(example.signal * STEPS), -32767, 32767).astype(np.int16).tobytes())
            kept.append(Example(**{**vars(example), "signal": np.empty(0, np.float32)}))
            if len(kept) % 500 == 0:
                say(f"{what}: {len(kept)} recordings cached")
    signal = np.memmap(raw, np.int16, "r", shape=(len(kept), 12, SAMPLES))
    np.save(samples, signal)
    raw.unlink()
    draft = table.with_suffix(".draft.npz")
    np.savez(
        draft,
        names=np.array([e.name for e in kept]),
        labels=np.stack([e.labels for e in kept]),
        auxiliary=np.stack([e.auxiliary for e in kept]),
        intervals=np.stack([e.intervals for e in kept]),
        fold=np.array([e.fold for e in kept], np.int16),
        sex=np.array([e.sex for e in kept]),
        age=np.array([e.age for e in kept], np.float32),
    )
    os.replace(draft, table)


#: Diagnostic statements carry a likelihood; rhythm and form statements stand with 0.
_LIKELIHOOD = frozenset(
    (
        "NORM",
        "NDT",
        "LVH",
        "LAFB",
        "ISC_",
        "ASMI",
        "IRBBB",
        "IMI",
        "IVCD",
        "ISCAL",
        "LAO/LAE",
        "1AVB",
        "CRBBB",
        "CLBBB",
        "WPW",
        "2AVB",
        "3AVB",
        "ILMI",
        "AMI",
        "ALMI",
        "LMI",
        "IPLMI",
        "IPMI",
        "PMI",
        "LPFB",
    )
)
