"""Whole models, from file to output, against outputs recorded from fairseq-signals."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ecg.errors import BackendUnavailable
from ecg.labels import sigmoid
from ecg.models import Model, ModelOutput, load_model

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "golden"
# The reference's own noise between threads, batch sizes, attention kernels and precisions is below 1e-5 on tokens.
TOLERANCES = {"final": 5e-5, "logits": 5e-5, "pooled": 2e-5}


def golden(name: str) -> Mapping[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return dict(arrays)


@cache
def model(checkpoint: str, backend: str = "torch", precision: str = "float32") -> Model:
    return load_model(GOLDEN / f"{checkpoint}.pt", backend, precision)  # type: ignore[arg-type]


def differences(out: ModelOutput, expected: Mapping[str, np.ndarray]) -> dict[str, float]:
    got = {"final": out.tokens, "pooled": out.embedding, "logits": out.logits}
    return {
        name: float(np.abs(array - expected[name]).max())
        for name, array in got.items()
        if name in expected and array is not None
    }


@pytest.mark.parametrize(
    ("checkpoint", "source", "expected", "compared"),
    [
        ("tiny_finetuned", "tiny_finetuned_T2500", "tiny_finetuned_T2500", 3),
        ("tiny_finetuned", "tiny_finetuned_T5000", "tiny_finetuned_T5000", 3),
        ("tiny_finetuned_numpy_metrics", "tiny_finetuned_T2500", "tiny_finetuned_T2500", 3),
        ("tiny_finetuned_preln", "tiny_finetuned_T2500", "tiny_finetuned_preln_T2500", 3),
        ("tiny_pretrained_legacy_weight_norm", "tiny_finetuned_T2500", "tiny_pretrained_T2500", 2),
        ("tiny_pretrained_legacy_weight_norm", "tiny_finetuned_T5000", "tiny_pretrained_T5000", 2),
    ],
)
def test_outputs_equal_fairseq_signals(checkpoint: str, source: str, expected: str, compared: int) -> None:
    out = model(checkpoint)(golden(source)["source"])
    found = differences(out, golden(expected))
    assert len(found) == compared
    assert {name: d for name, d in found.items() if d > TOLERANCES[name]} == {}
    assert (out.logits is None) == checkpoint.startswith("tiny_pretrained")


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the goldens of ../shared/golden are not here")
@pytest.mark.parametrize("checkpoint", ["tiny_finetuned_legacy_weight_norm", "tiny_pretrained"])
def test_the_other_spelling_of_weight_norm_gives_the_same(checkpoint: str) -> None:
    kind = checkpoint.split("_")[1]
    out = load_model(SHARED / f"{checkpoint}.pt", "torch", "float32")(golden("tiny_finetuned_T2500")["source"])
    found = differences(out, golden(f"tiny_{kind}_T2500"))
    assert {name: d for name, d in found.items() if d > TOLERANCES[name]} == {}
    assert "final" in found


@pytest.mark.parametrize("kind", ["finetuned", "pretrained"])
def test_absent_leads_as_zeros_equal_fairseq_signals(kind: str) -> None:
    checkpoint = {"finetuned": "tiny_finetuned", "pretrained": "tiny_pretrained_legacy_weight_norm"}[kind]
    out = model(checkpoint)(golden("tiny_finetuned_zeroleads")["source"])
    expected = golden(f"tiny_{kind}_zeroleads")
    assert {name: d for name, d in differences(out, expected).items() if d > TOLERANCES[name]} == {}
    np.testing.assert_allclose(out.tokens[:, ::8], expected["final_every8"], rtol=0, atol=TOLERANCES["final"])


@pytest.mark.parametrize("n_samples", [2499, 2503, 1000, 37, 32, 16])
def test_odd_lengths_equal_fairseq_signals(n_samples: int) -> None:
    arrays = golden("tiny_finetuned_oddlengths")
    out = model("tiny_finetuned")(arrays[f"source_{n_samples}"])
    assert out.tokens.shape[1] == arrays[f"ntok_{n_samples}"]
    assert np.abs(out.embedding - arrays[f"pooled_{n_samples}"]).max() <= TOLERANCES["pooled"]
    assert out.logits is not None
    assert np.abs(out.logits - arrays[f"logits_{n_samples}"]).max() <= TOLERANCES["logits"]


@pytest.mark.parametrize(
    ("checkpoint", "backend"),
    [("tiny_finetuned", "torch"), ("tiny_finetuned_preln", "torch"), ("tiny_finetuned", "openvino")],
)
def test_bfloat16_stays_close(checkpoint: str, backend: str) -> None:
    expected = golden("tiny_finetuned_preln_T2500" if checkpoint.endswith("preln") else "tiny_finetuned_T2500")
    try:
        engine = model(checkpoint, backend, "bfloat16")
    except BackendUnavailable as error:
        pytest.skip(error.message)
    out = engine(golden("tiny_finetuned_T2500")["source"])
    assert engine.precision == "bfloat16"
    assert out.logits is not None
    assert np.abs(sigmoid(out.logits) - sigmoid(expected["logits"])).max() <= 0.01
    cosine = (out.embedding * expected["pooled"]).sum(1) / (
        np.linalg.norm(out.embedding, axis=1) * np.linalg.norm(expected["pooled"], axis=1)
    )
    assert cosine.min() >= 0.999


@pytest.mark.parametrize(
    ("checkpoint", "expected"),
    [
        ("tiny_finetuned", "tiny_finetuned_T2500"),
        ("tiny_finetuned_preln", "tiny_finetuned_preln_T2500"),
    ],
)
def test_openvino_float32_equals_fairseq_signals(checkpoint: str, expected: str) -> None:
    out = model(checkpoint, "openvino")(golden("tiny_finetuned_T2500")["source"])
    found = differences(out, golden(expected))
    assert {name: d for name, d in found.items() if d > 1e-4} == {}
    assert "pooled" in found
