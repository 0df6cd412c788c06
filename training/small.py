"""Make the small model of the package.

    python -m training.small --archive ptb-xl/ --external diagnoses.csv --out build/small

A stopped run goes on where it was. The archive is PTB-XL as downloaded (`ptbxl_database.csv` and its records
of 500 Hz) or a folder of `foldN.npz`. Folds that are not learnt from (`--folds`) judge and calibrate. Figures go to
`log.jsonl` and `evidence.json`, the weights to `small.pt` (a fairseq-signals checkpoint) and `small.safetensors`
(float16, what the package ships).
"""

import argparse
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ecg.models.weight_file import file_sha256
from ecg.pipeline import examine
from training import recordings as data
from training.copies import COPIES, copies
from training.evidence import Judged, alike, by_copy, gate, table
from training.export import write_checkpoint, write_shipped
from training.external import labelled
from training.loop import Log, Setting, Stage, log_odds, train
from training.network import SHIPPED, smoothed
from training.recordings import STEPS, Recordings

#: Folds of PTB-XL to learn from. All others are evidence; docs/training.md says why these three.
FOLDS = (1, 2, 4)
DATABASES = ("ludb", "cinc2021_sample")


@dataclass(frozen=True)
class Plan:
    """How much is learnt from what.

    Attributes
    ----------
    simulated
        How many recordings are simulated.
    foundation
        On simulated recordings alone: what every later stage starts from, and what no archive had a part in.
    mixed
        From there on, on the archive and simulated recordings together: the network that is shipped.
    """

    simulated: int
    foundation: Stage
    mixed: Stage


def plan(folds: tuple[int, ...] = FOLDS) -> Plan:
    """The plan of the shipped file, learning from `folds` of the archive."""
    return Plan(
        simulated=8000,
        foundation=Stage("foundation", 700, 1.5e-3, 7e-4, (), 16),
        mixed=Stage("mixed", 1300, 1e-3, 1e-5, folds, 4, pairs=6),
    )


Parameters = dict[str, torch.Tensor]


def main(arguments: list[str] | None = None) -> int:
    """Train, judge, calibrate and write the model; the exit status is 0."""
    args = _parser().parse_args(arguments)
    torch.set_num_threads(args.threads)
    make(plan(tuple(args.folds)), args.archive, args.external, args.out, args.seed)
    return 0


def make(plan: Plan, archive: Path, external: Path | None, out: Path, seed: int = 0) -> Path:
    """Train on `archive` and judge on it and on the table `external`; returns the weights file made in `out`."""
    say = Log(out / "log.jsonl")
    cache = out / "cache"
    simulated = data.cached(cache, "simulated", partial(data.simulated, plan.simulated), say)
    as_downloaded = (archive / "ptbxl_database.csv").exists()
    read = data.ptbxl_archive if as_downloaded else data.ptbxl_standardised
    setting = Setting(simulated, data.cached(cache, "ptbxl", partial(read, archive), say), seed, out, say)
    inputs = {"simulated": setting.simulated.sha256(), "archive": cast(Recordings, setting.archive).sha256()}
    say(f"learning from {inputs}", seed=seed, folds=plan.mixed.folds, inputs=inputs)
    learnt = smoothed(train(plan.mixed, train(plan.foundation, None, setting), setting))
    rounded = {name: value.half().float() for name, value in learnt.items()}  # what float16 leaves of it
    judged, agreement = _judge(plan, rounded, setting, external)
    source = {"seed": seed, "folds": plan.mixed.folds, "recordings": _learnt_from(plan, setting), "inputs": inputs}
    return _write(learnt, judged, agreement, source, setting)


def _learnt_from(plan: Plan, setting: Setting) -> dict[str, int]:
    archive = cast(Recordings, setting.archive)
    own = int(np.isin(archive.fold, plan.mixed.folds).sum())
    return {"simulated": len(setting.simulated), "archive": own, "archive_unseen": len(archive) - own}


