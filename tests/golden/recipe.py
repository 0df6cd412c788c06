"""The deterministic weights and inputs behind the goldens: numpy only, every tensor seeded by its own name."""

import math
import zlib

import numpy as np
from numpy.typing import NDArray


def weight(key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Values of the tensor named `key` in a fairseq-signals checkpoint."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    x = rng.standard_normal(shape, dtype=np.float32)
    scale = 1.0
    if key.endswith(("original0", "layer_norm.weight", "conv_layers.0.2.weight")):
        return np.float32(1.0) + np.float32(0.1) * x
    if key.endswith("bias"):
        scale = 0.1
    elif key.endswith("mask_emb"):
        scale = 0.5
    elif key == "proj.weight":
        scale = 4.0 / math.sqrt(shape[1])
    elif "conv_layers" in key:
        scale = math.sqrt(2.0 / (shape[1] * shape[2]))
    elif key.endswith(("out_proj.weight", "fc2.weight")):
        scale = 0.35 / math.sqrt(shape[1])
    elif key.endswith(("q_proj.weight", "k_proj.weight")):
        # Sharp attention: with flat attention an attention bug would not show.
        scale = 2.0 / math.sqrt(shape[1])
    elif len(shape) >= 2 and not key.endswith("quantizer.vars"):
        scale = 1.0 / math.sqrt(math.prod(shape[1:]))
    return np.float32(scale) * x
