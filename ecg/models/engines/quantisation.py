"""Post-training quantisation of the encoder to int8 by NNCF; run in a child process by `ecg.models.conversion_process`.

Every second simulated scenario, prepared like any recording, is to calibrate, the others are to judge the result by.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecg.errors import UnusableRecording
from ecg.models.ecgfm.network import EcgFm
from ecg.models.ecgfm.preparation import prepare
from ecg.models.engines.accuracy_gate import FILE
from ecg.models.engines.openvino_runtime import import_openvino
from ecg.simulation import SCENARIOS, simulate

_SEED = 1000
_NOT_QUANTISED = [r".*self_attn\.(q|k|out)_proj.*", r".*scaled_dot_product.*", r".*conv_pos.*"]


def quantise(graph: Any, network: EcgFm, narrow: bool) -> Any:
    """The encoder `graph` (an openvino.Model) with the feed-forward layers and the value projections in 8 bits.

    NNCF's scheme for transformers, with activations smoothed into the weights. The rest keeps the precision the graph
    is compiled for: queries, keys and output projections in 8 bits each cost more accuracy than the accuracy gate has
    to give (docs/models.md). What is left of the error is to one half the same for every recording; that half is
    measured on the calibration recordings and added to the output. `narrow` keeps the weights within seven bits, so
    that two products of eight bits fit into sixteen: what processors without VNNI or AMX sum them in.
    """
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedSmoothQuantParameters, OverflowFix

    with torch.inference_mode():
        samples = [network.features(torch.from_numpy(x[None])) for x in simulated_segments()[0::2]]
        expected = [network.encode(sample).numpy() for sample in samples]
    arrays = [sample.numpy() for sample in samples]
    quantised = nncf.quantize(
        graph,
        nncf.Dataset(arrays),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(arrays),
        ignored_scope=nncf.IgnoredScope(patterns=_NOT_QUANTISED, validate=False),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            overflow_fix=OverflowFix.ENABLE if narrow else OverflowFix.DISABLE,
            smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=0.7),
        ),
    )
    openvino = import_openvino()
    compiled = openvino.Core().compile_model(quantised, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    errors = [(tokens - compiled({0: x})[0]).mean(axis=(0, 1)) for tokens, x in zip(expected, arrays, strict=True)]
    offset = openvino.opset13.constant(np.mean(errors, axis=0, dtype=np.float64).astype(np.float32))
    tokens = quantised.get_results()[0].input_value(0)
    return openvino.Model([openvino.opset13.add(tokens, offset)], quantised.get_parameters())


def write_gate(network: EcgFm, directory: Path) -> None:
    """Write segments and the float32 network's answers to them, for `ecg.models.engines.accuracy_gate`."""
    segments = simulated_segments()[1::2]
    with torch.inference_mode():
        outputs = [network(torch.from_numpy(x[None])) for x in segments]
    answers = {"segments": segments, "embedding": np.concatenate([output.embedding.numpy() for output in outputs])}
    if outputs[0].logits is not None:
        answers["logits"] = np.concatenate([output.logits.numpy() for output in outputs])
    np.savez(directory / FILE, **answers)  # type: ignore[arg-type]


def simulated_segments() -> NDArray[np.float32]:
    """One prepared segment, float32 [12, 2500], of each named scenario that can be prepared: [scenario, 12, 2500]."""
    segments = []
    for offset, scenario in enumerate(SCENARIOS.values()):
        try:
            segments.append(prepare(simulate(scenario, seed=_SEED + offset).record)[0])
        except UnusableRecording:
            continue  # a scenario with missing samples; the models never see such a recording
    return np.stack(segments)
