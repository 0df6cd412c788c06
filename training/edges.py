"""Train the network that marks QRS onset and offset in single leads, and say how well it does across folds.

    python -m training.edges [--folds 4] [--epochs 10] [--output ecg/measurement/edge_network.npz]

Needs torch and LUDB (`../shared/data/ludb`). Each fold's recordings are judged by the network that has not seen them;
the network of the third fold is written, of three the nearest to their mean on recordings without marks (the mean of
all three moves a width by 0.8 ms (SD), and takes three times as long). About four minutes a fold on one core.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.boundaries import LEADS, waves_of
from benchmarks.datasets import DATA, EDGE_FOLD, EDGE_FOLDS, edge_folds, read, rows
from ecg.filters import Float, filtered
from ecg.leads import STANDARD_LEADS
from ecg.measurement import edge_network
from ecg.measurement.beats import find_beats
from ecg.measurement.condition import condition
from ecg.measurement.edge_network import DILATIONS, FIRST, LAST, MEETS, STEP, TAPS, channels
from ecg.measurement.median import BEFORE, level_beat, median_signal, stack_beats
from ecg.measurement.qrs import LOW_PASS

WIDTH = 16
BATCH = 24
SOFT = 1.0  # samples over which a target rises: cardiologists' marks in one lead spread by about 5 ms
GRID = np.arange(FIRST, LAST, STEP)
Example = tuple[Float, Float]  # a beat [lead, sample] and its marks [lead, 2] in samples from R


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording of LUDB: beats with marks, and the median beat with the mean of the marks."""

    name: str
    beats: list[Example]
    median: Example


class EdgeNet(nn.Module):
    """Convolutions over one lead, the mean over the leads joined in the middle, two masks as output."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (6, WIDTH, WIDTH, WIDTH, 2 * WIDTH, WIDTH)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(size, WIDTH, TAPS, padding=TAPS // 2 * dilation, dilation=dilation),
                nn.BatchNorm1d(WIDTH),
                nn.ReLU(),
            )
            for size, dilation in zip(sizes, DILATIONS, strict=True)
        )
        self.head = nn.Conv1d(2 * WIDTH, 2, 1)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Logits [beat, lead, 2, sample] from channels [beat, lead, 6, sample]."""
        n_beats, n_leads = seen.shape[:2]
        hidden = seen.flatten(0, 1)
        early = hidden
        for layer, block in enumerate(self.layers):
            if layer == MEETS:
                by_beat = hidden.view(n_beats, n_leads, *hidden.shape[1:])
                mean = by_beat.mean(1, keepdim=True).expand_as(by_beat).flatten(0, 1)
                hidden = torch.cat([hidden, mean], 1)
            hidden = block(hidden)
            if layer == 1:
                early = hidden
        logits: torch.Tensor = self.head(torch.cat([hidden, early], 1)).view(n_beats, n_leads, 2, -1)
        return logits


def recordings() -> list[Recording]:
    """Every recording of LUDB that has a median beat."""
    found = []
    for row in rows(DATA / "ludb" / "reference_middle.csv"):
        record = read("ludb", row["record"]).completed()
        conditioned = condition(record)
        beats = find_beats(conditioned)
        order = [record.leads.index(lead) for lead in STANDARD_LEADS]
        stack = stack_beats(conditioned.signal, beats.r_samples)[:, order]
        waves = [waves_of(DATA / "ludb" / row["record"], lead) for lead in LEADS]
        marks = np.full((len(stack), len(LEADS), 2), np.nan)
        for beat, r in enumerate(beats.r_samples):
            for lead, own in enumerate(waves):
                near = [wave for wave in own if wave[0] == "N" and -60 <= wave[2] - r <= 60]
                if near:
                    marks[beat, lead] = near[0][1] - r, near[0][3] - r
        marked = [b for b in range(len(stack)) if np.isnan(marks[b]).mean() < 0.5 and not np.isnan(stack[b]).any()]
        if beats.measured.sum() >= 3:
            middle = level_beat(median_signal(stack[beats.measured]))
            mean = np.nanmean(marks[beats.measured], axis=0)
            found.append(Recording(row["record"], [(stack[b], marks[b]) for b in marked], (middle, mean)))
    return found


def disturbed(beat: Float, rng: np.random.Generator) -> Float:
    """The beat with noise, hum, a slope, and another gain and polarity in each lead."""
    usual = float(np.median(np.ptp(beat[:, BEFORE - 60 : BEFORE + 60], axis=1)))
    seconds = np.arange(beat.shape[1]) / 500.0
    leads = (len(beat), 1)
    beat = beat.copy()
    if rng.random() < 0.5:
        beat += rng.normal(0.0, 10 ** rng.uniform(-2.5, -1.2) * usual, beat.shape)
    if rng.random() < 0.3:
        height = 10 ** rng.uniform(-2.7, -1.5) * usual * rng.normal(1.0, 0.3, leads)
        beat += height * np.sin(2 * np.pi * rng.choice((50.0, 60.0)) * seconds + rng.uniform(0.0, 6.3))
    if rng.random() < 0.3:
        beat += rng.normal(0.0, 0.15 * usual, leads) * (seconds - 0.45)
    polarity = np.where(rng.random(leads) < 0.15, -1.0, 1.0)
    louder: Float = beat * np.exp(rng.normal(0.0, 0.35, leads)) * polarity
    return louder


