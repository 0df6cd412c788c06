"""The network that learns is the network that is served, and a stopped run is the run."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from ecg.labels import aggregate, sigmoid
from ecg.models import load_model
from training.export import write_checkpoint
from training.loop import Setting, Stage, log_odds, train
from training.network import LOW_PASS, SHIPPED, SMALL, Average, Batch, Learner, aggregated, loss, smoothed
from training.recordings import STEPS, Recordings, cached, simulated
from training.statements import AUXILIARY


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return cached(tmp_path_factory.mktemp("few"), "simulated", lambda: simulated(20), print)


def test_aggregated_log_odds_are_the_scores_of_the_service() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (2, 17)).astype(np.float32)
    odds = aggregated(torch.from_numpy(logits)[None])[0].numpy()
    np.testing.assert_allclose(sigmoid(odds), aggregate(logits), atol=1e-6)


def test_unknown_labels_teach_nothing() -> None:
    logits = torch.zeros(2, 2, 17, requires_grad=True)
    labels = torch.full((2, 17), torch.nan)
    labels[0, 3] = 1.0
    nothing = Batch(
        torch.zeros(2, 12, 8), labels, torch.full((2, len(AUXILIARY)), torch.nan), torch.full((2, 4), torch.nan)
    )
    _, total = loss(logits, torch.zeros(2, len(AUXILIARY) + 4), nothing)
    total.backward()
    assert logits.grad is not None
    assert logits.grad[:, :, 3].abs().sum() > 0
    assert logits.grad.abs().sum() == logits.grad[:, :, 3].abs().sum()


def test_the_checkpoint_is_a_genuine_one_and_answers_as_the_learner(few: Recordings, tmp_path: Path) -> None:
    """Through the reader of fairseq-signals checkpoints, the cache and an engine: weight norm, names and sizes."""
    torch.manual_seed(0)
    learner = Learner()
    write_checkpoint(tmp_path / "small.pt", SMALL, learner.network.state_dict())
    model = load_model(tmp_path / "small.pt", "torch", "float32")
    segments = np.ascontiguousarray(few.signal[0].astype(np.float32) / STEPS).reshape(12, 2, 2500).transpose(1, 0, 2)
    served = model(np.ascontiguousarray(segments))
    odds = log_odds(learner.state_dict(), few.signal[:1])[0]
    assert served.logits is not None
    np.testing.assert_allclose(aggregate(served.logits), sigmoid(odds), atol=1e-5)


def test_the_shipped_network_low_passes_what_it_is_given(few: Recordings) -> None:
    torch.manual_seed(0)
    learner = Learner().eval()
    shipped = Learner(SHIPPED).eval()
    shipped.load_state_dict(smoothed(learner.state_dict()))
    x = torch.from_numpy(few.signal[:1].astype(np.float32) / STEPS)
    filtered = torch.from_numpy(lfilter(LOW_PASS, 1.0, x.double().numpy())[..., 20:]).float()
    with torch.inference_mode():
        wide = shipped.network.feature_extractor.conv_layers[0][0](x)
        narrow = learner.network.feature_extractor.conv_layers[0][0](filtered)
    torch.testing.assert_close(wide, narrow, atol=1e-4, rtol=0)  # float32 sums of 360 products


def test_a_run_that_was_stopped_ends_as_one_that_was_not(few: Recordings, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    through, halves = tmp_path / "through", tmp_path / "halves"
    through.mkdir()
    halves.mkdir()
    stage = Stage("short", 4, 1e-3, 1e-4, (), 16)
    whole = train(stage, None, Setting(few, None, 7, through, print))

    def stop(message: str) -> None:
        if "step 2" in message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stage, None, Setting(few, None, 7, halves, stop), save_every=2)
    said: list[str] = []
    resumed = train(stage, None, Setting(few, None, 7, halves, said.append))
    assert said[0] == "short: continued at step 2"
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_learning_lowers_the_loss(few: Recordings, tmp_path: Path) -> None:
    said: list[str] = []
    train(Stage("short", 24, 2e-3, 1e-3, (), 16), None, Setting(few, None, 0, tmp_path, said.append), save_every=8)
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in said]
    assert losses[-1] < 0.8 * losses[0]


def test_an_average_is_put_in_and_taken_out() -> None:
    layer = torch.nn.Linear(2, 2)
    average = Average(layer, 0.9)
    before = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight += 1.0
    average.update(layer, 1000)
    with average.inside(layer):
        assert torch.allclose(layer.weight, before + 0.1, atol=1e-6)
        assert not layer.training
    assert torch.allclose(layer.weight, before + 1.0)
    assert layer.training
