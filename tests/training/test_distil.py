"""Distillation from the golden checkpoint."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg.errors import UnusableRecording
from ecg.formats.writers import write_wfdb
from ecg.labels import sigmoid
from ecg.models import load_model
from ecg.models.ecgfm.preparation import prepare
from ecg.simulation import SCENARIOS, simulate
from training.distil import distil, lessons, main
from training.loop import Log

TEACHER = Path(__file__).parents[1] / "golden" / "tiny_finetuned.pt"
NAMES = ("sinus", "lbbb", "pvc", "atrial_fibrillation", "paced", "sinus_bradycardia")


def test_the_student_comes_to_say_what_the_teacher_says(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    teacher = load_model(TEACHER, "torch", "float32")
    given = lessons(teacher, [prepare(simulate(SCENARIOS[name]).record) for name in NAMES])
    segments = prepare(simulate(SCENARIOS["lbbb"]).record)
    logits = teacher(segments).logits
    assert logits is not None
    np.testing.assert_allclose(given.probabilities[1].numpy(), sigmoid(logits).mean(axis=0), atol=1e-6)
    tensors, losses = distil(given, 30, 0, Log(tmp_path / "log.jsonl"))
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:3])
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_the_command_reads_a_folder_and_writes_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    write_wfdb(simulate(SCENARIOS["sinus"]).record, folder, "one")
    (folder / "broken.hea").write_text("not a header")
    out = tmp_path / "out"
    arguments = ["--teacher", str(TEACHER), "--recordings", str(folder), "--out", str(out), "--steps", "2"]
    assert main(arguments) == 0
    assert "broken.hea is left out" in capsys.readouterr().out
    assert load_model(out / "distilled.pt", "torch", "float32").weights.architecture.embed_dim == 320
    assert json.loads((out / "distilled.json").read_text())["teacher"].startswith("tiny_finetuned.pt@sha256:")


def test_nothing_to_learn_from_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    arguments = ["--teacher", str(TEACHER), "--recordings", str(tmp_path / "empty"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "No recording of ten seconds" in capsys.readouterr().out


def test_a_teacher_needs_a_classifier() -> None:
    teacher = load_model(TEACHER.with_name("tiny_pretrained_legacy_weight_norm.pt"), "torch", "float32")
    with pytest.raises(ValueError, match="classifier"):
        lessons(teacher, [])
    with pytest.raises(UnusableRecording):
        lessons(load_model(TEACHER, "torch", "float32"), [])
