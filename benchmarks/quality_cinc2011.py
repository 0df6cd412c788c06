"""Acceptable or not on the CinC-2011 recordings: with the committed limits, and with limits chosen without the record.

    python -m benchmarks.quality_cinc2011

The four limits that make a recording Poor are chosen on a grid from all recordings but one, which is then graded.
"""

import csv
from dataclasses import replace
from itertools import product

import numpy as np

import ecg
from benchmarks import datasets
from ecg.quality.assess import grade
from ecg.quality.figures import Figures, measure_figures
from ecg.quality.limits import GRADES_FROM, GradeLimits

GRID = {
    "unreadable": (0.4, 0.5, 0.54, 0.6, 0.7),
    "mean_shift": (0.1, 0.15, 0.2, 0.28, 0.35, 0.5),
    "saturated_s": (0.05, 0.1, 0.2, 0.5),
    "disagreement": (0.1, 0.2, 0.3, 0.5),
}


def recordings() -> list[tuple[Figures, bool, list[bool]]]:
    """Figures, whether the group called it acceptable, and whether others called each lead bad."""
    rows = csv.DictReader((datasets.DATA / "cinc2011_quality" / "labels.csv").read_text().splitlines())
    flags = [[row[f"col{column}_bad"] == "1" for column in range(1, 13)] for row in rows]
    known = zip(datasets.cinc2011(), flags, strict=True)
    return [
        (measure_figures(record, ecg.measure(record).beats.r_samples), acceptable, bad)
        for (acceptable, record), bad in known
    ]


def variants() -> list[GradeLimits]:
    found = []
    for values in product(*GRID.values()):
        changed = {
            name: replace(getattr(GRADES_FROM, name), poor=value) for name, value in zip(GRID, values, strict=True)
        }
        found.append(replace(GRADES_FROM, **changed))
    return found


def accuracy_left_out(records: list[tuple[Figures, bool, list[bool]]]) -> float:
    """Share of the recordings graded rightly by limits chosen without them, the mean over equally good limits."""
    truth = np.array([acceptable for _, acceptable, _ in records])
    answers = np.array(
        [[grade(datasets.CINC2011_LEADS, f, limits).acceptable for f, _, _ in records] for limits in variants()]
    )
    right = answers == truth
    out = []
    for index in range(len(records)):
        score = np.delete(right, index, axis=1).mean(axis=1)
        out.append(right[score == score.max(), index].mean())
    return float(np.mean(out))


def main() -> None:
    records = recordings()
    truth = np.array([acceptable for _, acceptable, _ in records])
    qualities = [grade(datasets.CINC2011_LEADS, figures, GRADES_FROM) for figures, _, _ in records]
    given = np.array([quality.acceptable for quality in qualities])
    print(f"committed limits: accuracy {np.mean(given == truth):.3f}", end=", ")
    print(f"acceptable found {np.mean(given[truth]):.2f}, unacceptable found {np.mean(~given[~truth]):.2f}")

    print(f"limits chosen without the record: accuracy {accuracy_left_out(records):.3f}")

    # per-lead flags of another group: a lead graded Fair or Poor is called bad
    bad = np.array([flags for _, _, flags in records])
    called = np.array([[lead.grade in ("Fair", "Poor") for lead in quality.per_lead] for quality in qualities])
    print(f"per lead: bad leads called bad {called[bad].mean():.2f}, others called so {called[~bad].mean():.2f}")


if __name__ == "__main__":
    main()
