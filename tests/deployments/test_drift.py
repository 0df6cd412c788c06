"""The distance of embeddings from a baseline: what is the same, what is not, and what is not known."""

import json
from pathlib import Path

import numpy as np
import pytest

from deployments.serve.drift import Baseline, Drift, main
from ecg.errors import MalformedInput
from ecg.record import EcgRecord

CHANNELS = 64


def population(rng: np.random.Generator, n: int, shift: float = 0.0) -> np.ndarray:
    scale = np.linspace(0.1, 10.0, CHANNELS)
    return ((rng.standard_normal((n, CHANNELS)) + shift) * scale).astype(np.float32)


def distance(baseline: Baseline, embeddings: np.ndarray) -> float | None:
    drift = Drift(baseline)
    for embedding in embeddings:
        drift.add(embedding)
    return drift.distance()


def test_the_same_population_is_near_and_another_is_as_far_as_it_is() -> None:
    rng = np.random.default_rng(0)
    baseline = Baseline.of("w@1", population(rng, 2000))
    same = distance(baseline, population(rng, 1000))
    moved = distance(baseline, population(rng, 1000, shift=1.0))
    assert same is not None
    assert moved is not None
    # The mean with weights of a hundredth has a standard error of sqrt(0.01 / 1.99), 0.07 standard deviations.
    assert same < 0.15
    assert moved == pytest.approx(1.0, abs=0.15)


def test_few_recordings_and_another_length_say_nothing() -> None:
    rng = np.random.default_rng(0)
    baseline = Baseline.of("w@1", population(rng, 100))
    assert distance(baseline, population(rng, 49)) is None
    assert distance(baseline, rng.standard_normal((200, CHANNELS + 1)).astype(np.float32)) is None


def test_a_channel_that_never_varies_counts_nothing() -> None:
    rng = np.random.default_rng(0)
    embeddings = population(rng, 2000)
    embeddings[:, 3] = 0.0
    late = population(rng, 500)
    assert (distance(Baseline.of("w@1", embeddings), late) or 9.0) < 0.2


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weights": "w"}'])
def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "b.json").write_text(content)
    with pytest.raises(MalformedInput):
        Baseline.read(tmp_path / "b.json")


def test_the_command_makes_a_baseline(tmp_path: Path, sinus: EcgRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", sinus.signal)
    (tmp_path / "no.csv").write_text("nothing")
    recording = tmp_path / "r.json"
    body = {"signal": sinus.signal.tolist(), "fs": 500.0, "lead_names": list(sinus.leads), "units": "mV"}
    recording.write_text(json.dumps(body))
    out = tmp_path / "baseline.json"
    arguments = ["drift", str(recording), str(tmp_path / "no.csv"), "--weights", "small", "-o", str(out)]
    monkeypatch.setattr("sys.argv", arguments)
    assert main() == 0
    baseline = Baseline.read(out)
    assert baseline.recordings == 1
    assert "small" in baseline.weights
