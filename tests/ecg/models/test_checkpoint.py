"""What is refused as a checkpoint, and that nothing in a refused file runs."""

import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecg.errors import CheckpointRejected, WeightsUnavailable
from ecg.models import load_model, resolve_weights
from ecg.models.ecgfm.architecture import Architecture, parse_conv_layers
from ecg.models.ecgfm.checkpoint import read_checkpoint
from ecg.models.ecgfm.network import EcgFm
from ecg.models.weight_file import WeightFileHeader, read_header, write_weight_file
from ecg.models.weights import NAMED_SOURCES, refuse_known_mistakes

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture
def content() -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(GOLDEN / "tiny_finetuned.pt", weights_only=True)
    return {"cfg": loaded["cfg"], "model": loaded["model"]}


class RunsCode:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.target),))


@pytest.mark.parametrize("place", ["model", "extra_state"])
def test_a_checkpoint_that_would_run_code_is_refused_and_does_not_run(
    tmp_path: Path, content: dict[str, Any], place: str
) -> None:
    ran = tmp_path / "ran"
    if place == "model":
        content["model"]["proj.bias"] = RunsCode(ran)
    else:
        content["extra_state"] = {"metrics": RunsCode(ran)}
    path = tmp_path / "checkpoint.pt"
    torch.save(content, path)
    # One through the whole way in, which reads it in a child process.
    with pytest.raises(CheckpointRejected, match="more than tensors"):
        load_model(path) if place == "model" else read_checkpoint(path)
    assert not ran.exists()


def test_a_bare_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(pickle.dumps({"model": RunsCode(ran)}))
    with pytest.raises(CheckpointRejected, match="not a readable torch checkpoint"):
        read_checkpoint(path)
    assert not ran.exists()


def damaged_in_the_middle(path: Path) -> None:
    data = (GOLDEN / "tiny_finetuned_preln.pt").read_bytes()
    path.write_bytes(data[:1000] + bytes(1000) + data[2000:])


def zip_without_pickle(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: p.write_bytes((GOLDEN / "tiny_finetuned.pt").read_bytes()[:500_000]), "damaged, cut short"),
        (lambda p: p.write_bytes(b""), "an empty file"),
        (lambda p: p.write_text("<!DOCTYPE html><html><body>Sign in</body></html>"), "a web page"),
        (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "a Git LFS pointer"),
        (lambda p: p.write_bytes(os.urandom(4096)), "not a readable torch checkpoint"),
        (zip_without_pickle, "not a readable torch checkpoint"),
        (damaged_in_the_middle, "."),
        (lambda p: torch.save(torch.nn.Linear(2, 2).state_dict(), p), "no fairseq-signals model"),
        (lambda p: torch.save([1, 2, 3], p), "no fairseq-signals model"),
        (lambda p: torch.save({"model": {"weight": 3.0}}, p), "no fairseq-signals model"),
    ],
    ids=["cut", "empty", "html", "lfs", "noise", "zip", "damaged", "state-dict", "list", "no-tensors"],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, write: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "checkpoint.pt"
    write(path)
    with pytest.raises(CheckpointRejected, match=message):  # noqa: PT012
        refuse_known_mistakes(path)
        read_checkpoint(path)


def test_what_a_child_process_refuses_arrives_whole(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"model": {"weight": 3.0}}, path)
    with pytest.raises(CheckpointRejected) as caught:
        resolve_weights(path)
    assert (caught.value.field, caught.value.expected, caught.value.got) == ("model", "a table of tensors", "dict")


def without_a_layer(content: dict[str, Any]) -> None:
    for name in [name for name in content["model"] if ".layers.1." in name]:
        del content["model"][name]


