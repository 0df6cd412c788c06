"""fairseq-signals checkpoints: read without running anything in them.

A checkpoint is a pickle from the internet. It is only ever opened with torch's restricted unpickler, which builds
tensors and plain containers and refuses every other global.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecg.errors import CheckpointRejected
from ecg.models.ecgfm.architecture import Architecture, parse_conv_layers
from ecg.models.ecgfm.network import EcgFm

_TRAINING_ONLY = ("mask_emb", "quantizer.", "project_q.", "final_proj.")
_POSITION = "conv_pos.pos_conv.0."
#: fairseq-signals moved from the first to the second spelling in January 2025; each is (g, v).
_WEIGHT_NORM = (
    (_POSITION + "weight_g", _POSITION + "weight_v"),
    (_POSITION + "parametrizations.weight.original0", _POSITION + "parametrizations.weight.original1"),
)


def read_checkpoint(path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """Architecture and float32 tensors, under the names of `EcgFm`, of a fairseq-signals checkpoint file.

    Training-only tensors are left out and weight normalisation is multiplied out. Raises `CheckpointRejected` when the
    file is not such a checkpoint, holds anything but data, or does not fit the architecture it names.
    """
    content = _load(path)
    state = content.get("model") if isinstance(content, dict) else None
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise CheckpointRejected(
            "The file holds no fairseq-signals model.", "model", "a table of tensors", type(state).__name__
        )
    cfg = content.get("cfg")
    model_cfg = cfg.get("model") if isinstance(cfg, Mapping) else None
    tensors = _encoder_names(state)
    architecture = _architecture(model_cfg if isinstance(model_cfg, Mapping) else {}, tensors)
    check_tensors(architecture, tensors)
    return architecture, {name: _as_float32(name, tensor) for name, tensor in tensors.items()}


def check_tensors(architecture: Architecture, tensors: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointRejected` unless `tensors` are exactly the network's, by name and shape."""
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in EcgFm(architecture).state_dict().items()}
    missing = sorted(expected.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - expected.keys())
    if missing or unexpected:
        raise CheckpointRejected(
            f"The tensors are not those of this ECG-FM architecture: {len(missing)} missing, "
            f"{len(unexpected)} unexpected.",
            "model",
            f"also {_some(missing)}" if missing else None,
            _some(unexpected) or None,
        )
    for name, shape in expected.items():
        if tuple(tensors[name].shape) != shape:
            raise CheckpointRejected(
                f"Tensor {name} has another shape.", "model", list(shape), list(tensors[name].shape)
            )


def _load(path: Path) -> Any:
    # NumPy arrays stand among the metrics of checkpoints that were validated while training; their constructors build
    # data only. Each is allowed under the module name of NumPy 1 and of NumPy 2.
    reconstruct = np.zeros(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    allowed: list[Any] = [np.ndarray, np.dtype]
    allowed += [type(np.dtype(name)) for name in ("float32", "float64", "int32", "int64", "bool")]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        allowed += [(reconstruct, f"{module}._reconstruct"), (scalar, f"{module}.scalar")]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointRejected(
            "The checkpoint holds more than tensors and plain values, so it was not loaded.",
            "checkpoint",
            "tensors and plain values",
            _first_line(error),
        ) from error
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError) as error:
        raise CheckpointRejected(
            "The file is not a readable torch checkpoint: damaged, cut short, or of an older format.",
            "checkpoint",
            "a file written by torch.save",
            _first_line(error),
        ) from error


def _encoder_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without the classifier's `encoder.` prefix, training-only ones left out, weight norm multiplied out."""
    prefix = "encoder." if any(name.startswith("encoder.encoder.") for name in state) else ""
    named = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    tensors = {name: tensor for name, tensor in named.items() if not name.startswith(_TRAINING_ONLY)}
    for g_name, v_name in _WEIGHT_NORM:
        if g_name in tensors and v_name in tensors:
            g, v = tensors.pop(g_name).float(), tensors.pop(v_name).float()
            if v.ndim != 3 or g.shape != (1, 1, v.shape[2]):
                raise CheckpointRejected(
                    "The position convolution is normalised over other axes than ECG-FM's.",
                    v_name,
                    "g [1, 1, kernel], v [out, in, kernel]",
                    [list(g.shape), list(v.shape)],
                )
            tensors[_POSITION + "weight"] = g * v / torch.linalg.vector_norm(v, dim=(0, 1), keepdim=True)
    return tensors


def _architecture(cfg: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Architecture:
    """Sizes from the checkpoint's own cfg; what an older or foreign file leaves out comes from its tensors, and the
    rest (heads, groups, strides, norm placement) from fairseq-signals' defaults."""
    if cfg.get("extractor_mode", "default") != "default" or cfg.get("conv_bias", False):
        raise CheckpointRejected(
            "A feature extractor of another kind than ECG-FM's.",
            "cfg.model.extractor_mode",
            "default without bias",
            [cfg.get("extractor_mode"), cfg.get("conv_bias")],
        )

    def size(name: str, axis: int, default: int) -> int:
        tensor = tensors.get(name)
        return int(tensor.shape[axis]) if tensor is not None and tensor.ndim > axis else default

    def number(key: str, otherwise: int) -> int:
        value = cfg.get(key, otherwise)
        if not isinstance(value, int) or isinstance(value, bool):
            raise CheckpointRejected("A size is not a whole number.", f"cfg.model.{key}", "int", repr(value)[:80])
        return value

    n_layers = len({name.split(".")[2] for name in tensors if name.startswith("encoder.layers.")})
    n_labels = size("proj.weight", 0, 0)
    return Architecture(
        kind="finetuned" if n_labels else "pretrained",
        n_leads=number("in_d", size("feature_extractor.conv_layers.0.0.weight", 1, 12)),
        conv_layers=parse_conv_layers(str(cfg.get("conv_feature_layers", "[(256, 2, 2)] * 4"))),
        embed_dim=number("encoder_embed_dim", size("encoder.layer_norm.weight", 0, 768)),
        ffn_dim=number("encoder_ffn_embed_dim", size("encoder.layers.0.fc1.weight", 0, 3072)),
        n_layers=number("encoder_layers", n_layers or 12),
        n_heads=number("encoder_attention_heads", 12),
        conv_pos=number("conv_pos", size(_POSITION + "weight", 2, 128)),
        conv_pos_groups=number("conv_pos_groups", 16),
        layer_norm_first=bool(cfg.get("layer_norm_first", False)),
        n_labels=n_labels,
    )


def _as_float32(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        raise CheckpointRejected(f"Tensor {name} is not floating point.", "model", "float32", str(tensor.dtype))
    # A clone, so that the mapped checkpoint (three times the size of its weights) can be released.
    owned = tensor.detach().to(torch.float32, copy=True).contiguous()
    if not bool(torch.isfinite(owned).all()):
        raise CheckpointRejected(f"Tensor {name} holds values that are not finite.", "model", "finite weights", name)
    return owned


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
