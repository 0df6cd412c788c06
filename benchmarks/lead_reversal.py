"""Fit the limb-lead models of ecg/quality/reversal.py and count how many made reversals are found.

    python -m benchmarks.lead_reversal [--write]

The models are fitted on LUDB, the CinC-2021 sample, CODE-15, the acceptable half of CinC-2011 and, with a fiftieth of
their weight each, 1,097 recordings of PTB-XL; `--write` puts them into ecg/quality/limb_leads.json. The headers of LUDB
scale each lead to a height of 1 mV, so that Einthoven's law holds in the stored numbers only: its recordings are taken
twice, as stated and with one gain for all leads. Printed: shares named, shares named or called possible, and false
ones, as committed and then in ten folds, each recording judged by models fitted without it (the mean over five ways to
cut the folds). An exchange that is named in PTB-XL as recorded may be one: nobody has looked.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ecg
from benchmarks import datasets, ptbxl
from ecg.leads import PRECORDIAL_LEADS
from ecg.quality import reversal
from ecg.quality.reversal import (
    EXCHANGES,
    WAVES,
    Suspicion,
    WaveModel,
    exchange_gains,
    exchanged,
    has_clear_p,
    verdict,
    wave_vectors,
)
from ecg.record import EcgRecord

Floats = NDArray[np.float64]
Vectors = dict[str, Floats]
Verdicts = dict[str | None, Suspicion | None]
RIDGE = 0.1  # on vectors of unit length, whose weights sum to about 280
SHRINK = 0.1  # of the covariance towards its diagonal
FLOOR = 0.001  # of the mean variance, added to it
FOLDS, CUTS = 10, 5
ONE_GAIN = "LUDB, one gain"
PTB_XL = "PTB-XL"
# Of each recording of PTB-XL in the fit: its chest leads have lost their heights, and it has five times as many as all
# others together. More weight names fewer exchanges in LUDB as its headers state it.
PTB_XL_WEIGHT = 0.02
# Standard deviation of V1 to V6, wander apart, over the root mean square of those of I, II and III: the medians of the
# other sets, which stand for what was lost.
CHEST_HEIGHTS = np.array([1.27, 1.65, 1.75, 1.84, 1.71, 1.35])
FILE = Path(reversal.__file__).with_name("limb_leads.json")


@dataclass(frozen=True)
class Example:
    """The waves of a recording; `recording` is the same for the two forms of one of LUDB."""

    recording: int
    source: str
    waves: Vectors
    clear_p: bool


def recordings() -> Iterator[tuple[str, EcgRecord]]:
    """Set and recording of everything the models are fitted on."""
    yield from (("LUDB", record) for _, record in datasets.ludb())
    for folder, ending in (("cinc2021_sample", "hea"), ("code15", "mat")):
        for path in sorted((datasets.DATA / folder).glob(f"*.{ending}")):
            yield "other sets", datasets.read(folder, path.stem)
    yield from (("other sets", record) for acceptable, record in datasets.cinc2011() if acceptable)
    yield from ((PTB_XL, with_chest_heights(record)) for _, record in ptbxl.recordings())


def with_chest_heights(record: EcgRecord) -> EcgRecord:
    """A recording of PTB-XL with V1 to V6 as high as is usual beside its limb leads."""
    spread = record.signal.std(axis=1)
    limb = float(np.sqrt(np.mean([spread[record.leads.index(lead)] ** 2 for lead in ("I", "II", "III")])))
    gains = np.ones(len(record.leads), dtype=np.float32)
    for lead, height in zip(PRECORDIAL_LEADS, CHEST_HEIGHTS, strict=True):
        row = record.leads.index(lead)
        gains[row] = height * limb / max(float(spread[row]), 1e-6)
    return replace(record, signal=record.signal * gains[:, None])


def examples() -> Iterator[Example]:
    for number, (source, record) in enumerate(recordings()):
        measured = ecg.measure(record)
        median = measured.median_beat
        if median is None or (waves := wave_vectors(median)) is None:
            continue
        clear = has_clear_p(waves, measured.heart_rate.value)
        yield Example(number, source, waves, clear)
        if source == "LUDB":
            stored = replace(median, signal=median.signal * datasets.ludb_gains(record)[:, None])
            yield Example(number, ONE_GAIN, wave_vectors(stored) or waves, clear)


def fit(known: list[Example]) -> dict[str, WaveModel]:
    models = {}
    for wave in WAVES:
        there = np.stack([one.waves[wave] for one in known if wave in one.waves])
        weights = np.array([PTB_XL_WEIGHT if one.source == PTB_XL else 1.0 for one in known if wave in one.waves])
        limb, seen = there[:, :, :2].reshape(len(there), -1), there[:, :, 2:].reshape(len(there), -1)
        weighed = (seen * weights[:, None]).T
        predict = np.linalg.solve(weighed @ seen + RIDGE * np.eye(seen.shape[1]), weighed @ limb)
        left = limb - seen @ predict
        covariance = (left * weights[:, None]).T @ left / weights.sum()
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


def judged(example: Example, models: dict[str, WaveModel]) -> Verdicts:
    """What is said of the recording as it is (None), and with each reversal made."""
    made: dict[str | None, Vectors] = {None: example.waves}
    made |= {name: exchanged(example.waves, name) for name in EXCHANGES}
    return {name: verdict(exchange_gains(one, models), clear_p=example.clear_p) for name, one in made.items()}


def left_out(known: list[Example], cut: int) -> list[Verdicts]:
    fold = np.random.default_rng(cut).permutation(1 + max(one.recording for one in known)) % FOLDS
    models = [fit([one for one in known if fold[one.recording] != number]) for number in range(FOLDS)]
    return [judged(one, models[fold[one.recording]]) for one in known]


def named_left_out() -> tuple[dict[str, float], float]:
    """Share of each made reversal that is named, and of untouched recordings in which one is, by models fitted without.

    One of the `CUTS`, LUDB as its headers state it.
    """
    known = list(examples())
    said = [
        one for example, one in zip(known, left_out(known, 0), strict=True) if example.source not in (ONE_GAIN, PTB_XL)
    ]
    named = {made: float(np.mean([_is_named(one[made], made) for one in said])) for made in EXCHANGES}
    return named, float(np.mean([one[None] is not None and one[None].certain for one in said]))


def _is_named(said: Suspicion | None, made: str) -> bool:
    return said is not None and said.certain and said.what == made


def show(title: str, verdicts: list[Verdicts]) -> None:
    words = []
    for made in (*EXCHANGES, None):
        said = [one[made] for one in verdicts]
        right = [one is not None and (made is None or one.what == made) for one in said]
        named = [ok and one is not None and one.certain for ok, one in zip(right, said, strict=True)]
        words.append(f"{made or 'false'} {100 * np.mean(named):.1f} ({100 * np.mean(right):.1f})")
    print(f"{title:30s} named (or possible), %: {', '.join(words)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the models fitted on all recordings")
    to_write = parser.parse_args().write
    known = list(examples())
    if to_write:
        write(fit(known))
        reversal.limb_models.cache_clear()
    committed = [judged(one, reversal.limb_models()) for one in known]
    cuts = [left_out(known, cut) for cut in range(CUTS)]
    for source in ("LUDB", ONE_GAIN, "other sets", PTB_XL):
        chosen = [index for index, one in enumerate(known) if one.source == source]
        unclear = sum(not known[index].clear_p for index in chosen)
        print(f"{source}: {len(chosen)} recordings, {unclear} of them without clear P waves")
        show("fitted, as committed", [committed[index] for index in chosen])
        show("left out", [cut[index] for cut in cuts for index in chosen])


if __name__ == "__main__":
    main()
