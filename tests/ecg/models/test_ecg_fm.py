"""The network, step by step, against intermediates recorded from fairseq-signals."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ecg.models.ecgfm.checkpoint import read_checkpoint
from ecg.models.ecgfm.network import EcgFm

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture(scope="module")
def network() -> EcgFm:
    architecture, tensors = read_checkpoint(GOLDEN / "tiny_finetuned.pt")
    network = EcgFm(architecture)
    network.load_state_dict(tensors)
    return network.eval()


def test_every_step_equals_fairseq_signals(network: EcgFm) -> None:
    golden = np.load(GOLDEN / "tiny_finetuned_T2500.npz")
    steps = {
        **{f"conv{i}": network.feature_extractor.conv_layers[i] for i in range(4)},
        "features_ln": network.layer_norm,
        "post_extract_proj": network.post_extract_proj,
        "conv_pos": network.conv_pos,
        "encoder_ln": network.encoder.layer_norm,
        "layer0": network.encoder.layers[0],
        "layer1": network.encoder.layers[1],
    }
    seen: dict[str, torch.Tensor] = {}
    handles = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out))
        for name, module in steps.items()
    ]
    with torch.inference_mode():
        network(torch.from_numpy(golden["source"]))
    for handle in handles:
        handle.remove()
    # Reference noise (threads, kernels) is below 1e-5; a wrong eps, GELU or axis shows above 3e-4 on these files.
    differences = {name: float(np.abs(seen[name].numpy() - golden[name]).max()) for name in steps}
    assert {name: d for name, d in differences.items() if d > 2e-5} == {}


def test_an_exact_zero_does_not_count_in_the_embedding(network: EcgFm) -> None:
    tokens = torch.randn(1, 4, 64, generator=torch.Generator().manual_seed(0))
    tokens[0, :3, 7] = 0.0
    handle = network.encoder.register_forward_hook(lambda _m, _i, _out: tokens)
    with torch.inference_mode():
        out = network(torch.zeros(1, 12, 64))
    handle.remove()
    assert out.embedding[0, 7] == tokens[0, 3, 7]
    np.testing.assert_allclose(out.embedding[0, :7].numpy(), tokens[0, :, :7].mean(0).numpy(), rtol=1e-6)
