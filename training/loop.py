"""One stage of training: resumable at any step, with the same result as a run that was never stopped."""

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg.models.ecgfm.architecture import Architecture
from training.augment import Strength, augmented, plain
from training.network import SMALL, Average, Batch, Learner, aggregated, loss
from training.recordings import STEPS, Recordings

BATCH = 16
SAVE_EVERY = 100
_RARE = (2, 3, 6, 7, 8, 9, 11, 13, 14)  # positions of labels that few recordings of an archive have


@dataclass(frozen=True)
class Stage:
    """What one stage learns from.

    Attributes
    ----------
    name
        Of its checkpoint.
    steps, peak, end
        Batches, and the highest and last learning rate of its cycle.
    folds
        Folds of the archive that it sees; none: simulated recordings only.
    simulated
        Simulated recordings in a batch of `BATCH`.
    pairs
        How many recordings of the archive are in a batch twice, each copy changed in its own way.
    """

    name: str
    steps: int
    peak: float
    end: float
    folds: tuple[int, ...]
    simulated: int
    pairs: int = 0


@dataclass(frozen=True)
class Setting:
    """What all stages of one training share: the recordings, the seed, the folder of checkpoints, where to say things.

    `archive` is None where only simulated recordings are learnt from.
    """

    simulated: Recordings
    archive: Recordings | None
    seed: int
    folder: Path
    say: Callable[..., None]


def train(
    stage: Stage, start: Mapping[str, Tensor] | None, setting: Setting, save_every: int = SAVE_EVERY
) -> dict[str, Tensor]:
    """Averaged parameters of a `Learner` after the stage; continued from its checkpoint if there is one.

    A checkpoint is written every `save_every` batches. `start` are the parameters to begin with, None for random ones.
    """
    seed, say = setting.seed, setting.say
    torch.manual_seed(seed)
    learner = Learner()
    if start is not None:
        learner.load_state_dict(dict(start))
    optimizer = torch.optim.AdamW(learner.parameters(), lr=stage.peak, weight_decay=0.05, betas=(0.9, 0.98))
    average = Average(learner, 0.998)
    path = setting.folder / f"{stage.name}.pt"
    first = _resume(path, learner, optimizer, average)
    if first:
        say(f"{stage.name}: continued at step {first}")
    draw = _Sampler(stage, setting)
    learner.train()
    began, losses = time.monotonic(), []
    for step in range(first, stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(stage, step)
        generator = torch.Generator().manual_seed(_mix(seed, stage.name, step))
        torch.manual_seed(_mix(seed, stage.name, step) + 1)
        batch = draw(step)
        logits, beside = learner(augmented(batch.signal, generator, Strength()))
        main, total = loss(logits, beside, batch, stage.pairs)
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        average.update(learner, step)
        losses.append(main.item())
        done = step + 1
        if done % save_every == 0 or done == stage.steps:
            _save(path, done, learner, optimizer, average)
            left = (time.monotonic() - began) / (done - first) * (stage.steps - done)
            recent = float(np.mean(losses[-save_every:]))
            say(f"{stage.name}: step {done} of {stage.steps}, loss {recent:.4f}, {left / 60:.1f} min left")
    return average.values


def log_odds(
    parameters: Mapping[str, Tensor], signal: NDArray[np.int16], architecture: Architecture = SMALL
) -> NDArray[np.float32]:
    """Log odds of recordings int16 [n, 12, 5000] as the service aggregates segments: float32 [n, 17]."""
    learner = Learner(architecture)
    learner.load_state_dict(dict(parameters))
    learner.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(signal), 32):
            block = torch.from_numpy(np.asarray(signal[start : start + 32], dtype=np.float32) / STEPS)
            parts.append(aggregated(learner(plain(block))[0]).numpy())
    return np.concatenate(parts)


class _Sampler:
    """Batches by step number: nothing but the seed and the step decides what is drawn."""

    def __init__(self, stage: Stage, setting: Setting) -> None:
        self.stage, self.seed, self.simulated = stage, setting.seed, setting.simulated
        self.archive = setting.archive if stage.folds else None
        if self.archive is not None:
            self.rows = np.flatnonzero(np.isin(self.archive.fold, stage.folds))
            rare = np.nan_to_num(self.archive.labels[self.rows][:, _RARE]).sum(1) > 0
            weight = 1.0 + 2.0 * rare
            self.weight = weight / weight.sum()

    def __call__(self, step: int) -> Batch:
        rng = np.random.default_rng(_mix(self.seed, self.stage.name, step))
        count = BATCH if self.archive is None else self.stage.simulated
        picked = [(self.simulated, rng.choice(len(self.simulated), count, replace=False))]
        if self.archive is not None:
            pairs = self.stage.pairs
            drawn = rng.choice(self.rows, BATCH - count - pairs, replace=False, p=self.weight)
            picked.insert(0, (self.archive, np.concatenate([drawn[:pairs], drawn])))
        fields = ("signal", "labels", "auxiliary", "intervals")
        joined = {f: np.concatenate([getattr(source, f)[rows] for source, rows in picked]) for f in fields}
        joined["signal"] = joined["signal"].astype(np.float32) / STEPS
        return Batch(**{name: torch.from_numpy(values) for name, values in joined.items()})


def _rate(stage: Stage, step: int) -> float:
    warm = max(20, stage.steps // 20)
    if step < warm:
        return stage.peak * (step + 1) / warm
    way = (step - warm) / max(1, stage.steps - warm)
    return stage.end + (stage.peak - stage.end) * 0.5 * (1 + math.cos(math.pi * way))


def _mix(seed: int, name: str, step: int) -> int:
    return int(np.random.SeedSequence([seed, *name.encode(), step]).generate_state(1)[0])


def _save(path: Path, step: int, learner: Learner, optimizer: torch.optim.Optimizer, average: Average) -> None:
    draft = path.with_suffix(".draft")
    state = {
        "step": step,
        "learner": learner.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.values,
    }
    torch.save(state, draft)
    os.replace(draft, path)


def _resume(path: Path, learner: Learner, optimizer: torch.optim.Optimizer, average: Average) -> int:
    if not path.exists():
        return 0
    state: dict[str, Any] = torch.load(path, weights_only=True)
    learner.load_state_dict(state["learner"])
    optimizer.load_state_dict(state["optimizer"])
    average.values = state["average"]
    return int(state["step"])


class Log:
    """Says progress on the terminal and keeps it, with figures, as JSON lines."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.began = time.monotonic()

    def __call__(self, message: str, **figures: Any) -> None:
        """Print and keep one line."""
        print(f"[{(time.monotonic() - self.began) / 60:6.1f} min] {message}", flush=True)
        with self.path.open("a") as file:
            file.write(json.dumps({"message": message, **figures}) + "\n")
