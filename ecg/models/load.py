"""`load_model`: ECG-FM's weights and an engine become a model."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ecg.errors import BackendUnavailable, MalformedInput
from ecg.models.calibration import Calibration
from ecg.models.contract import Array, Backend, Engine, EngineOptions, ModelIdentity, ModelOutput, Precision
from ecg.models.ecgfm.architecture import Kind
from ecg.models.weights import Weights, resolve_weights


class Model:
    """ECG-FM ready to run: call it with standardised segments. `weights` says where its weights came from."""

    def __init__(self, weights: Weights, engine: Engine) -> None:
        self.weights = weights
        self._engine = engine

    @property
    def kind(self) -> Kind:
        """``"finetuned"`` (gives logits) or ``"pretrained"``."""
        return self.weights.kind

    @property
    def identity(self) -> ModelIdentity:
        """What provenance says of it."""
        return ModelIdentity(self.weights.identifier, self.trained, self.backend, self.precision)

    @property
    def calibration(self) -> Calibration | None:
        """How label scores become probabilities; None for scores that nobody has calibrated."""
        return self.weights.calibration

    @property
    def trained(self) -> bool:
        """False when the outputs mean nothing: the stand-in."""
        return self.weights.trained

    @property
    def backend(self) -> Backend:
        """The engine that `load_model` chose."""
        return self._engine.backend

    @property
    def precision(self) -> Precision:
        """Number format of the matrix products; inputs and outputs are always float32."""
        return self._engine.precision

    @property
    def note(self) -> str | None:
        """Why these weights or this precision and not others, where there was a choice; None otherwise."""
        return "; ".join(filter(None, (self.weights.note, self._engine.note))) or None

    def __call__(self, segments: Array) -> ModelOutput:
        """Outputs for float32 `segments` [n, 12, T], n at least 1, T at least 16; the array is not changed.

        `ecg.prepare` makes such segments with T = 2500. Not to be called from two threads at once. Raises
        `MalformedInput` for another shape or type.
        """
        architecture = self.weights.architecture
        if (
            segments.dtype != np.float32
            or segments.ndim != 3
            or segments.shape[0] < 1
            or segments.shape[1] != architecture.n_leads
            or segments.shape[2] < architecture.min_samples
        ):
            raise MalformedInput(
                "The model takes float32 segments [n, lead, sample].",
                "segments",
                f"float32 [>= 1, {architecture.n_leads}, >= {architecture.min_samples}]",
                f"{segments.dtype} {list(segments.shape)}",
            )
        return self._engine.run(segments)


def load_model(
    weights: str | Path | Weights,
    backend: Literal["auto", "torch", "openvino"] = "auto",
    precision: Literal["auto", "float32", "bfloat16", "int8"] = "auto",
    *,
    kind: Kind | None = None,
    threads: int | None = None,
) -> Model:
    """A model ready to run.

    Parameters
    ----------
    weights
        What `resolve_weights` takes (a path, ``"hub"``, ``"stand-in"``, ``"auto"``), or what it returned.
    backend
        ``"auto"``: torch where there is CUDA, else OpenVINO where it is installed, else torch.
    precision
        ``"auto"``: bfloat16 where the processor computes in it, else float32. ``"int8"`` (OpenVINO only) is quantised
        once, and used if it is close enough to float32 (`ecg.models.engines.accuracy_gate`); else as ``"auto"``,
        with a `note`. Once it was found twice as close on this kind of processor, ``"auto"`` takes it, with a `note`.
    kind
        Which model is wanted, for sources that have both; see `resolve_weights`.
    threads
        Processor threads for this model; None leaves the choice to the engine. The torch engine can only set it for
        the whole process.

    Raises
    ------
    WeightsUnavailable, CheckpointRejected
        See `resolve_weights`.
    BackendUnavailable
        The engine or the precision is not to be had on this machine.
    """
    if not isinstance(weights, Weights):
        weights = resolve_weights(weights, kind)
    elif kind is not None and weights.kind != kind:
        raise MalformedInput("The weights are of the other kind.", "weights", kind, weights.kind)
    return Model(weights, _engine(weights, EngineOptions(backend, precision, threads)))


def _engine(weights: Weights, options: EngineOptions) -> Engine:
    if options.precision not in ("auto", *get_args(Precision)):
        raise BackendUnavailable("Unknown precision.", "precision", ["auto", *get_args(Precision)], options.precision)
    backend = _best_backend() if options.backend == "auto" else options.backend
    if backend == "openvino":
        from ecg.models.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(weights, options)
    if backend == "torch":
        from ecg.models.engines.torch_engine import TorchEngine

        return TorchEngine(weights, options)
    raise BackendUnavailable("Unknown backend.", "backend", ["auto", *get_args(Backend)], backend)


def _best_backend() -> Backend:
    # torch is not imported to ask for CUDA where there is no driver: it would stay in memory beside OpenVINO.
    has_driver = os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/dxg")
    if has_driver and find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            return "torch"
    return "openvino" if find_spec("openvino") is not None else "torch"
