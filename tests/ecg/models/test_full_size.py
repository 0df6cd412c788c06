"""The published size, 90.9 M weights made by the recipe, and real recordings prepared as the authors prepare them."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import ecg
from ecg.errors import BackendUnavailable
from ecg.labels import aggregate, sigmoid
from ecg.leads import STANDARD_LEADS
from ecg.models import Model
from tests.golden import recipe

SHARED = Path(__file__).resolve().parents[4] / "shared" / "golden"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the full-size goldens of ../shared/golden are not here"),
]


def full_size_checkpoint(kind: str, folder: Path) -> Path:
    """A fairseq-signals checkpoint of the published size, with the recipe's weights."""
    model = OrderedDict()
    for line in (SHARED / f"state_dict_{kind}.tsv").read_text().splitlines():
        name, shape = line.split("\t")[:2]
        sizes = tuple(int(size) for size in shape.strip("[]").split(","))
        model[name] = torch.from_numpy(recipe.weight(name, sizes))
    path = folder / f"full_{kind}.pt"
    cfg = {"model": {"conv_feature_layers": "[(256, 2, 2)] * 4", "layer_norm_first": False}}
    torch.save({"args": None, "cfg": cfg, "model": model}, path)
    return path


@pytest.fixture(scope="module", params=["finetuned", "pretrained"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = full_size_checkpoint(request.param, tmp_path_factory.mktemp("full"))
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return ecg.load_model(checkpoint, "torch", "float32")


def test_full_size_equals_fairseq_signals(model: Model) -> None:
    sources = np.load(SHARED / "full_finetuned.npz")
    golden = np.load(SHARED / f"full_{model.kind}.npz")
    for n_samples in (2500, 5000):
        expected = {
            name.removesuffix(f"_{n_samples}"): golden[name] for name in golden.files if name.endswith(f"_{n_samples}")
        }
        out = model(sources[f"source_{n_samples}"])
        assert np.abs(out.tokens[:, 0] - expected["first_token"]).max() <= 5e-5
        assert np.abs(out.tokens[:, -1] - expected["last_token"]).max() <= 5e-5
        assert np.abs(out.embedding - expected["pooled"]).max() <= 2e-5
        assert (out.logits is None) == (model.kind == "pretrained")
        if out.logits is not None:
            assert np.abs(out.logits - expected["logits"]).max() <= 5e-5


def test_real_recordings_equal_the_authors(model: Model) -> None:
    stored = np.load(SHARED / "code15_finetuned.npz")
    golden = np.load(SHARED / f"code15_{model.kind}.npz")
    names = sorted({key.split("/")[0] for key in golden.files})
    assert len(names) == 6
    segments = []
    for name in names:
        record = ecg.EcgRecord(stored[f"{name}/org"], STANDARD_LEADS, float(stored[f"{name}/fs"]), None)
        segments.append(ecg.prepare(record))
        assert segments[-1].shape == stored[f"{name}/segments"].shape
        assert np.abs(segments[-1] - stored[f"{name}/segments"]).max() <= 2e-6
    out = model(np.concatenate(segments))
    start = 0
    for name, own in zip(names, segments, strict=True):
        part = slice(start, start + len(own))
        start += len(own)
        assert np.abs(out.embedding[part] - golden[f"{name}/pooled"]).max() <= 2e-5
        assert np.abs(out.tokens[part, 0] - golden[f"{name}/first_token"]).max() <= 5e-5
        if out.logits is not None:
            assert np.abs(out.logits[part] - golden[f"{name}/logits"]).max() <= 5e-5
            assert np.abs(sigmoid(out.logits[part]) - golden[f"{name}/probs"]).max() <= 1e-5
            assert np.abs(aggregate(out.logits[part]) - golden[f"{name}/probs_agg"]).max() <= 1e-5


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_openvino_on_real_recordings(checkpoint: Path, precision: str) -> None:
    if precision == "float32" and checkpoint.stem.endswith("pretrained"):
        pytest.skip("the same encoder as the finetuned model's, in the same precision")
    try:
        model = ecg.load_model(checkpoint, "openvino", precision)  # type: ignore[arg-type]
    except BackendUnavailable as error:
        pytest.skip(error.message)
    stored = np.load(SHARED / "code15_finetuned.npz")
    golden = np.load(SHARED / f"code15_{model.kind}.npz")
    for name in sorted({key.split("/")[0] for key in golden.files}):
        out = model(stored[f"{name}/segments"])
        expected = golden[f"{name}/pooled"]
        norms = np.linalg.norm(out.embedding, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((out.embedding * expected).sum(1) / norms).min() >= 0.999
        if out.logits is not None:
            if precision == "float32":
                assert np.abs(out.logits - golden[f"{name}/logits"]).max() <= 1e-4
            assert np.abs(sigmoid(out.logits) - golden[f"{name}/probs"]).max() <= 0.01
