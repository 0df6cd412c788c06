"""The weights-only file: safetensors with the architecture and the origin in its metadata.

Tensors stand under the names of `ecg.models.ecgfm.network.EcgFm`, float32, or float16 in the file of the package. The
header is read here without torch.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecg.errors import CheckpointRejected
from ecg.extras import missing
from ecg.models.calibration import Calibration
from ecg.models.contract import Progress
from ecg.models.ecgfm.architecture import Architecture

if TYPE_CHECKING:
    from torch import Tensor

#: Change it with any change to the tensors' names or meaning: files and cache entries of another version are not used.
VERSION = "1"
_MAX_HEADER_BYTES = 10_000_000


@dataclass(frozen=True)
class WeightFileHeader:
    """What a weights-only file says of itself.

    Attributes
    ----------
    architecture
        Its network.
    source_sha256
        Of the checkpoint it came from.
    trained
        False where the outputs mean nothing.
    calibration
        How its label scores become probabilities; None for scores that nobody has calibrated.
    """

    architecture: Architecture
    source_sha256: str
    trained: bool
    calibration: Calibration | None = None


def is_weight_file(path: Path) -> bool:
    """Whether the file starts like safetensors: a header length, then a brace."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and struct.unpack("<Q", start[:8])[0] <= _MAX_HEADER_BYTES


def read_header(path: Path) -> WeightFileHeader:
    """The header of a weights-only file; `CheckpointRejected` when it is damaged or not written by `ecg convert`."""
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError as error:
        raise missing("A model", error) from error

    try:
        with safe_open(path, framework="np") as file:  # checks the length of the file against its header, too
            metadata: dict[str, str] = file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointRejected(
            "The safetensors file is damaged, cut short, or longer than its header says.",
            "checkpoint",
            "a whole safetensors file",
            str(error),
        ) from error
    if metadata.get("ecg_fm_version") != VERSION:
        raise CheckpointRejected(
            "The safetensors file was not written by this version of `ecg convert`; convert the checkpoint again.",
            "metadata.ecg_fm_version",
            VERSION,
            metadata.get("ecg_fm_version"),
        )
    try:
        architecture = Architecture.from_dict(json.loads(metadata["architecture"]))
        lines = metadata.get("calibration")
        calibration = None if lines is None else Calibration.from_json(lines)
        return WeightFileHeader(architecture, metadata["source_sha256"], metadata["trained"] == "true", calibration)
    except (KeyError, ValueError) as error:
        raise CheckpointRejected("The safetensors file lacks its description.", "metadata", None, str(error)) from error


def write_weight_file(path: Path, tensors: "Mapping[str, Tensor]", header: WeightFileHeader) -> None:
    """Write `tensors` (float32 or float16) and their description to `path`; the same ones make the same bytes."""
    from safetensors.torch import save_file

    metadata = {
        "ecg_fm_version": VERSION,
        "architecture": json.dumps(header.architecture.to_dict()),
        "kind": header.architecture.kind,
        "source_sha256": header.source_sha256,
        "trained": "true" if header.trained else "false",
    }
    if header.calibration is not None:
        metadata["calibration"] = header.calibration.to_json()
    save_file(dict(tensors), path, metadata)
    _sort_metadata(path)
    path.chmod(0o644)  # safetensors writes for the owner alone; a cache may be filled by one user and read by another


def _sort_metadata(path: Path) -> None:
    """Bring the description into alphabetical order in place: safetensors writes it in another order each time."""
    with path.open("r+b") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        described = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
        text = json.dumps(described, separators=(",", ":"), ensure_ascii=False).encode().ljust(length)
        if len(text) != length:  # offsets of tensors are counted from the end of the header
            raise ValueError("The description of a weights file cannot be sorted in place.")
        file.seek(8)
        file.write(text)


def read_tensors(path: Path) -> "dict[str, Tensor]":
    """Float32 tensors of a weights-only file; what is stored as float32 is mapped from the file rather than copied."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise CheckpointRejected("The safetensors file cannot be read.", "checkpoint", None, str(error)) from error
    return {name: tensor.float() for name, tensor in tensors.items()}


def convert(source: Path, destination: Path, source_sha256: str) -> None:
    """Write the weights-only file of the fairseq-signals checkpoint `source`.

    Raises `CheckpointRejected` when `source` is not a safe and complete ECG-FM checkpoint.
    """
    from ecg.models.ecgfm.checkpoint import read_checkpoint

    architecture, tensors = read_checkpoint(source)
    write_weight_file(destination, tensors, WeightFileHeader(architecture, source_sha256, trained=True))


def file_sha256(path: Path, progress: Progress | None = None) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
            done += len(block)
            if progress:
                progress("checking", done, total)
    return digest.hexdigest()
