"""ECG-FM on OpenVINO: the fastest engine on Intel and AMD processors.

The network is translated once, in a child process, and kept in the cache; after that this engine needs no torch.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ecg.atomic_write import replacing
from ecg.errors import BackendUnavailable
from ecg.models import conversion_process
from ecg.models.cache import cache_directory, locked
from ecg.models.contract import Array, Backend, EngineOptions, ModelOutput, Precision
from ecg.models.ecgfm.architecture import Kind
from ecg.models.engines import accuracy_gate, mapped_files
from ecg.models.engines.openvino_runtime import GraphForm, import_openvino
from ecg.models.engines.processor import has_int8_dot_product
from ecg.models.weight_file import VERSION, file_sha256
from ecg.models.weights import Weights

#: Change it with any change to the network or its translation: cached graphs of another version are not used.
GRAPH_VERSION = "3"
#: The share of the accuracy gate's limits within which int8 is taken though nobody asked for it.
FOR_AUTO = 0.5
_DIGESTS = "sha256.json"


class OpenVinoEngine:
    """Graphs that take every batch size and input length, one inference at a time on `threads` threads.

    The first inference of a new shape costs up to some 0.1 s more. A quantised network (``"int8"``) that is not close
    enough to the float32 one is not used: `precision` is then the best of the others and `note` gives the figures.
    ``"auto"`` takes one that was quantised and found close before, and is held to half of what is allowed.
    """

    backend: Backend = "openvino"

    def __init__(self, weights: Weights, options: EngineOptions) -> None:
        threads = options.threads
        core = import_openvino().Core()
        can_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if options.precision == "bfloat16" and not can_bfloat16:
            raise BackendUnavailable(
                "This processor has no bfloat16 instructions.", "precision", "float32", "bfloat16 with openvino"
            )
        best: Precision = "bfloat16" if can_bfloat16 else "float32"
        settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        if threads == 1:
            # A lone thread stays where the scheduler puts it: OpenVINO would pin every process to the same first core.
            settings["ENABLE_CPU_PINNING"] = False
        self.note: str | None = None
        proven = _proven(weights) if options.precision == "auto" else None
        asked = "int8" if proven else options.precision
        self.precision: Precision = best if asked == "auto" else asked
        # What is not quantised, or not there to be, runs in the best the processor has.
        encoder_hint = "bf16" if can_bfloat16 and self.precision != "float32" else "f32"
        #: The folder of the graphs until the first inference, which makes its own copies of the last weights.
        self._unpacked: Path | None = None
        folder = proven or _translated(weights, _form(self.precision))
        self._compile(core, folder, weights.kind, settings, encoder_hint)
        if self.precision == "int8":
            share = FOR_AUTO if proven else 1.0
            found = accuracy_gate.closeness(self, folder)
            if not found.within(share):
                self.note, self.precision = f"int8 was refused, against float32: {found.told(share)}", best
                self._compile(core, _translated(weights, _form(best)), weights.kind, settings, encoder_hint)
            elif proven:
                self.note = f"int8 was chosen, against float32: {found.told(share)}"

    def _compile(self, core: Any, folder: Path, kind: Kind, settings: dict[str, Any], encoder_hint: str) -> None:
        """Compile the graphs in a folder."""
        self._unpacked = folder
        # The convolutions always run in float32: most of the rounding error would arise there, for 1 % of the work.
        self._features, self._encoder = (
            core.compile_model(
                folder / f"{name}.xml", "CPU", {**settings, "INFERENCE_PRECISION_HINT": hint}
            ).create_infer_request()
            for name, hint in (("features", "f32"), ("encoder", encoder_hint))
        )
        self._classifier: tuple[Array, Array] | None = None
        if kind == "finetuned":
            with np.load(folder / "classifier.npz") as stored:
                self._classifier = stored["weight"], stored["bias"]

    def run(self, segments: Array) -> ModelOutput:
        """Outputs for float32 `segments` [n, 12, T]."""
        features = self._features.infer({0: np.ascontiguousarray(segments)}, share_inputs=True, share_outputs=True)[0]
        tokens: Array = self._encoder.infer({0: features}, share_inputs=True)[0]
        if self._unpacked is not None:
            mapped_files.give_back(self._unpacked)
            self._unpacked = None
        # Pooling and classifier stand outside the graphs, so that they are float32 in every precision.
        count = np.maximum(np.count_nonzero(tokens, axis=1), 1)  # a channel of zeros pools to 0, not to 0/0
        embedding: Array = tokens.sum(axis=1) / count.astype(np.float32)
        logits = None
        if self._classifier is not None:
            weight, bias = self._classifier
            logits = embedding @ weight.T + bias
        return ModelOutput(logits=logits, embedding=embedding, tokens=tokens)


def _proven(weights: Weights) -> Path | None:
    """The folder of the quantised network that was within `FOR_AUTO` when it last ran here; None without a whole one.

    Nothing is quantised to find out: it takes minutes, and a start must not wait for it.
    """
    folder = _folder(weights, _form("int8"))
    found = accuracy_gate.known_closeness(folder)
    return folder if found is not None and found.within(FOR_AUTO) and _is_whole(folder) else None


def _form(precision: Precision) -> GraphForm:
    if precision == "int8":
        return "int8" if has_int8_dot_product() else "int8_narrow"
    # bfloat16 rounds coarser than float16 stores, so its encoder is kept at half the size.
    return "half" if precision == "bfloat16" else "full"


def _folder(weights: Weights, form: GraphForm) -> Path:
    return cache_directory() / "openvino" / f"{weights.sha256}.w{VERSION}.g{GRAPH_VERSION}.{form}"


def _translated(weights: Weights, form: GraphForm) -> Path:
    """Folder of the translated network, made when the cache has none."""
    folder = _folder(weights, form)
    if not _is_whole(folder):
        if form.startswith("int8") and find_spec("nncf") is None:
            raise BackendUnavailable(
                "NNCF is not installed; `pip install 'ecg-serve[int8]'`.", "precision", "bfloat16 or float32", "int8"
            )
        with locked(folder):
            if not _is_whole(folder):
                with replacing(folder) as partial:
                    conversion_process.export_openvino(weights.path, weights.architecture, partial, form)
                    seal(partial)
    return folder


def seal(folder: Path) -> None:
    """Write down the digests of the files of a translated network."""
    digests = {file.name: file_sha256(file) for file in folder.iterdir() if file.name != _DIGESTS}
    (folder / _DIGESTS).write_text(json.dumps(digests))


def _is_whole(folder: Path) -> bool:
    """Whether every file is there as it was written: a damaged graph would run and give wrong numbers."""
    try:
        digests = dict(json.loads((folder / _DIGESTS).read_bytes()))
        return all(file_sha256(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, TypeError):
        return False
