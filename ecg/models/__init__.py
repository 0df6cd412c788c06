"""ECG-FM: the network, its weights and the engines that run it.

Importing this package loads neither torch nor OpenVINO; `load_model` loads the engine it needs.
"""

from ecg.models.contract import Engine, ModelCard, ModelOutput
from ecg.models.load import Model, load_model
from ecg.models.weights import Weights, resolve_weights

__all__ = ["Engine", "Model", "ModelCard", "ModelOutput", "Weights", "load_model", "resolve_weights"]
