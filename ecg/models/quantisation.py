"""Post-training quantisation of the encoder to int8 by NNCF; run in a child process by `ecg.models.child`.

Every second simulated scenario, prepared like any recording, is to calibrate, the others are to judge the result by.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecg.errors import UnusableRecording
from ecg.models.accuracy_gate import FILE
from ecg.models.ecg_fm import EcgFm
from ecg.prepare import prepare
from ecg.simulation import SCENARIOS, simulate

_SEED = 1000


def quantise(graph: Any, network: EcgFm) -> Any:
    """The encoder `graph` (an openvino.Model) with 8-bit matrix products.

    NNCF's scheme for transformers: symmetric weights, asymmetric activations where they are, smoothed activations.
    Softmax, norms, residuals and whatever it leaves stay in the precision the graph is compiled for.
    """
    import nncf

    with torch.inference_mode():
        samples = [network.features(torch.from_numpy(x[None])).numpy() for x in simulated_segments()[0::2]]
    return nncf.quantize(graph, nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples))


def write_gate(network: EcgFm, directory: Path) -> None:
    """Write segments and the float32 network's answers to them, for `ecg.models.accuracy_gate`."""
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
