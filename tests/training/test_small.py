"""The whole command at a tiny size, on an archive made here: what it writes is loaded and says what it may."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg.labels import LABEL_NAMES
from ecg.models import load_model
from ecg.models.calibration import Calibration
from ecg.models.weight_file import file_sha256, read_header
from tests.training.test_archives import write_standardised
from training.evidence import Judged, alike, by_copy, gate, table
from training.loop import Stage
from training.small import Plan, make

TINY = Plan(
    simulated=20,
    foundation=Stage("foundation", 2, 1e-3, 1e-4, (), 16),
    mixed=Stage("mixed", 2, 1e-3, 1e-5, (1, 2, 4), 12, pairs=2),
)

NAMES = ("sinus", "pvc")


def test_the_command_writes_a_file_that_is_loaded_and_says_nothing_unproved(tmp_path: Path) -> None:
    names = {
        f"{name}-{fold}": (fold, codes) for fold in range(1, 8) for name, codes in (("sinus", "SR"), ("pvc", "SR;PVC"))
    }
    write_standardised(tmp_path / "archive", names)
    out = tmp_path / "out"
    torch.set_num_threads(1)
    weights = make(TINY, tmp_path / "archive", None, out, seed=3)
    evidence = json.loads((out / "evidence.json").read_text())
    assert evidence["sha256"] == file_sha256(weights)
    assert evidence["seed"] == 3
    header = read_header(weights)
    assert header.calibration == Calibration({})  # two positives prove nothing
    assert header.source_sha256 == file_sha256(out / "small.pt")
    assert list(evidence["labels"]["Premature ventricular contraction"]["by_origin"]) == ["PTB-XL folds 3, 5, 6, 7"]
    assert evidence["recordings"] == {"simulated": 20, "archive": 6, "archive_unseen": 8}
    assert weights.stat().st_size < 6_000_000
    segments = np.random.default_rng(0).standard_normal((1, 12, 2500)).astype(np.float32)
    half, full = (load_model(path, "torch", "float32")(segments) for path in (weights, out / "small.pt"))
    assert half.logits is not None
    assert full.logits is not None
    np.testing.assert_allclose(half.logits, full.logits, atol=0.02)  # float16 rounds each weight by 0.05 %


def test_the_same_seed_and_inputs_make_the_same_file(tmp_path: Path) -> None:
    write_standardised(tmp_path / "archive", {f"{name}-{fold}": (fold, "SR") for fold in range(1, 5) for name in NAMES})
    torch.set_num_threads(1)
    made = [make(TINY, tmp_path / "archive", None, tmp_path / name, seed=3).read_bytes() for name in ("one", "two")]
    assert made[0] == made[1]
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("one", "two")]
    inputs = [next(line["inputs"] for line in map(json.loads, log) if "inputs" in line) for log in logs]
    assert inputs[0] == inputs[1]
    assert json.loads(logs[0][-1])["sha256"] == file_sha256(tmp_path / "one" / "small.safetensors")


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
    rows = np.arange(440)
    groups = {"sex": np.where(rows % 2, "male", "female"), "fold": np.where(rows % 3, "3", "5")}
    return Judged("made up", odds, labels, groups)


def test_the_gate_lets_through_what_is_told_and_has_positives(told: Judged) -> None:
    assert list(gate([told]).lines) == [LABEL_NAMES[0]]


def test_a_label_that_is_badly_calibrated_elsewhere_stays_silent(told: Judged) -> None:
    """The same order of recordings, so the same AUROC, with all log odds ten higher than where the line was fitted."""
    elsewhere = replace(told, origin="elsewhere", odds=told.odds + 10)
    assert LABEL_NAMES[0] in gate([told, replace(told, origin="elsewhere")]).lines
    assert LABEL_NAMES[0] not in gate([told, elsewhere]).lines


def test_the_table_gives_every_label_with_its_groups(told: Judged) -> None:
    rows = table([told, replace(told, origin="elsewhere")], Calibration({LABEL_NAMES[0]: (2.0, -5.0)}))
    assert list(rows) == list(LABEL_NAMES)
    first = rows[LABEL_NAMES[0]]
    assert first["speaks"]
    assert set(first["by_group"]) == {"sex female", "sex male", "fold 3", "fold 5"}
    assert first["by_group"]["sex male"]["positives"] == 40  # of both origins
    for score, usual in first["brier"].values():
        assert score < usual
    assert list(rows[LABEL_NAMES[1]]["brier"]) == ["made up"]  # what is silent has no line


def test_each_copy_is_told_by_itself(told: Judged) -> None:
    told_apart = by_copy(
        [told, told], {"raw": np.tile(told.odds, (2, 1)), "lost": np.zeros((880, 17))}, LABEL_NAMES[:1]
    )
    found = told_apart[LABEL_NAMES[0]]
    assert found["raw"]["auroc"] > 0.99
    assert found["lost"]["auroc"] == 0.5
    assert found["raw"]["positives"] == 80


def test_copies_are_alike_when_probabilities_move_little(told: Judged) -> None:
    calibration = gate([told])
    moved = told.odds.copy()
    moved[:44, 0] -= 20
    shares = alike(calibration, {"raw": told.odds, "other": moved})
    assert shares[LABEL_NAMES[0]] == pytest.approx(1 - 40 / 440, abs=0.012)  # the four negatives stay low either way
    assert shares["every label"] == shares[LABEL_NAMES[0]]
