"""From weights to a network with its tensors in place."""

import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ecg.models.ecgfm.architecture import Architecture
from ecg.models.ecgfm.checkpoint import check_tensors
from ecg.models.ecgfm.network import EcgFm
from ecg.models.weight_file import read_tensors


def build_network(architecture: Architecture, path: Path | None) -> EcgFm:
    """`EcgFm` in evaluation mode with float32 tensors, mapped from the weights-only file `path`, or those of the
    untrained stand-in when `path` is None."""
    with torch.device("meta"):
        network = EcgFm(architecture)
    if path is None:
        tensors = {name: _untrained(name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()}
    else:
        tensors = read_tensors(path)
        if not architecture.n_labels:  # the encoder alone of a file that has a classifier, too
            tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("proj.")}
        check_tensors(architecture, tensors)
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)


def _untrained(name: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor of the stand-in, seeded by its name: norms 1, biases 0, the rest normal with variance 1 / fan-in."""
    if len(shape) == 1:
        return torch.full(shape, 0.0 if name.endswith("bias") else 1.0, dtype=torch.float32)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32) / np.float32(math.sqrt(math.prod(shape[1:]))))
