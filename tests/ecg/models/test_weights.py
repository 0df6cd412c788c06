"""Where weights come from and what is kept of them."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg.atomic_write import replacing
from ecg.errors import CheckpointRejected, ModelError, WeightsUnavailable
from ecg.models import hub, load_model, resolve_weights
from ecg.models.cache import cache_directory, locked
from ecg.models.contract import ModelCard
from ecg.models.ecgfm.architecture import Architecture
from ecg.models.ecgfm.cards import CLINICAL, FEATURES
from ecg.models.weight_file import WeightFileHeader, write_weight_file

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


def test_a_checkpoint_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_CACHE_DIR", str(tmp_path))
    first = resolve_weights(GOLDEN / "tiny_finetuned.pt")
    assert first.path is not None
    assert first.path.parent == tmp_path / "weights"
    assert first.identifier == f"tiny_finetuned.pt@sha256:{first.sha256}"
    made = first.path.stat().st_mtime_ns
    assert resolve_weights(str(GOLDEN / "tiny_finetuned.pt"), "finetuned") == first
    assert first.path.stat().st_mtime_ns == made
    # A damaged entry is made anew, and a renamed source finds the same entry: it goes by content.
    first.path.write_bytes(first.path.read_bytes()[:-100])
    copy = shutil.copy(GOLDEN / "tiny_finetuned.pt", tmp_path / "renamed.bin")
    assert resolve_weights(copy).path == first.path
    assert load_model(first, "torch", "float32")(np.zeros((1, 12, 16), np.float32)).tokens.shape == (1, 1, 64)


def test_a_converted_file_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = resolve_weights(GOLDEN / "tiny_finetuned.pt")
    assert weights.path is not None
    converted = Path(shutil.copy(weights.path, tmp_path / "mine.safetensors"))
    monkeypatch.setenv("ECG_CACHE_DIR", str(tmp_path / "cache"))
    mine = resolve_weights(converted)
    assert (mine.path, mine.kind, mine.trained) == (converted, "finetuned", True)
    assert mine.sha256 != weights.sha256
    assert not (tmp_path / "cache").exists()


def test_a_folder_holds_either_model_under_its_published_name(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "tiny_finetuned.pt", tmp_path / hub.FILES["finetuned"])
    assert resolve_weights(tmp_path, "finetuned").kind == "finetuned"
    with pytest.raises(WeightsUnavailable, match="mimic_iv_ecg_physionet_pretrained"):
        resolve_weights(tmp_path, "pretrained")


def test_the_wrong_kind_is_refused() -> None:
    with pytest.raises(CheckpointRejected, match="holds the finetuned model"):
        resolve_weights(GOLDEN / "tiny_finetuned.pt", "pretrained")


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ECG_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="set ECG_CACHE_DIR"):
        resolve_weights(GOLDEN / "tiny_finetuned.pt")


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_directory() == Path(os.environ["ECG_CACHE_DIR"])
    monkeypatch.delenv("ECG_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_directory() == tmp_path / ".cache" / "ecg-serve"


@pytest.mark.parametrize(
    ("kind", "backend"), [("finetuned", "torch"), ("pretrained", "torch"), ("finetuned", "openvino")]
)
def test_the_stand_in_has_the_real_shapes_and_says_it_is_untrained(kind: str, backend: str) -> None:
    model = load_model("stand-in", backend, "float32", kind=kind)  # type: ignore[arg-type]
    segments = np.random.default_rng(0).standard_normal((2, 12, 2500), dtype=np.float32)
    out = model(segments)
    assert (out.tokens.shape, out.embedding.shape) == ((2, 156, 768), (2, 768))
    assert (None if out.logits is None else out.logits.shape) == ((2, 17) if kind == "finetuned" else None)
    assert (model.trained, model.kind) == (False, kind)
    assert model.weights.identifier.startswith(f"stand-in/1/{kind}@sha256:")
    assert np.isfinite(out.tokens).all()
    # Segments differ, so that a mixed-up batch shows even untrained.
    assert np.abs(out.embedding[0] - out.embedding[1]).max() > 1e-3


def test_the_stand_in_is_the_same_everywhere() -> None:
    segments = np.linspace(-1, 1, 12 * 64, dtype=np.float32).reshape(1, 12, 64)
    runs = [load_model("stand-in", "torch", "float32")(segments).embedding for _ in range(2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    # Recorded once; 1e-4 is ten times the noise between processors and kernels.
    np.testing.assert_allclose(runs[0][0, :3], (-1.067253, 0.621040, -0.573425), rtol=0, atol=1e-4)


def test_what_a_killed_process_left_in_the_cache_goes(tmp_path: Path) -> None:
    (tmp_path / ".entry.1.partial").write_bytes(b"half")
    (tmp_path / ".entry.2.partial").mkdir()
    (tmp_path / ".other.1.partial").write_bytes(b"of another entry")
    with locked(tmp_path / "entry"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".other.1.partial", "entry.lock"]


def test_a_file_takes_its_place_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"before")
    with contextlib.suppress(RuntimeError), replacing(file) as draft:
        draft.write_bytes(b"half")
        raise RuntimeError
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"before"}


@pytest.mark.parametrize(
    ("card", "sizes", "told"),
    [
        (FEATURES, {"kind": "pretrained", "n_labels": 0, "embed_dim": 1024, "n_heads": 16}, "wider network"),
        (CLINICAL, {"kind": "finetuned", "n_labels": 71}, "71 labels"),
        (CLINICAL, {"kind": "finetuned", "n_leads": 8}, "8 leads"),
    ],
)
def test_weights_of_another_width_are_refused_by_name(
    card: ModelCard, sizes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    """Found when they are chosen, not when the first recording is answered."""
    import torch

    path = tmp_path / "other.safetensors"
    header = WeightFileHeader(Architecture(**sizes), "0" * 64, trained=True)
    write_weight_file(path, {"x": torch.zeros(1)}, header)
    with pytest.raises(CheckpointRejected, match=told):
        card.resolve(str(path), None)
