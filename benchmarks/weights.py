"""Full-size weights without a download: both published architectures, untrained, written once to the cache."""

from pathlib import Path

from ecg.atomic_write import replacing
from ecg.models.cache import cache_directory, locked
from ecg.models.hub import FILES

_VERSION = 1


def full_size() -> Path:
    """A folder that the service and `load_model` take as weights: the two published files, by size, not by value."""
    folder = cache_directory() / f"benchmark-weights-{_VERSION}"
    with locked(folder):
        if not folder.is_dir():
            with replacing(folder) as partial:
                partial.mkdir()
                _write(partial)
    return folder


def _write(folder: Path) -> None:
    import torch

    from ecg.models.ecgfm.architecture import Architecture
    from ecg.models.ecgfm.network import EcgFm
    from ecg.models.weight_file import WeightFileHeader, write_weight_file
    from tests.golden import recipe

    for kind, name in FILES.items():
        architecture = Architecture(kind, n_labels=17 if kind == "finetuned" else 0)
        with torch.device("meta"):
            shapes = {key: tuple(tensor.shape) for key, tensor in EcgFm(architecture).state_dict().items()}
        # The recipe of the goldens: attention as sharp as a trained network's, so that rounding shows.
        tensors = {key: torch.from_numpy(recipe.weight(key, shape)) for key, shape in shapes.items()}
        path = (folder / name).with_suffix(".safetensors")
        write_weight_file(path, tensors, WeightFileHeader(architecture, f"benchmark-{_VERSION}", trained=False))