def _judge(
    plan: Plan, parameters: Parameters, setting: Setting, external: Path | None
) -> tuple[list[Judged], dict[str, NDArray[np.float32]]]:
    """What the network says of recordings that it has not learnt from (the archive first), and of their copies."""
    archive = cast(Recordings, setting.archive)
    unseen = tuple(sorted(set(archive.fold.tolist()) - set(plan.mixed.folds)))
    judged = [_of_folds(parameters, archive, unseen)]
    seen: list[dict[str, NDArray[np.float32]]] = []
    for database in DATABASES if external else ():
        setting.say(f"judging {database}")
        own, odds = _external(parameters, cast(Path, external), database)
        judged.append(own)
        seen.append(odds)
    return judged, {name: np.concatenate([each[name] for each in seen]) for name in COPIES if seen}


def _write(
    parameters: Parameters,
    judged: list[Judged],
    agreement: dict[str, NDArray[np.float32]],
    source: dict[str, Any],
    setting: Setting,
) -> Path:
    """Calibrate the labels that may speak, and write evidence, checkpoint and weights file."""
    calibration = gate(judged)
    checkpoint, weights = setting.folder / "small.pt", setting.folder / "small.safetensors"
    network = {name.removeprefix("network."): v for name, v in parameters.items() if name.startswith("network.")}
    write_checkpoint(checkpoint, SHIPPED, network)
    evidence: dict[str, Any] = {
        "sha256": write_shipped(checkpoint, weights, calibration),
        "checkpoint_sha256": file_sha256(checkpoint),
        **source,
        "calibration": {name: list(line) for name, line in calibration.lines.items()},
        "alike": alike(calibration, agreement) if agreement else None,
        "by_copy": by_copy(judged[1:], agreement, list(calibration.lines)),
        "labels": table(judged, calibration),
    }
    (setting.folder / "evidence.json").write_text(json.dumps(evidence, indent=1) + "\n")
    for name, row in evidence["labels"].items():
        setting.say(f"{name}: {'speaks' if row['speaks'] else 'silent'}, {row['all']}")
    setting.say(f"wrote {weights}, SHA-256 {evidence['sha256']}", sha256=evidence["sha256"])
    return weights


def _of_folds(parameters: Parameters, archive: Recordings, folds: tuple[int, ...]) -> Judged:
    rows = np.flatnonzero(np.isin(archive.fold, folds))
    age = archive.age[rows]
    groups = {
        "fold": archive.fold[rows].astype(str),
        "sex": archive.sex[rows],
        "age": np.where(np.isnan(age), "", np.where(age < 60, "under 60", "60 and over")),
    }
    origin = f"PTB-XL folds {', '.join(map(str, folds))}"
    return Judged(origin, log_odds(parameters, archive.signal[rows], SHIPPED), archive.labels[rows], groups)


def _external(parameters: Parameters, table_path: Path, database: str) -> tuple[Judged, dict[str, NDArray[np.float32]]]:
    """A database as it is, with the grade of its recordings' quality, and the log odds of each of its `COPIES`."""
    records, examples = zip(*labelled(table_path, database), strict=True)
    grades = np.array([examine(record, findings=False).quality.grade for record in records])
    made = [copies(record) for record in records]
    odds = {}
    for name in COPIES:
        joined = np.stack([copy[name].transpose(1, 0, 2).reshape(12, -1) for copy in made])
        odds[name] = log_odds(parameters, np.clip(np.rint(joined * STEPS), -32767, 32767).astype(np.int16), SHIPPED)
    labels = np.stack([example.labels for example in examples])
    return Judged(database, odds["raw"], labels, {"quality": grades}), odds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m training.small", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--archive", type=Path, required=True, help="folder of PTB-XL")
    parser.add_argument("--external", type=Path, help="table of labelled recordings of other databases (diagnoses.csv)")
    parser.add_argument("--out", type=Path, required=True, help="folder for cache, checkpoints, figures and the model")
    parser.add_argument(
        "--folds", type=int, nargs="+", default=FOLDS, help="folds of the archive to learn from (default: 1 2 4)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--threads", type=int, default=1, help="processor threads (default: 1)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