def with_other_names(content: dict[str, Any]) -> None:
    content["model"] = OrderedDict((f"bert.{name}", tensor) for name, tensor in content["model"].items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_a_layer, "16 missing"),
        (with_other_names, "missing"),
        (lambda c: c["model"].update(extra=torch.zeros(1)), "1 unexpected"),
        (lambda c: c["model"].update({"proj.weight": torch.zeros(17, 32)}), "proj.weight has another shape"),
        (lambda c: c["model"].update({"proj.bias": torch.full((17,), torch.nan)}), "not finite"),
        (lambda c: c["model"].update({"proj.bias": torch.zeros(17, dtype=torch.int64)}), "not floating point"),
        (lambda c: c["cfg"]["model"].update(encoder_embed_dim=96), "another shape"),
        (lambda c: c["cfg"]["model"].update(encoder_layers="two"), "not a whole number"),
        (lambda c: c["cfg"]["model"].update(encoder_layers=10**9), "not one of ECG-FM's"),
        (lambda c: c["cfg"]["model"].update(encoder_attention_heads=5), "do not divide"),
        (lambda c: c["cfg"]["model"].update(extractor_mode="layer_norm"), "feature extractor of another kind"),
        (lambda c: c["cfg"]["model"].update(conv_feature_layers="__import__('os').getcwd()"), "not in a form"),
    ],
)
def test_another_architecture_is_refused(
    tmp_path: Path, content: dict[str, Any], change: Callable[[dict[str, Any]], None], message: str
) -> None:
    change(content)
    path = tmp_path / "checkpoint.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointRejected, match=message):
        read_checkpoint(path)


def test_unknown_cfg_keys_and_a_leftover_mask_embedding_are_tolerated(tmp_path: Path, content: dict[str, Any]) -> None:
    content["cfg"]["model"]["from_a_later_version"] = {"nested": [1, 2]}
    content["args"] = {"legacy": True}
    content["model"]["encoder.mask_emb"] = torch.zeros(64)
    torch.save(content, tmp_path / "checkpoint.pt")
    architecture, tensors = read_checkpoint(tmp_path / "checkpoint.pt")
    assert (architecture.kind, architecture.n_heads) == ("finetuned", 4)
    assert not any("mask_emb" in name for name in tensors)


def test_without_cfg_the_published_heads_are_assumed_and_sizes_read_from_tensors(tmp_path: Path) -> None:
    published = Architecture("finetuned", n_layers=1)
    network = EcgFm(published)
    state = {("" if name.startswith("proj.") else "encoder.") + name: t for name, t in network.state_dict().items()}
    torch.save({"model": state}, tmp_path / "checkpoint.pt")
    architecture, tensors = read_checkpoint(tmp_path / "checkpoint.pt")
    assert architecture == published
    assert tensors.keys() == network.state_dict().keys()


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("[(256, 2, 2)] * 4", ((256, 2, 2),) * 4),
        ("[(512,10,5)]+[(512, 3, 2)]*4 + [(512,2,2)] * 2", ((512, 10, 5), *((512, 3, 2),) * 4, *((512, 2, 2),) * 2)),
        ("[(8, 2, 2), (16, 3, 1)]", ((8, 2, 2), (16, 3, 1))),
    ],
)
def test_convolution_sizes_are_parsed(text: str, layers: tuple[tuple[int, int, int], ...]) -> None:
    assert parse_conv_layers(text) == layers


@given(st.text(alphabet="[](),*+ 0123456789x_.'", max_size=40))
def test_convolution_sizes_are_triples_or_refused(text: str) -> None:
    try:
        layers = parse_conv_layers(text)
    except CheckpointRejected:
        return
    assert layers == tuple(eval(text))  # what fairseq does; the grammar admits nothing that means something else


def test_a_weights_only_file_that_is_cut_or_foreign_is_refused(tmp_path: Path) -> None:
    architecture, tensors = read_checkpoint(GOLDEN / "tiny_finetuned.pt")
    path = tmp_path / "weights.safetensors"
    write_weight_file(path, tensors, WeightFileHeader(architecture, "0" * 64, trained=True))
    assert read_header(path) == WeightFileHeader(architecture, "0" * 64, trained=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with pytest.raises(CheckpointRejected, match="cut short"):
        load_model(path)
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointRejected, match="ecg convert"):
        load_model(path)
    del tensors["proj.bias"]
    write_weight_file(path, tensors, WeightFileHeader(architecture, "0" * 64, trained=True))
    with pytest.raises(CheckpointRejected, match="1 missing"):
        load_model(path, "torch")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(WeightsUnavailable, match="no file 'nowhere") as refused:
        load_model("/somewhere/nowhere.pt")
    assert refused.value.got == "/somewhere/nowhere.pt"
    assert all(name in str(refused.value.expected) for name in NAMED_SOURCES)