def batch(examples: list[Example], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Channels, targets and where there are targets, each beat disturbed, stretched and shifted anew."""
    some = slice(None)
    if rng.random() < 0.3:  # recordings of fewer leads
        some = rng.permutation(len(LEADS))[: rng.integers(1, 9)]  # type: ignore[assignment]
    seen, wanted = [], []
    for beat, marks in examples:
        stretch = np.exp(rng.uniform(np.log(0.65), np.log(1.4)))
        shift = rng.uniform(-12.0, 12.0)
        smooth = filtered(LOW_PASS, disturbed(beat, rng))
        places = np.clip(BEFORE + GRID * stretch + shift, 0, beat.shape[1] - 1)
        at = np.arange(beat.shape[1])
        wave = np.array([np.interp(places, at, row) for row in smooth[some]], dtype=np.float32)
        seen.append(channels(wave))
        wanted.append((marks[some] - shift) / stretch)
    marks = np.stack(wanted)[..., None]
    onset, offset = marks[:, :, :1], marks[:, :, 1:]
    targets = 1.0 / (1.0 + np.exp(-np.concatenate([GRID - onset, offset - GRID], axis=2) / SOFT))
    known = ~np.isnan(targets)
    return (
        torch.from_numpy(np.stack(seen)),
        torch.from_numpy(np.nan_to_num(targets).astype(np.float32)),
        torch.from_numpy(known.astype(np.float32)),
    )


def train(chosen: list[Recording], seed: int, epochs: int) -> EdgeNet:
    """A network trained on the recordings: AdamW, one cycle of the learning rate to 0.003."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    examples = [beat for one in chosen for beat in one.beats] + [one.median for one in chosen] * 2
    net = EdgeNet()
    steps = len(examples) // BATCH
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-2)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * steps)
    for epoch in range(epochs):
        order, total = rng.permutation(len(examples)), 0.0
        for step in range(steps):
            seen, targets, known = batch([examples[k] for k in order[step * BATCH : (step + 1) * BATCH]], rng)
            losses = nn.functional.binary_cross_entropy_with_logits(net(seen), targets, reduction="none")
            loss = (losses * known).sum() / known.sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            cycle.step()
            total += loss.item()
        print(f"  epoch {epoch + 1} of {epochs}: loss {total / steps:.4f}", flush=True)
    return net.eval()


def folded(net: EdgeNet) -> dict[str, np.ndarray]:
    """The weights as `ecg.measurement.edge_network` takes them, batch normalisation folded in."""
    state = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    arrays = {}
    for layer in range(len(DILATIONS)):
        kernel, bias = state[f"layers.{layer}.0.weight"], state[f"layers.{layer}.0.bias"]
        gain, offset, mean, variance = (
            state[f"layers.{layer}.1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + 1e-5)
        taps = (kernel * scale[:, None, None]).transpose(0, 2, 1)
        arrays[f"kernel{layer}"] = taps.reshape(WIDTH, -1).astype(np.float16)
        arrays[f"bias{layer}"] = (bias - mean) * scale + offset
    arrays["head"] = state["head.weight"][:, :, 0].astype(np.float16)
    arrays["head_bias"] = state["head.bias"]
    return arrays


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the weights as `edge_network.network` reads them."""
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def main() -> None:
    """Train a network a fold, print the errors on unseen recordings, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=EDGE_FOLDS, help="folds; the network of the third is written")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path(edge_network.__file__).with_name(edge_network.WEIGHTS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    every = recordings()
    fold = edge_folds(len(every), args.folds)
    arrays: dict[str, np.ndarray] = {}
    unseen: list[Float] = []
    start = time.monotonic()
    for number in range(args.folds):
        net = train([one for one, of in zip(every, fold, strict=True) if of != number], 10 * number, args.epochs)
        write(args.output, folded(net))
        edge_network.network.cache_clear()
        if number == EDGE_FOLD:
            arrays = folded(net)
        for one, of in zip(every, fold, strict=True):
            if of == number:
                edges = edge_network.lead_edges(filtered(LOW_PASS, one.median[0]), BEFORE)
                unseen.append(np.median(np.array(edges), axis=1) - BEFORE - np.nanmedian(one.median[1], axis=0))
        onset, offset = 2 * np.std(unseen, axis=0)
        print(
            f"fold {number + 1}: {time.monotonic() - start:.0f} s; onset SD {onset:.1f}, offset {offset:.1f} ms unseen"
        )
    write(args.output, arrays or folded(net))


if __name__ == "__main__":
    main()
