"""What rules and model find alone and together, on recordings that the model has not learnt from.

    python -m training.together --archive ptbxl_40hz/ --external diagnoses.csv --out build/small

Reads `small.safetensors` and `evidence.json` of `--out` and writes `together.json` beside them. For each validated
label: the sensitivity of the rules at their own specificity, and of the model alone and of both
(`ecg.report.conclusion.weighed`) at the same; and of the model at an even chance, and of both at that specificity.
"""

import argparse
import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg.labels import LABEL_NAMES
from ecg.models import Model, load_model
from ecg.models.ecgfm.preparation import prepare
from ecg.models.result import infer
from ecg.pipeline import examine
from ecg.record import EcgRecord
from ecg.report.conclusion import SCORE_CUTOFF, weighed
from training.external import labelled
from training.recordings import standardised_records
from training.small import DATABASES
from training.statements import labels_of

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
ARCHIVE = "PTB-XL"


def at_specificity(scores: NDArray[np.float64], truth: NDArray[np.float32], specificity: float) -> float:
    """The share of positives found when as many negatives as `specificity` allows score higher or equal."""
    negatives = np.sort(scores[truth == 0])[::-1]
    allowed = round((1 - specificity) * len(negatives))
    threshold = negatives[allowed] if allowed < len(negatives) else -np.inf
    return float((scores[truth == 1] > threshold).mean())


def compared(
    said: NDArray[np.float64], rules: NDArray[np.float64], truth: NDArray[np.float32]
) -> dict[str, float] | None:
    """Figures of one label over recordings: probabilities, rules (1 present, 0 absent, NaN open) and truth [n].

    None without positives and negatives.
    """
    known = ~np.isnan(truth) & ~np.isnan(said)
    said, rules, truth = said[known], rules[known], truth[known]
    if not 0 < truth.sum() < len(truth):
        return None
    present = [None if np.isnan(rule) else bool(rule) for rule in rules]
    both = np.array([weighed(float(p), rule) for p, rule in zip(said, present, strict=True)])
    specificity, even = float((rules[truth == 0] != 1).mean()), float((said[truth == 0] < SCORE_CUTOFF).mean())
    figures = {
        "specificity": specificity,
        "rules": float((rules[truth == 1] == 1).mean()),
        "model": at_specificity(said, truth, specificity),
        "both": at_specificity(both, truth, specificity),
        "specificity_of_model": even,
        "model_alone": float((said[truth == 1] >= SCORE_CUTOFF).mean()),
        "both_there": at_specificity(both, truth, even),
        "answered_specificity": float((both[truth == 0] < SCORE_CUTOFF).mean()),
        "answered": float((both[truth == 1] >= SCORE_CUTOFF).mean()),
    }
    counts = {"positives": int(truth.sum()), "negatives": int((truth == 0).sum())}
    return counts | {name: round(value, 4) for name, value in figures.items()}


def unseen(archive: Path, external: Path, learnt: Collection[int]) -> Iterator[tuple[str, EcgRecord, Floats]]:
    """Origin, recording and labels [17] of a folder of `foldN.npz` without the folds learnt from, and of a table."""
    for _, record, codes, person in standardised_records(archive):
        if person.fold not in learnt:
            yield ARCHIVE, record, labels_of(codes)
    for database in DATABASES:
        for record, example in labelled(external, database):
            yield database, record, example.labels


def answers(
    model: Model, recordings: Iterable[tuple[str, EcgRecord, Floats]]
) -> tuple[NDArray[np.str_], Doubles, Doubles, Floats]:
    """Origin [n], and probabilities, rules (1 present, 0 absent) and truth [n, 17]; NaN where there is no answer."""
    origins, said, rules, truth = [], [], [], []
    for origin, record, labels in recordings:
        (result,) = infer(model, [prepare(record)])
        present = {finding.label: finding.present for finding in examine(record).findings}
        origins.append(origin)
        said.append(result.scores)
        rules.append([np.nan if (rule := present.get(name)) is None else float(rule) for name in LABEL_NAMES])
        truth.append(labels)
    return np.array(origins), np.array(said, np.float64), np.array(rules, np.float64), np.array(truth, np.float32)


def main(arguments: list[str] | None = None) -> int:
    """Compare, and write what came of it; the exit status is 0."""
    parser = argparse.ArgumentParser(
        "python -m training.together", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--archive", type=Path, required=True, help="folder of foldN.npz and labels.csv")
    parser.add_argument("--external", type=Path, required=True, help="table of labelled recordings (diagnoses.csv)")
    parser.add_argument("--out", type=Path, required=True, help="folder that training.small wrote to")
    args = parser.parse_args(arguments)
    learnt = frozenset(json.loads((args.out / "evidence.json").read_text())["folds"])
    model = load_model(args.out / "small.safetensors", "torch", "float32", threads=1)
    _, scores, decided, known = answers(model, unseen(args.archive, args.external, learnt))
    table = {name: compared(scores[:, i], decided[:, i], known[:, i]) for i, name in enumerate(LABEL_NAMES)}
    kept = {name: row for name, row in table.items() if row is not None}
    (args.out / "together.json").write_text(json.dumps(kept, indent=1) + "\n")
    for name, row in kept.items():
        print(f"{name}: {row}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
