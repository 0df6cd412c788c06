"""Translate the torch network into an OpenVINO graph; run in a child process by `ecg.models.conversion_process`."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ecg.models.ecgfm.architecture import Architecture
from ecg.models.ecgfm.build import build_network
from ecg.models.ecgfm.network import EcgFm
from ecg.models.engines.openvino_runtime import GraphForm, import_openvino

#: Any small shape will do: batch and length stay free in the graphs.
_EXAMPLE_SAMPLES = 320


class _Features(nn.Module):
    def __init__(self, network: EcgFm) -> None:
        super().__init__()
        self.network = network

    def forward(self, source: Tensor) -> Tensor:
        return self.network.features(source)


class _Tokens(nn.Module):
    def __init__(self, network: EcgFm) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        return self.network.encode(features)


def export(weights: Path | None, architecture: Architecture, directory: Path, form: GraphForm) -> None:
    """Write the parts of a network into the new folder `directory`: `features.xml`, `encoder.xml` (each with its
    `.bin`), and `classifier.npz` where there is one.

    `weights` is a weights-only file; None is the stand-in of that `architecture`. `form` is that of the encoder:
    ``"half"`` stores its constants as float16; ``"int8"`` and ``"int8_narrow"`` are quantised, with
    `gate.npz` beside it to judge it by.
    """
    openvino = import_openvino()
    network = build_network(architecture, weights)
    source = torch.zeros(2, architecture.n_leads, _EXAMPLE_SAMPLES)
    features = torch.zeros(2, architecture.n_tokens(_EXAMPLE_SAMPLES), architecture.embed_dim)
    directory.mkdir(parents=True)
    for name, part, example, shape in (
        ("features", _Features(network), source, [-1, architecture.n_leads, -1]),
        ("encoder", _Tokens(network), features, [-1, -1, architecture.embed_dim]),
    ):
        graph = openvino.convert_model(part, example_input=example, input=openvino.PartialShape(shape))
        if name == "encoder" and form.startswith("int8"):
            from ecg.models.engines.quantisation import quantise, write_gate

            graph = quantise(graph, network, narrow=form == "int8_narrow")
            write_gate(network, directory)
        openvino.save_model(graph, directory / f"{name}.xml", compress_to_fp16=form == "half" and name == "encoder")
    if network.proj is not None:
        np.savez(directory / "classifier.npz", weight=network.proj.weight.numpy(), bias=network.proj.bias.numpy())
