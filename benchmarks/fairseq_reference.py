"""ECG-FM on the authors' fairseq-signals, where it is installed: the reference for `benchmarks.engine_difference`."""

import importlib
from typing import Any

import numpy as np

from ecg.errors import BackendUnavailable
from ecg.models.contract import Array, ModelOutput, Precision
from ecg.models.weight_file import is_weight_file
from ecg.models.weights import Weights


class FairseqEngine:
    """Runs the authors' own code in float32. Needs the original checkpoint, not a converted file."""

    backend = "fairseq"
    precision: Precision = "float32"
    note: str | None = None

    def __init__(self, weights: Weights) -> None:
        if weights.source is None or is_weight_file(weights.source):
            raise BackendUnavailable(
                "The fairseq engine needs the original checkpoint.", "weights", "a .pt file", weights.identifier
            )
        try:
            models: Any = importlib.import_module("fairseq_signals.models")
        except (ImportError, ValueError, AttributeError) as error:
            # Besides absence: versions whose dataclasses Python 3.11 refuses (ValueError) or that miss a dependency's
            # name (AttributeError).
            raise BackendUnavailable(
                "fairseq-signals cannot be imported; install it from https://github.com/Jwoo5/fairseq-signals.",
                "backend",
                "fairseq_signals",
                f"{type(error).__name__}: {error}",
            ) from error
        self._model = models.build_model_from_checkpoint(checkpoint_path=str(weights.source)).eval()
        self._kind = weights.kind

    def run(self, segments: Array) -> ModelOutput:
        """Outputs for float32 `segments` [n, 12, T]."""
        import torch

        source = torch.from_numpy(np.array(segments))
        with torch.inference_mode():
            if self._kind == "finetuned":
                output = self._model(source=source, padding_mask=None)
                tokens, logits = output["encoder_out"], output["out"].numpy()
            else:
                # mask=False: the authors' forward draws random masks, also in evaluation.
                tokens, logits = self._model.extract_features(source=source, padding_mask=None, mask=False)["x"], None
            embedding = tokens.sum(1) / (tokens != 0).sum(1)
        return ModelOutput(logits=logits, embedding=embedding.numpy(), tokens=tokens.numpy())
