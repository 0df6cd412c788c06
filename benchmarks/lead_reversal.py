"""Fit the limb-lead model of ecg/quality/reversal.py and count how many made reversals are found.

    python -m benchmarks.lead_reversal

Prints the coefficients, then sensitivity and false findings: fitted, and leaving one recording out.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks import datasets
from ecg.quality import reversal
from ecg.quality.figures import measure_figures
from ecg.record import EcgRecord

Floats = NDArray[np.float64]
RIDGE = 3.0  # on vectors of unit length, about 130 of them


def vectors_of(records: list[EcgRecord]) -> Floats:
    """float64 [recording, 3, 8]; recordings without two beats are left out."""
    found = []
    for record in records:
        beats = measure_figures(record, None).beats
        if beats.median_beats is not None:
            rows = [record.leads.index(lead) for lead in reversal.INDEPENDENT_LEADS]
            found.append(reversal.wave_vectors(beats.median_beats[rows], beats.fs_hz))
    return np.stack(found)


def fit(vectors: Floats) -> reversal.LimbModel:
    predict, covariance = [], []
    for wave in range(vectors.shape[1]):
        there = vectors[vectors[:, wave].any(axis=1), wave]  # recordings without P waves do not count for P
        seen, limb = there[:, 2:], there[:, :2]
        predict.append(np.linalg.solve(seen.T @ seen + RIDGE * np.eye(6), seen.T @ limb))
        left = limb - seen @ predict[-1]
        covariance.append(left.T @ left / len(left))
    return reversal.LimbModel(np.stack(predict), np.linalg.inv(np.stack(covariance)))


def found(vectors: Floats, made: str | None, model: reversal.LimbModel) -> str | None:
    return reversal.limb_reversal(reversal.exchanged(vectors, made) if made else vectors, model)


def report(title: str, answers: dict[str | None, list[str | None]]) -> None:
    print(title)
    for made, given in answers.items():
        right, any_ = (sum(answer == made for answer in given), sum(answer is not None for answer in given))
        print(f"  {made or 'none':6}  named {right:3d}  any reversal found {any_:3d}  of {len(given)}")


def main() -> None:
    ludb = vectors_of([record for _, record in datasets.ludb()])
    names = sorted(path.stem for path in (datasets.DATA / "cinc2021_sample").glob("*.hea"))
    other = vectors_of([datasets.read("cinc2021_sample", name) for name in names])
    made: list[str | None] = [None, *reversal.EXCHANGES]

    every = np.concatenate([ludb, other])
    model = fit(every)
    for name, array in (("predict", model.predict), ("covariance", np.linalg.inv(model.precision))):
        print(name, "=", np.array2string(array, separator=", ", precision=4, suppress_small=True))
    report("LUDB, as committed", {kind: [found(v, kind, reversal.MODEL) for v in ludb] for kind in made})
    without = [fit(np.delete(every, index, axis=0)) for index in range(len(ludb))]
    left_out = {kind: [found(v, kind, model) for v, model in zip(ludb, without, strict=True)] for kind in made}
    report("LUDB, each recording left out of the fit", left_out)
    model = fit(ludb)
    report("CinC-2021 sample, fitted on LUDB alone", {kind: [found(v, kind, model) for v in other] for kind in made})


if __name__ == "__main__":
    main()
