"""The small model of the package: it loads, says what it may, and does not mind how a recording was made."""

from pathlib import Path

import numpy as np
import psutil
import pytest

from ecg import local
from ecg.models import Model, load_model, resolve_weights
from ecg.models.calibration import Calibration
from ecg.models.ecgfm.preparation import prepare
from ecg.models.result import infer
from ecg.models.weight_file import file_sha256
from ecg.models.weights import SMALL
from ecg.record import EcgRecord
from ecg.simulation import SCENARIOS, simulate
from training.copies import copies
from training.external import labelled

CARD = Path(__file__).parents[3] / "docs" / "model-card.md"


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("small", "torch", "float32", kind="finetuned")


def validated(model: Model) -> Calibration:
    assert model.calibration is not None
    return model.calibration


def test_the_file_is_small_and_the_one_that_its_card_names() -> None:
    assert SMALL.stat().st_size <= 6_000_000
    assert file_sha256(SMALL) in CARD.read_text()


def test_it_speaks_of_validated_labels_only_and_the_card_names_them(model: Model) -> None:
    report = local.analyze(simulate(SCENARIOS["sinus"]).record, model, include=frozenset({"clinical"}))
    labels = report.to_dict()["labels"]
    spoken = {label["name"] for label in labels if label["probability"] is not None}
    assert spoken == set(validated(model).lines)
    assert len(spoken) >= 5
    for label in labels:
        assert label["calibrated"] is (label["name"] in spoken)
        assert label.get("reason") == (None if label["name"] in spoken else "not validated")
    card = CARD.read_text()
    for label in labels:
        assert f"| {label['name']} | {'speaks' if label['name'] in spoken else 'silent'} |" in card


@pytest.mark.parametrize(
    ("scenario", "label"),
    [
        ("atrial_fibrillation", "Atrial fibrillation"),
        ("sinus", "Sinus rhythm"),
        ("lbbb", "Left bundle branch block"),
        ("sinus_tachycardia", "Tachycardia"),
        ("sinus_bradycardia", "Bradycardia"),
    ],
)
def test_it_knows_what_every_reader_knows(model: Model, scenario: str, label: str) -> None:
    report = local.analyze(simulate(SCENARIOS[scenario]).record, model, include=frozenset({"clinical"}))
    said = {entry["name"]: entry["probability"] for entry in report.to_dict()["labels"]}
    if label in validated(model).lines:
        assert said[label] > 0.5
    else:
        assert said[label] is None


def test_its_encoder_stands_alone_as_the_feature_model(model: Model) -> None:
    features = load_model("small", "torch", "float32", kind="pretrained")
    segments = prepare(simulate(SCENARIOS["sinus"]).record)
    output = features(segments)
    assert output.logits is None
    np.testing.assert_array_equal(output.embedding, model(segments).embedding)
    weights = resolve_weights("small", "pretrained")
    assert (weights.kind, weights.trained, weights.calibration) == ("pretrained", True, None)
    assert weights.identifier == f"ecg-serve/small.safetensors@sha256:{file_sha256(SMALL)}"


def test_openvino_agrees_with_torch(model: Model) -> None:
    segments = prepare(simulate(SCENARIOS["pvc"]).record)
    other = load_model("small", "openvino", "float32", kind="finetuned")(segments)
    ours = model(segments)
    assert ours.logits is not None
    assert other.logits is not None
    np.testing.assert_allclose(other.logits, ours.logits, atol=1e-3)


def spread(model: Model, record: EcgRecord) -> float:
    """The most that a probability differs between the copies of a recording."""
    said = [infer(model, [segments])[0].scores for segments in copies(record).values()]
    return float(np.nanmax(np.ptp(np.stack([scores for scores in said if scores is not None]), axis=0)))


def test_copies_of_simulated_recordings_agree(model: Model) -> None:
    """Filtered at 40 Hz, at 100 and at 250 Hz. One in ten may lie at an edge of a label."""
    names = [name for name in SCENARIOS if name not in ("missing_samples", "paced", "paced_dual")]
    spreads = [spread(model, simulate(SCENARIOS[name], 5).record) for name in names[:30]]
    assert np.mean(np.array(spreads) <= 0.1) >= 0.9


def test_copies_of_real_recordings_agree(model: Model, shared: Path) -> None:
    """LUDB and CinC-2021; the card gives the share of today."""
    table = shared / "data" / "diagnoses.csv"
    records = [record for name in ("ludb", "cinc2021_sample") for record, _ in labelled(table, name)]
    spreads = np.array([spread(model, record) for record in records[::4]])
    assert len(spreads) >= 25
    assert np.mean(spreads <= 0.1) >= 0.8


def test_a_graph_keeps_no_copy_of_its_file_in_memory() -> None:
    graph = load_model("small", "openvino", "float32", kind="finetuned")
    segments = np.random.default_rng(3).standard_normal((2, 12, 2500), dtype=np.float32)
    first = graph(segments)
    held = [file.rss for file in psutil.Process().memory_maps() if file.path.endswith(("features.bin", "encoder.bin"))]
    assert len(held) >= 1  # the files are still mapped
    assert sum(held) == 0
    np.testing.assert_array_equal(graph(segments).embedding, first.embedding)
