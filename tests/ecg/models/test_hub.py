"""Downloading the published weights, against a local stand-in for the hub."""

import socket
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from ecg.errors import CheckpointRejected, MalformedInput, WeightsUnavailable
from ecg.models import hub, load_model, resolve_weights
from ecg.models.weights import SMALL
from tests.ecg.models.hub_server import HubServer

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
CHUNK = constants.DOWNLOAD_CHUNK_SIZE


def resolve_path(kind: str) -> str:
    return f"/wanglab/ecg-fm/resolve/{hub.REVISION}/{hub.FILES[kind]}"  # type: ignore[index]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test here may see, or fill, this machine's caches, or reach the real hub."""
    monkeypatch.setenv("ECG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def large() -> bytes:
    return np.random.default_rng(0).bytes(2 * CHUNK + CHUNK // 2)


def test_the_published_checkpoint_is_downloaded_converted_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    content = (GOLDEN / "tiny_finetuned.pt").read_bytes()
    with HubServer(resolve_path("finetuned"), content) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        weights = resolve_weights("hub", "finetuned")
    assert weights.identifier == f"wanglab/ecg-fm/mimic_iv_ecg_finetuned.pt@sha256:{server.sha256}"
    assert (weights.kind, weights.trained, weights.note) == ("finetuned", True, None)
    assert server.authorizations == [None]  # the token is the hub's, not the storage's
    # The server is gone: the second time nothing is asked of it.
    assert resolve_weights("hub", "finetuned") == weights
    assert resolve_weights("auto", "finetuned") == weights
    assert load_model(weights, "torch", "float32").weights.architecture.embed_dim == 64


def test_progress_counts_the_bytes(monkeypatch: pytest.MonkeyPatch, large: bytes) -> None:
    seen: list[tuple[str, int, int | None]] = []
    with HubServer(resolve_path("pretrained"), large) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        hub.fetch("pretrained", lambda *step: seen.append(step))
    downloading = [step[1:] for step in seen if step[0].startswith("downloading")]
    assert downloading == [(n, len(large)) for n in (0, CHUNK, 2 * CHUNK, len(large))]


def test_a_cut_connection_is_resumed(monkeypatch: pytest.MonkeyPatch, large: bytes) -> None:
    with HubServer(resolve_path("finetuned"), large, cut_after=CHUNK + CHUNK // 2) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        path = hub.fetch("finetuned")
    assert path.read_bytes() == large
    assert server.ranges == [None, f"bytes={CHUNK}-"]


def test_an_interrupted_process_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch, large: bytes) -> None:
    def interrupt(_: str, done: int, total: int | None) -> None:
        if done >= 2 * CHUNK:
            raise KeyboardInterrupt

    with HubServer(resolve_path("finetuned"), large) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        with pytest.raises(KeyboardInterrupt):
            hub.fetch("finetuned", interrupt)
        assert hub.cached("finetuned") is None
        path = hub.fetch("finetuned")
    assert path.read_bytes() == large
    # The bar is told before the bytes are written, so the last chunk comes again.
    assert server.ranges == [None, f"bytes={CHUNK}-"]


def test_bytes_other_than_announced_are_not_kept(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    with HubServer(resolve_path("finetuned"), b"other bytes") as server:
        server.announced_sha256 = "0" * 64
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        with pytest.raises(WeightsUnavailable, match="could not be downloaded"):
            hub.fetch("finetuned")
    assert [path for path in own_cache.rglob("*") if path.suffix in (".pt", ".partial")] == []


def test_a_file_that_the_hub_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer(resolve_path("finetuned"), b"x") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        with pytest.raises(WeightsUnavailable, match="mimic_iv_ecg_physionet_pretrained"):
            hub.fetch("pretrained")


def test_a_revision_that_the_hub_lacks_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    content = (GOLDEN / "tiny_finetuned.pt").read_bytes()
    published = "/wanglab/ecg-fm/resolve/main/mimic_iv_ecg_finetuned.pt"
    with HubServer(published, content, missing="RevisionNotFound") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        with pytest.raises(WeightsUnavailable, match=f"answers, but has no revision {hub.REVISION}") as caught:
            resolve_weights("hub", "finetuned")
        assert "--hub-revision main" in caught.value.message
        assert "--hub-revision main" in (resolve_weights("auto", "finetuned").note or "")
        monkeypatch.setenv(hub.REVISION_VARIABLE, "main")
        weights = resolve_weights("hub", "finetuned")
    assert weights.identifier.endswith(f"@sha256:{server.sha256}")
    assert resolve_weights("hub", "finetuned") == weights  # kept under its name


def test_a_revision_never_names_a_folder_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hub.REVISION_VARIABLE, "../../etc")
    with pytest.raises(MalformedInput, match="branch, tag or commit"):
        resolve_weights("hub", "finetuned")


def test_a_checkpoint_of_the_other_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = (GOLDEN / "tiny_finetuned.pt").read_bytes()
    with HubServer(resolve_path("pretrained"), content) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        with pytest.raises(CheckpointRejected, match="finetuned"):
            resolve_weights("hub", "pretrained")


def test_a_captive_portal_is_not_taken_for_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer(resolve_path("finetuned"), b"<html>log", is_hub=False) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        assert resolve_weights("auto", "finetuned").path == SMALL
    assert server.ranges == []


def test_an_unreachable_hub_says_what_to_do() -> None:
    with pytest.raises(WeightsUnavailable, match="HF_ENDPOINT") as caught:
        resolve_weights("hub", "finetuned")
    assert "small" in caught.value.message


def test_offline_mode_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsUnavailable, match="HF_HUB_OFFLINE"):
        resolve_weights("hub", "finetuned")


def test_a_copy_from_other_hub_tools_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "hf" / "models--wanglab--ecg-fm" / "snapshots" / hub.REVISION
    folder.mkdir(parents=True)
    (folder / hub.FILES["finetuned"]).write_bytes((GOLDEN / "tiny_finetuned.pt").read_bytes())
    assert resolve_weights("auto", "finetuned").source == folder / hub.FILES["finetuned"]


@pytest.mark.parametrize("kind", ["finetuned", "pretrained"])
def test_auto_takes_the_small_model_when_the_hub_is_unreachable(kind: str) -> None:
    weights = resolve_weights("auto", kind)  # type: ignore[arg-type]
    assert (weights.kind, weights.trained, weights.path) == (kind, True, SMALL)
    assert weights.note is not None
    assert "small model of the package" in weights.note
    assert "could not be downloaded" in weights.note
    assert "HF_ENDPOINT" in weights.note


def test_auto_does_not_wait_for_a_hub_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "AUTO_PATIENCE_S", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        weights = resolve_weights("auto", "finetuned")
    assert weights.path == SMALL
    assert weights.note is not None
    assert "Timeout" in weights.note
