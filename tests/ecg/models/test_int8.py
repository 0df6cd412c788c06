"""Quantisation and the gate in front of it, on the tiny checkpoint."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ecg.errors import BackendUnavailable
from ecg.labels import sigmoid
from ecg.models import load_model
from ecg.models.engines import accuracy_gate
from ecg.models.engines.accuracy_gate import FILE, MAX_PROBABILITY_DIFFERENCE, Closeness
from ecg.models.engines.openvino_engine import import_openvino, seal
from tests.ecg.models.test_engines import CHECKPOINT

pytest.importorskip("nncf", reason="quantising needs NNCF")


@pytest.fixture(scope="module")
def quantised(cache: Path) -> Path:
    """The folder of the tiny checkpoint's quantised graphs."""
    load_model(CHECKPOINT, "openvino", "int8")
    (folder,) = (path for path in (cache / "openvino").iterdir() if path.is_dir() and ".int8" in path.name)
    return folder


@pytest.fixture
def damaged(quantised: Path, tmp_path: Path) -> Iterator[Path]:
    """The same folder with one of the stored answers turned round, put right afterwards."""
    kept = tmp_path / FILE
    shutil.copy(quantised / FILE, kept)
    yield quantised
    shutil.copy(kept, quantised / FILE)
    seal(quantised)


@pytest.mark.usefixtures("quantised")
def test_a_quantised_network_is_close_to_the_float32_one() -> None:
    model, reference = load_model(CHECKPOINT, "openvino", "int8"), load_model(CHECKPOINT, "torch", "float32")
    assert (model.precision, model.note) == ("int8", None)
    segments = np.random.default_rng(5).standard_normal((3, 12, 2500), dtype=np.float32)
    found, expected = model(segments).logits, reference(segments).logits
    assert found is not None
    assert expected is not None
    difference = np.abs(sigmoid(found) - sigmoid(expected)).max()
    assert 0 < difference <= MAX_PROBABILITY_DIFFERENCE  # noise is nothing it was calibrated on; 0 is not quantised


def test_a_quantisation_that_answers_otherwise_is_refused_with_its_figures(damaged: Path) -> None:
    with np.load(damaged / FILE) as stored:
        contents = dict(stored)
    contents["logits"][3] = -contents["logits"][3]
    contents["embedding"][3] = -contents["embedding"][3]
    np.savez(damaged / FILE, **contents)
    seal(damaged)
    model = load_model(CHECKPOINT, "openvino", "int8")
    assert model.precision in ("bfloat16", "float32")
    assert model.note is not None
    assert "int8 was refused" in model.note
    assert "cosine -" in model.note
    assert model(contents["segments"]).logits is not None


def test_a_wrong_quantisation_is_refused(quantised: Path, tmp_path: Path) -> None:
    openvino = import_openvino()
    kept = shutil.copytree(quantised, tmp_path / "kept")
    graph = openvino.Core().read_model(kept / "encoder.xml")
    tokens = graph.get_results()[0].input_value(0)
    shift = np.random.default_rng(0).standard_normal(tokens.partial_shape[2].get_length()).astype(np.float32)
    shifted = openvino.opset13.add(tokens, openvino.opset13.constant(shift))
    try:
        openvino.save_model(openvino.Model([shifted], graph.get_parameters()), quantised / "encoder.xml")
        seal(quantised)
        model = load_model(CHECKPOINT, "openvino", "int8")
    finally:
        shutil.rmtree(quantised)
        shutil.copytree(kept, quantised)
    assert model.precision in ("bfloat16", "float32")
    assert "int8 was refused" in (model.note or "")


def test_auto_takes_what_was_found_twice_as_close_and_says_so(quantised: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_model(CHECKPOINT, "openvino", "int8")
    # What it was found to be, so that the test holds for the figures of any processor.
    (kept,) = quantised.parent.glob(f"{quantised.name}.closeness.*.json")
    found = Closeness(**json.loads(kept.read_text()))
    assert found.difference is not None
    monkeypatch.setattr(accuracy_gate, "MAX_PROBABILITY_DIFFERENCE", 2.1 * found.difference)
    monkeypatch.setattr(accuracy_gate, "MIN_EMBEDDING_COSINE", 1 - 2.1 * (1 - found.cosine))
    chosen = load_model(CHECKPOINT, "openvino", "auto")
    assert chosen.precision == "int8"
    assert "int8 was chosen" in (chosen.note or "")
    assert load_model(CHECKPOINT, "openvino", "float32").precision == "float32"

    kept_apart = (quantised / "encoder.bin").rename(quantised.parent / "encoder.bin")
    try:
        assert load_model(CHECKPOINT, "openvino", "auto").precision != "int8"  # and is not quantised again
        assert not (quantised / "encoder.bin").exists()
    finally:
        kept_apart.rename(quantised / "encoder.bin")

    monkeypatch.setattr(accuracy_gate, "MAX_PROBABILITY_DIFFERENCE", 1.9 * found.difference)
    assert load_model(CHECKPOINT, "openvino", "int8").precision == "int8"  # it was asked for, and is close enough
    left = load_model(CHECKPOINT, "openvino", "auto")
    assert left.precision != "int8"
    assert left.note is None


def test_auto_does_not_take_what_never_ran_here(quantised: Path) -> None:
    for kept in quantised.parent.glob(f"{quantised.name}.closeness.*.json"):
        kept.unlink()
    assert load_model(CHECKPOINT, "openvino", "auto").precision != "int8"


@pytest.mark.parametrize("damaged", ["", "[]", "{}", '{"cosine": null, "difference": null}', '{"cosine": "near"}'])
def test_auto_passes_over_damaged_figures(quantised: Path, damaged: str) -> None:
    load_model(CHECKPOINT, "openvino", "int8")
    (kept,) = quantised.parent.glob(f"{quantised.name}.closeness.*.json")
    kept.write_text(damaged)
    assert load_model(CHECKPOINT, "openvino", "auto").precision != "int8"


def test_int8_on_torch_is_a_typed_refusal() -> None:
    with pytest.raises(BackendUnavailable, match="no int8"):
        load_model(CHECKPOINT, "torch", "int8")
