"""The whole command at a tiny size, on an archive made here: what it writes is loaded and says what it may."""

import json
from pathlib import Path

import numpy as np
import pytest

from ecg.labels import LABEL_NAMES
from ecg.models import load_model
from ecg.models.calibration import Calibration
from ecg.models.weight_file import file_sha256, read_header
from tests.training.test_archives import write_standardised
from training.evidence import Judged, alike, calibrated, gate, table
from training.loop import Stage
from training.small import Plan, make

TINY = Plan(
    simulated=20,
    foundation=Stage("foundation", 2, 1e-3, 1e-4, (), 16),
    shipped=Stage("shipped", 2, 1e-3, 1e-5, (1, 2, 3, 4, 5), 14),
    judges=((Stage("judge-a", 1, 1e-3, 1e-5, (3, 4, 5), 14), (1, 2)),),
)


def test_the_command_writes_a_file_that_is_loaded_and_says_nothing_unproved(tmp_path: Path) -> None:
    names = {
        f"{name}-{fold}": (fold, codes) for fold in range(1, 8) for name, codes in (("sinus", "SR"), ("pvc", "SR;PVC"))
    }
    write_standardised(tmp_path / "archive", names)
    out = tmp_path / "out"
    weights = make(TINY, tmp_path / "archive", None, out, seed=3)
    evidence = json.loads((out / "evidence.json").read_text())
    assert evidence["sha256"] == file_sha256(weights)
    assert evidence["seed"] == 3
    header = read_header(weights)
    assert header.calibration == Calibration({})  # two positives prove nothing
    assert header.source_sha256 == file_sha256(out / "small.pt")
    assert "PTB-XL folds 7" in evidence["labels"]["Premature ventricular contraction"]["by_origin"]
    assert weights.stat().st_size < 2_000_000
    segments = np.random.default_rng(0).standard_normal((1, 12, 2500)).astype(np.float32)
    half, full = (load_model(path, "torch", "float32")(segments) for path in (weights, out / "small.pt"))
    assert half.logits is not None
    assert full.logits is not None
    np.testing.assert_allclose(half.logits, full.logits, atol=0.02)  # float16 rounds each weight by 0.05 %


@pytest.fixture
def told() -> Judged:
    """40 positives and 400 negatives; one label is told well, another not at all, a third has 10 positives."""
    rng = np.random.default_rng(0)
    labels = np.zeros((440, 17), dtype=np.float32)
    labels[:40] = 1
    labels[10:, 2] = 0
    odds = rng.normal(0, 1, (440, 17)).astype(np.float32)
    odds[:, 0] += 5 * labels[:, 0]
    odds[:, 2] += 5 * labels[:, 2]
    sex = np.where(np.arange(440) % 2, "male", "female")
    return Judged("made up", odds, labels, True, {"sex": sex})


def test_the_gate_lets_through_what_is_told_and_has_positives(told: Judged) -> None:
    assert gate([told]) == [LABEL_NAMES[0]]


def test_the_table_gives_every_label_with_its_groups(told: Judged) -> None:
    rows = table([told], told)
    assert list(rows) == list(LABEL_NAMES)
    first = rows[LABEL_NAMES[0]]
    assert first["speaks"]
    assert set(first["by_group"]) == {"sex female", "sex male"}
    assert first["by_group"]["sex male"]["positives"] == 20
    assert first["brier"][0] < first["brier"][1]


def test_copies_are_alike_when_probabilities_move_little(told: Judged) -> None:
    calibration = calibrated(told, [LABEL_NAMES[0]])
    moved = told.odds.copy()
    moved[:44, 0] -= 20
    shares = alike(calibration, {"raw": told.odds, "other": moved})
    assert shares[LABEL_NAMES[0]] == pytest.approx(1 - 40 / 440, abs=0.012)  # the four negatives stay low either way
    assert shares["every label"] == shares[LABEL_NAMES[0]]
