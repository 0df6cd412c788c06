"""The contract of a loaded model, and what each engine promises beside its numbers."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg.errors import BackendUnavailable, MalformedInput
from ecg.models import Model, load_model

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
CHECKPOINT = GOLDEN / "tiny_finetuned.pt"


@pytest.fixture(scope="module", params=["torch", "openvino"])
def model(request: pytest.FixtureRequest) -> Model:
    return load_model(CHECKPOINT, request.param, "float32")


@pytest.fixture
def segments() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((3, 12, 2500), dtype=np.float32)


def test_outputs_are_float32_arrays_of_the_callers_own(model: Model, segments: np.ndarray) -> None:
    first = model(segments)
    kept = (first.tokens.copy(), first.embedding.copy())
    model(-segments)
    assert first.logits is not None
    for array in (first.tokens, first.embedding, first.logits):
        assert array.dtype == np.float32
        assert array.flags.writeable
    np.testing.assert_array_equal(first.tokens, kept[0])
    np.testing.assert_array_equal(first.embedding, kept[1])


def test_read_only_and_strided_input_is_taken_and_left_alone(model: Model, segments: np.ndarray) -> None:
    expected = model(segments).embedding
    read_only = segments.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(model(read_only).embedding, expected)
    strided = np.repeat(segments, 2, axis=2)[:, :, ::2]
    np.testing.assert_array_equal(model(strided).embedding, expected)
    np.testing.assert_array_equal(read_only, segments)


def test_a_segment_alone_equals_the_segment_in_a_batch(model: Model, segments: np.ndarray) -> None:
    together = model(segments).tokens
    for i in range(len(segments)):
        # Kernels for another batch size round otherwise: 4.5e-6 on the full-size reference.
        np.testing.assert_allclose(model(segments[i : i + 1]).tokens[0], together[i], rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 12, 2500)),
        np.zeros((12, 2500), np.float32),
        np.zeros((0, 12, 2500), np.float32),
        np.zeros((1, 11, 2500), np.float32),
        np.zeros((1, 12, 15), np.float32),
    ],
    ids=["float64", "two-dimensional", "empty", "eleven-leads", "too-short"],
)
def test_input_of_another_shape_or_type_is_refused(model: Model, wrong: np.ndarray) -> None:
    with pytest.raises(MalformedInput) as caught:
        model(wrong)
    assert caught.value.field == "segments"
    assert caught.value.got == f"{wrong.dtype} {list(wrong.shape)}"


@pytest.mark.parametrize(("backend", "precision"), [("tensorrt", "auto"), ("torch", "int4")])
def test_unknown_engines_and_precisions_are_refused(backend: str, precision: str) -> None:
    with pytest.raises(BackendUnavailable, match="Unknown"):
        load_model(CHECKPOINT, backend, precision)  # type: ignore[arg-type]


def test_auto_chooses_something_that_runs(segments: np.ndarray) -> None:
    model = load_model(CHECKPOINT, threads=1)
    assert (model.backend, model.precision) in {(b, p) for b in ("torch", "openvino") for p in ("float32", "bfloat16")}
    assert np.isfinite(model(segments).embedding).all()


def test_a_process_that_serves_openvino_imports_no_torch_and_reports_to_nobody(cache: Path) -> None:
    load_model(CHECKPOINT, "openvino", "float32")  # fills the cache
    code = f"""
import sys, numpy, ecg
model = ecg.load_model({str(CHECKPOINT)!r}, "openvino", "float32")
model(numpy.zeros((1, 12, 160), numpy.float32))
from openvino.tools.ovc import telemetry_utils
print("torch" in sys.modules, telemetry_utils.tm.__name__)
"""
    environment = {**os.environ, "ECG_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "openvino.tools.ovc.telemetry_stub"]


def _zero_the_middle(graph: Path) -> None:
    data = bytearray(graph.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    graph.write_bytes(data)


@pytest.mark.parametrize("damage", [_zero_the_middle, lambda graph: graph.write_bytes(b""), Path.unlink])
def test_a_damaged_translation_is_made_anew(
    damage: Callable[[Path], object], cache: Path, segments: np.ndarray
) -> None:
    model = load_model(CHECKPOINT, "openvino", "float32")
    before = model(segments).embedding
    (folder,) = (cache / "openvino").glob(f"{model.weights.sha256}.*.full")
    damage(folder / "features.bin")
    np.testing.assert_array_equal(load_model(CHECKPOINT, "openvino", "float32")(segments).embedding, before)
