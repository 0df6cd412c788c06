"""The small model of the package on recordings that it has not learnt from, alone and with the rules.

    python -m benchmarks.small_model

PTB-XL without the folds that it learnt from (`training.small.FOLDS`), LUDB and CinC-2021, from ../shared/data. The
model card (docs/model-card.md) has the same figures of the day it was written; here they are today's.
"""

from importlib.util import find_spec

import numpy as np

from benchmarks.datasets import DATA
from benchmarks.ptbxl import FOLDER
from benchmarks.results import Section
from ecg.labels import LABEL_NAMES
from ecg.models import load_model

TABLE = DATA / "diagnoses.csv"


def available() -> bool:
    """Whether the recordings and torch are there."""
    return FOLDER.is_dir() and TABLE.is_file() and find_spec("torch") is not None


def small_model() -> Section:
    """The chapter of the conformance report: a row of figures for each label that speaks."""
    from training.figures import LEAST_BOUND, brier_of, discrimination
    from training.small import FOLDS
    from training.together import ARCHIVE, answers, compared, unseen

    model = load_model("small", "torch", "float32", threads=1)
    origin, said, rules, truth = answers(model, unseen(FOLDER, TABLE, FOLDS))
    counts: list[tuple[str, str, str]] = []
    for index, name in enumerate(LABEL_NAMES):
        if np.isnan(said[:, index]).all():
            continue
        score, known = said[:, index], truth[:, index]
        groups = [(score[origin == one], known[origin == one]) for one in np.unique(origin)]
        found = discrimination(groups)
        area = f"{found.auroc:.3f} ({found.lower:.3f}–{found.upper:.3f}), {found.positives} positives"
        counts.append((f"{name}: AUROC (95 %)", area, f"lower bound ≥ {LEAST_BOUND:.2f}"))
        own, usual = brier_of(score[origin == ARCHIVE], known[origin == ARCHIVE]) or (np.nan, np.nan)
        counts.append((f"{name}: Brier score, {ARCHIVE}", f"{own:.4f}", f"below {usual:.4f}, the prevalence's"))
        both = compared(score, rules[:, index], known)
        if both is not None:
            alone = max(both["rules"], both["model"])
            told = f"{both['both']:.3f} (rules {both['rules']:.3f}, model {both['model']:.3f})"
            counts.append((f"{name}: sensitivity with rules at {both['specificity']:.3f}", told, f"≥ {alone:.3f}"))
    silent = int(np.isnan(said).all(axis=0).sum())
    intro = (
        f"{len(said)} recordings of {', '.join(np.unique(origin))} that the small model has not learnt from. "
        f"{silent} of its labels are silent. Sensitivities are at the specificity that the rules have. "
        f"Its calibration was fitted on the same recordings of {ARCHIVE}."
    )
    return Section("Small model", intro, counts=tuple(counts))


def main() -> int:
    if not available():
        print(f"{FOLDER}, {TABLE} and torch are needed.")
        return 1
    section = small_model()
    print(section.intro)
    for name, value, demand in section.counts:
        print(f"{name:66s} {value:44s} {demand}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
