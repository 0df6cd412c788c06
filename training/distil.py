"""Teach the small network what the published ECG-FM says.

    python -m training.distil --teacher hub --recordings archive/ --out build/distilled

The teacher's probabilities are the targets, segment by segment, and its embedding is matched through a projection that
is thrown away. The student sees augmented copies of what the teacher saw. Nothing is validated by this: the file made
says nothing that is calibrated until its labels have been judged on recordings of your own.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from ecg.errors import EcgError, UnusableRecording
from ecg.formats import is_named_like_a_recording, read
from ecg.labels import sigmoid
from ecg.models import Model, load_model
from ecg.models.ecgfm.preparation import prepare
from training.augment import Strength, augmented
from training.export import write_checkpoint
from training.loop import Log
from training.network import SMALL, Average, Learner
from training.recordings import SAMPLES

PEAK = 2e-3
BATCH = 16


@dataclass(frozen=True)
class Lessons:
    """What the teacher said of n recordings: `signal` float32 [n, 12, 5000], `probabilities` [n, 17] and `embedding`
    [n, width], each the mean over its two segments."""

    signal: Tensor
    probabilities: Tensor
    embedding: Tensor


def lessons(teacher: Model, recordings: list[NDArray[np.float32]]) -> Lessons:
    """What `teacher` says of prepared recordings float32 [2, 12, 2500] each.

    Raises `UnusableRecording` when there is none, and `ValueError` for a teacher without a classifier.
    """
    if teacher.kind != "finetuned":
        raise ValueError("a teacher needs its classifier: give the finetuned checkpoint")
    if not recordings:
        raise UnusableRecording("No recording of ten seconds or more was found.", "recordings", "10 s", None)
    probabilities, embeddings = [], []
    for segments in recordings:
        output = teacher(segments)
        probabilities.append(sigmoid(cast(NDArray[np.float32], output.logits)).mean(axis=0))
        embeddings.append(output.embedding.mean(axis=0))
    joined = np.stack([segments.transpose(1, 0, 2).reshape(12, SAMPLES) for segments in recordings])
    return Lessons(
        torch.from_numpy(joined), torch.from_numpy(np.stack(probabilities)), torch.from_numpy(np.stack(embeddings))
    )


def distil(given: Lessons, steps: int, seed: int, say: Log) -> tuple[dict[str, Tensor], list[float]]:
    """Averaged tensors of the taught `EcgFm`, and the loss of each step."""
    torch.manual_seed(seed)
    learner = Learner()
    project = nn.Linear(SMALL.embed_dim, given.embedding.shape[1])
    parameters = [*learner.parameters(), *project.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=PEAK, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=steps)
    average = Average(learner.network, 0.998)
    generator = torch.Generator().manual_seed(seed)
    scale = given.embedding.std() + 1e-6
    losses = []
    learner.train()
    for step in range(steps):
        rows = torch.randint(len(given.signal), (min(BATCH, len(given.signal)),), generator=generator)
        segments = augmented(given.signal[rows], generator, Strength())
        output = learner.network(segments.flatten(0, 1))
        logits = output.logits.unflatten(0, segments.shape[:2]).mean(1)
        embedding = project(output.embedding).unflatten(0, segments.shape[:2]).mean(1)
        told = F.binary_cross_entropy_with_logits(logits, given.probabilities[rows])
        near = F.mse_loss(embedding / scale, given.embedding[rows] / scale)
        total = told + 0.1 * near
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        average.update(learner.network, step)
        losses.append(total.item())
        if (step + 1) % 100 == 0 or step + 1 == steps:
            say(f"step {step + 1} of {steps}, loss {np.mean(losses[-100:]):.4f}")
    return average.values, losses


def prepared(paths: list[Path], say: Log) -> Iterator[NDArray[np.float32]]:
    """The first ten seconds of every readable recording in files and folders, float32 [2, 12, 2500]."""
    for path in paths:
        files = sorted(f for f in path.rglob("*") if is_named_like_a_recording(f.name)) if path.is_dir() else [path]
        for file in files:
            try:
                segments = prepare(read(file))
            except (EcgError, OSError) as error:
                say(f"{file.name} is left out: {error}")
                continue
            if len(segments) >= 2:
                yield segments[:2]


def main(arguments: list[str] | None = None) -> int:
    """Distil; the exit status is 0, or 1 when there is nothing to learn from."""
    args = _parser().parse_args(arguments)
    torch.set_num_threads(args.threads)
    say = Log(args.out / "log.jsonl")
    try:
        teacher = load_model(args.teacher, "auto", "float32", kind="finetuned", threads=args.threads)
        given = lessons(teacher, list(prepared(args.recordings, say)))
    except EcgError as error:
        say(f"{error.message}")
        return 1
    say(f"{len(given.signal)} recordings, taught by {teacher.weights.identifier}")
    tensors, _ = distil(given, args.steps, args.seed, say)
    write_checkpoint(args.out / "distilled.pt", SMALL, tensors)
    (args.out / "distilled.json").write_text(json.dumps({"teacher": teacher.weights.identifier}) + "\n")
    say(f"wrote {args.out / 'distilled.pt'}; use it with --weights {args.out / 'distilled.pt'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m training.distil", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teacher", required=True, help='"hub", or the path of a finetuned checkpoint')
    parser.add_argument("--recordings", type=Path, nargs="+", required=True, help="files and folders of recordings")
    parser.add_argument("--out", type=Path, required=True, help="folder for the log and the checkpoint")
    parser.add_argument("--steps", type=int, default=3000, help="batches of 16 recordings (default: 3000)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--threads", type=int, default=1, help="processor threads (default: 1)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
