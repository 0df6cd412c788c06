"""ECG-FM on torch: CUDA where there is one, else the processor."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ecg.errors import BackendUnavailable
from ecg.models.contract import Array, Backend, EngineOptions, ModelOutput, Precision
from ecg.models.ecgfm.build import build_network
from ecg.models.ecgfm.preparation import SEGMENT_SAMPLES
from ecg.models.engines.fixed_batches import Outputs, Sized, SizedForward
from ecg.models.engines.processor import has_bfloat16
from ecg.models.weights import Weights


class TorchEngine:
    """Runs `EcgFm` eagerly, and on CUDA as captured graphs for segments of five seconds.

    In bfloat16 the transformer's matrix products run in bfloat16 with weights kept so. Norms, residuals, pooling, the
    classifier and the convolutions in front stay float32: there most of the rounding error would arise, for one percent
    of the work. The option `threads` sets torch's thread count for the whole process.
    """

    backend: Backend = "torch"
    note: str | None = None

    def __init__(self, weights: Weights, options: EngineOptions) -> None:
        if options.precision == "int8":
            raise BackendUnavailable("The torch engine has no int8.", "precision", "bfloat16 or float32", "int8")
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision: Precision = _best_precision(self._device) if options.precision == "auto" else options.precision
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
        self._sized: SizedForward | None = None
        if self._device.type == "cuda":
            shape = (weights.architecture.n_leads, SEGMENT_SAMPLES)
            # Captured here, for every size: the first request finds everything compiled and allocated.
            self._sized = SizedForward(shape, partial(_captured, self._forward, self._device))

    def run(self, segments: Array) -> ModelOutput:
        """Outputs for float32 `segments` [n, 12, T]."""
        if self._sized is not None and self._sized.takes(segments):
            return self._sized(segments)
        # torch warns of read-only arrays, which is what arrives from shared memory.
        writable = segments if segments.flags.writeable and segments.flags.c_contiguous else segments.copy(order="C")
        with torch.inference_mode():
            output = self._forward(torch.from_numpy(writable).to(self._device))
            return ModelOutput(*(None if tensor is None else _numpy(tensor) for tensor in output))  # type: ignore[arg-type]

    def _forward(self, source: Tensor) -> Outputs:
        """Logits, embedding and tokens of segments on the device."""
        features = self._network.features(source)
        # Casts are not cached: a cache would be filled during one capture and be found empty in the next.
        with torch.autocast(
            self._device.type, torch.bfloat16, enabled=self.precision == "bfloat16", cache_enabled=False
        ):
            tokens = self._network.encode(features)
        tokens = tokens.float()
        embedding, logits = self._network.classify(tokens)
        return logits, embedding, tokens


def _captured(forward: Callable[[Tensor], Outputs], device: torch.device, shape: tuple[int, ...]) -> Sized:
    """`forward` for one input shape as a CUDA graph, fed from and read to page-locked memory."""
    staged = torch.zeros(shape, pin_memory=True)
    source = staged.to(device)
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.inference_mode(), torch.cuda.stream(side):
        for _ in range(3):  # libraries choose kernels and allocate; neither is allowed while capturing
            forward(source)
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        outputs = forward(source)
    landed = [None if tensor is None else torch.empty_like(tensor, device="cpu", pin_memory=True) for tensor in outputs]

    def run() -> Outputs:
        source.copy_(staged, non_blocking=True)
        graph.replay()
        for there, here in zip(outputs, landed, strict=True):
            if there is not None and here is not None:
                here.copy_(there, non_blocking=True)
        torch.cuda.current_stream(device).synchronize()
        return landed[0], landed[1], landed[2]  # type: ignore[return-value]

    return staged.numpy(), run


def _numpy(tensor: torch.Tensor) -> Array:
    array: Array = np.ascontiguousarray(tensor.cpu().numpy())
    return array


def _best_precision(device: torch.device) -> Precision:
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if has_bfloat16() else "float32"
