"""`ecg convert`, as a user calls it."""

import json
from pathlib import Path

import numpy as np
import pytest

from ecg.cli import main
from ecg.models import load_model

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_CACHE_DIR", str(tmp_path / "cache"))


def test_convert_writes_a_file_that_gives_the_same_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tiny.safetensors"
    assert main(["convert", str(GOLDEN / "tiny_finetuned.pt"), str(out)]) == 0
    printed = capsys.readouterr()
    written = json.loads(printed.out)
    assert (written["kind"], written["bytes"]) == ("finetuned", out.stat().st_size)
    assert "converting" in printed.err
    golden = np.load(GOLDEN / "tiny_finetuned_T2500.npz")
    answers = load_model(out, "torch", "float32")(golden["source"])
    assert answers.logits is not None
    assert np.abs(answers.logits - golden["logits"]).max() <= 5e-5


@pytest.mark.parametrize(
    ("checkpoint", "out", "message"),
    [
        ("nowhere.pt", "x.safetensors", "No such file"),
        ("page.pt", "x.safetensors", "web page"),
        ("page.pt", "x.bin", "ends in .safetensors"),
    ],
)
def test_convert_says_what_is_wrong_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], checkpoint: str, out: str, message: str
) -> None:
    (tmp_path / "page.pt").write_text("<html>")
    assert main(["convert", str(tmp_path / checkpoint), str(tmp_path / out)]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["page.pt"]
