"""Engines held against each other, and the adapter to fairseq-signals."""

import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.engine_difference import compare, load, main
from ecg.errors import BackendUnavailable
from ecg.models import load_model, resolve_weights

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CHECKPOINT = GOLDEN / "tiny_finetuned.pt"


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECG_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


def test_engines_are_compared_quantity_by_quantity() -> None:
    reference = load_model(CHECKPOINT, "torch", "float32")
    found = {d.quantity: d for d in compare(reference, load_model(CHECKPOINT, "openvino", "float32"))}
    assert found.keys() == {"tokens", "embedding", "embedding_angle", "logits", "probabilities"}
    assert all(d.within for d in found.values())
    other = load_model(GOLDEN / "tiny_finetuned_preln.pt", "torch", "float32")
    found = {d.quantity: d for d in compare(reference, other)}
    assert not found["logits"].within


FAKE_FAIRSEQ = '''
"""What the adapter uses of fairseq-signals, by the shapes and keywords of its commit 6b9e137."""
from pathlib import Path
import torch
from ecg.models.ecgfm.checkpoint import read_checkpoint
from ecg.models.ecgfm.network import EcgFm

class Classifier:
    def __init__(self, path):
        architecture, tensors = read_checkpoint(Path(path))
        self.network = EcgFm(architecture)
        self.network.load_state_dict(tensors)
    def eval(self):
        self.network.eval()
        return self
    def __call__(self, source, padding_mask):
        out = self.network(source)
        return {"out": out.logits, "encoder_out": out.tokens, "padding_mask": None, "saliency": None}
    def extract_features(self, source, padding_mask, mask):
        assert mask is False
        return {"x": self.network(source).tokens, "padding_mask": None}

def build_model_from_checkpoint(checkpoint_path):
    return Classifier(checkpoint_path)
'''


@pytest.fixture
def fairseq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package = tmp_path / "fairseq_signals"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(FAKE_FAIRSEQ)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.startswith("fairseq_signals")]:
        del sys.modules[name]


@pytest.mark.usefixtures("fairseq")
@pytest.mark.parametrize("checkpoint", ["tiny_finetuned.pt", "tiny_pretrained_legacy_weight_norm.pt"])
def test_the_fairseq_engine_calls_fairseq_signals_as_it_wants_to_be_called(checkpoint: str) -> None:
    ours = load_model(GOLDEN / checkpoint, "torch", "float32")
    theirs = load(resolve_weights(GOLDEN / checkpoint), "fairseq", "float32")
    assert (theirs.backend, theirs.precision) == ("fairseq", "float32")
    assert all(difference.within for difference in compare(ours, theirs))


@pytest.mark.skipif(find_spec("fairseq_signals") is not None, reason="fairseq-signals is installed here")
def test_without_fairseq_signals_its_engine_says_so() -> None:
    with pytest.raises(BackendUnavailable, match="fairseq-signals cannot be imported"):
        load(resolve_weights(CHECKPOINT), "fairseq", "float32")
    with pytest.raises(BackendUnavailable, match="original checkpoint"):
        load(resolve_weights("stand-in"), "fairseq", "float32")


def test_the_command_prints_the_differences(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(CHECKPOINT), "--backend", "torch"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["within"] is True
    assert report["differences"]["logits"]["largest"] == 0.0


@pytest.mark.skipif(find_spec("fairseq_signals") is not None, reason="fairseq-signals is installed here")
def test_the_command_says_that_fairseq_signals_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(CHECKPOINT)]) == 2
    assert "fairseq-signals cannot be imported" in capsys.readouterr().err
