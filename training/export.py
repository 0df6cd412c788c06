"""The learnt network as files: a genuine fairseq-signals checkpoint, and the weights file that the package ships."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ecg.models.calibration import Calibration
from ecg.models.ecgfm.architecture import Architecture
from ecg.models.ecgfm.checkpoint import read_checkpoint
from ecg.models.weight_file import WeightFileHeader, file_sha256, write_weight_file

_POSITION = "conv_pos.pos_conv.0."


def write_checkpoint(path: Path, architecture: Architecture, tensors: Mapping[str, Tensor]) -> None:
    """`tensors` of an `EcgFm` as fairseq-signals writes a finetuned classifier: ``cfg`` and ``model``, float32."""
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        prefix = "" if name.startswith("proj.") else "encoder."
        if name == _POSITION + "weight":  # weight norm: one norm for each place of the kernel
            state[prefix + _POSITION + "weight_g"] = torch.linalg.vector_norm(tensor, dim=(0, 1), keepdim=True)
            state[prefix + _POSITION + "weight_v"] = tensor.contiguous()
        else:
            state[prefix + name] = tensor.contiguous()
    torch.save({"args": None, "cfg": {"model": _cfg(architecture)}, "model": state}, path)


def write_shipped(checkpoint: Path, path: Path, calibration: Calibration) -> str:
    """The weights file of `checkpoint` in float16 with its calibration; returns the SHA-256 of the file made."""
    architecture, tensors = read_checkpoint(checkpoint)
    halved = {name: tensor.half() for name, tensor in sorted(tensors.items())}
    header = WeightFileHeader(architecture, file_sha256(checkpoint), True, calibration)
    write_weight_file(path, halved, header)
    return file_sha256(path)


def _cfg(architecture: Architecture) -> dict[str, Any]:
    return {
        "_name": "ecg_transformer_classifier",
        "in_d": architecture.n_leads,
        "conv_feature_layers": str([tuple(layer) for layer in architecture.conv_layers]),
        "encoder_layers": architecture.n_layers,
        "encoder_embed_dim": architecture.embed_dim,
        "encoder_ffn_embed_dim": architecture.ffn_dim,
        "encoder_attention_heads": architecture.n_heads,
        "layer_norm_first": architecture.layer_norm_first,
        "extractor_mode": "default",
        "conv_bias": False,
        "conv_pos": architecture.conv_pos,
        "conv_pos_groups": architecture.conv_pos_groups,
        "num_labels": architecture.n_labels,
    }
