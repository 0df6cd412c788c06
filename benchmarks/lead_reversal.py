"""Fit the limb-lead models of ecg/quality/reversal.py and count how many made reversals are found.

    python -m benchmarks.lead_reversal [--write]

The models are fitted on LUDB, the CinC-2021 sample, CODE-15 and the acceptable half of CinC-2011; `--write` puts them
into ecg/quality/limb_leads.json. Printed: found and false findings as committed, then in ten folds, each recording
judged by models fitted without it, and the same at other margins (the mean over five ways to cut the folds).
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ecg
from benchmarks import datasets
from ecg.quality import reversal
from ecg.quality.reversal import WAVES, WaveModel, exchange_gains, exchanged, has_clear_p, wave_vectors
from ecg.record import EcgRecord

Floats = NDArray[np.float64]
Vectors = dict[str, Floats]
RIDGE = 0.2  # on vectors of unit length, about 150 of them
SHRINK = 0.2  # of the covariance towards its diagonal
FLOOR = 0.001  # of the mean variance, added to it
FOLDS, CUTS = 10, 5
MARGINS = ((0.0, 2.0), (0.5, 4.0), (reversal.MARGIN, reversal.MARGIN_UNSURE), (2.0, 8.0), (4.0, 10.0))
FILE = Path(reversal.__file__).with_name("limb_leads.json")


def recordings() -> Iterator[tuple[str, EcgRecord]]:
    """Set and recording of everything the models are fitted on."""
    yield from (("LUDB", record) for _, record in datasets.ludb())
    for folder, ending in (("cinc2021_sample", "hea"), ("code15", "mat")):
        for path in sorted((datasets.DATA / folder).glob(f"*.{ending}")):
            yield folder, datasets.read(folder, path.stem)
    yield from (("CinC-2011", record) for acceptable, record in datasets.cinc2011() if acceptable)


def fit(vectors: list[Vectors]) -> dict[str, WaveModel]:
    models = {}
    for wave in WAVES:
        there = np.stack([one[wave] for one in vectors if wave in one])
        limb, seen = there[:, :, :2].reshape(len(there), -1), there[:, :, 2:].reshape(len(there), -1)
        predict = np.linalg.solve(seen.T @ seen + RIDGE * np.eye(seen.shape[1]), seen.T @ limb)
        left = limb - seen @ predict
        covariance = left.T @ left / len(left)
        own = np.diag(np.diag(covariance))
        covariance = (1 - SHRINK) * covariance + SHRINK * own + FLOOR * own.trace() / len(own) * np.eye(len(own))
        models[wave] = WaveModel(predict, np.linalg.inv(covariance))
    return models


def write(models: dict[str, WaveModel]) -> None:
    content: dict[str, object] = {
        "provenance": "python -m benchmarks.lead_reversal --write",
        "leads": "V1 to V6 to I, II",
    }
    for wave, model in models.items():
        content[wave] = {
            "predict": [[round(value, 4) for value in row] for row in model.predict.tolist()],
            "covariance": [[round(value, 6) for value in row] for row in np.linalg.inv(model.precision).tolist()],
        }
    FILE.write_text(json.dumps(content, separators=(",", ":")).replace("]],", "]],\n") + "\n")


def gains(vectors: Vectors, models: dict[str, WaveModel]) -> dict[str | None, dict[str, float]]:
    """Gains of undoing each exchange, for the recording as it is and with each reversal made."""
    made: dict[str | None, Vectors] = {None: vectors}
    made |= {name: exchanged(vectors, name) for name in reversal.EXCHANGES}
    return {name: exchange_gains(one, models) for name, one in made.items()}


def left_out(vectors: list[Vectors], cut: int) -> list[dict[str | None, dict[str, float]]]:
    fold = np.random.default_rng(cut).permutation(len(vectors)) % FOLDS
    models = [fit([one for one, of in zip(vectors, fold, strict=True) if of != number]) for number in range(FOLDS)]
    return [gains(one, models[number]) for one, number in zip(vectors, fold, strict=True)]


def table(
    found: list[dict[str | None, dict[str, float]]], clear: list[bool], margins: tuple[float, float]
) -> dict[str | None, float]:
    """Share in which the made reversal is named; for None, in which any is named in the recording as it is."""
    shares: dict[str | None, list[bool]] = {}
    for one, sure in zip(found, clear, strict=True):
        for made, rises in one.items():
            best = max(rises, key=rises.__getitem__)
            named = best if rises[best] > margins[0 if sure else 1] else None
            shares.setdefault(made, []).append(named == made if made else named is not None)
    return {made: float(np.mean(answers)) for made, answers in shares.items()}


def show(title: str, shares: dict[str | None, float]) -> None:
    named = ", ".join(f"{made} named {100 * share:.1f} %" for made, share in shares.items() if made)
    print(f"{title:45s} {named}; false {100 * shares[None]:.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the models fitted on all recordings")
    to_write = parser.parse_args().write
    vectors, sets, p_is_clear = [], [], []
    for name, record in recordings():
        measured = ecg.measure(record)
        waves = None if measured.median_beat is None else wave_vectors(measured.median_beat)
        if waves is not None:
            vectors.append(waves)
            sets.append(name)
            p_is_clear.append(has_clear_p(waves, measured.heart_rate.value))
    if to_write:
        write(fit(vectors))
        reversal.limb_models.cache_clear()
    ludb = np.array([name == "LUDB" for name in sets])
    committed = [gains(one, reversal.limb_models()) for one in vectors]
    cuts = [left_out(vectors, cut) for cut in range(CUTS)]
    for title, which in (("LUDB", ludb), ("other sets", ~ludb)):
        chosen = np.flatnonzero(which)
        clear = [p_is_clear[index] for index in chosen]
        print(f"{title}: {len(chosen)} recordings, {len(chosen) - sum(clear)} of them without clear P waves")
        show("fitted, as committed", table([committed[index] for index in chosen], clear, MARGINS[2]))
        for margins in MARGINS:
            tables = [table([cut[index] for index in chosen], clear, margins) for cut in cuts]
            means = {made: float(np.mean([one[made] for one in tables])) for made in tables[0]}
            show(f"left out, margin {margins[0]:g}, without P {margins[1]:g}", means)


if __name__ == "__main__":
    main()
