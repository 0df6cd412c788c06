"""ECG-FM on torch: CUDA where there is one, else the processor."""

import numpy as np
import torch
from torch import nn

from ecg.models.model import Array, Backend, ModelOutput, Precision
from ecg.models.network import build_network
from ecg.models.weights import Weights


class TorchEngine:
    """Runs `EcgFm` eagerly, attention fused except where its weights are asked for.

    In bfloat16 the transformer's matrix products run in bfloat16 with weights kept so. Norms, residuals, pooling, the
    classifier and the convolutions in front stay float32: there most of the rounding error would arise, for one percent
    of the work. `threads` sets torch's thread count for the whole process.
    """

    backend: Backend = "torch"

    def __init__(self, weights: Weights, precision: Precision | None, threads: int | None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision: Precision = precision or _best_precision(self._device)
        self._network = build_network(weights.architecture, weights.path)
        if self.precision == "bfloat16":
            for part in (self._network.conv_pos, self._network.encoder):
                for module in part.modules():
                    if isinstance(module, (nn.Linear, nn.Conv1d)):
                        module.to(torch.bfloat16)
            # What stays float32 is copied: a single mapped tensor would keep the whole weights file in memory.
            for parameter in self._network.parameters():
                if parameter.dtype == torch.float32:
                    parameter.data = parameter.data.clone()
        self._network.to(self._device)

    def run(self, segments: Array, attention: bool) -> ModelOutput:
        """Outputs for float32 `segments` [n, 12, T]."""
        # torch warns of read-only arrays, which is what arrives from shared memory.
        writable = segments if segments.flags.writeable and segments.flags.c_contiguous else segments.copy(order="C")
        source = torch.from_numpy(writable).to(self._device)
        with torch.inference_mode():
            features = self._network.features(source)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
                tokens, weights = self._network.encode(features, attention)
            tokens = tokens.float()
            embedding, logits = self._network.classify(tokens)
            return ModelOutput(
                logits=None if logits is None else _numpy(logits),
                embedding=_numpy(embedding),
                tokens=_numpy(tokens),
                attention=None if weights is None else _numpy(weights.amax(2)),
            )


def _numpy(tensor: torch.Tensor) -> Array:
    array: Array = np.ascontiguousarray(tensor.cpu().numpy())
    return array


def _best_precision(device: torch.device) -> Precision:
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # Without the instructions bfloat16 is emulated, and slower than float32.
    return "bfloat16" if _processor_has_bfloat16() else "float32"


def _processor_has_bfloat16() -> bool:
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line for line in file if line.startswith(("flags", "Features"))), "").split()
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags))
