"""Where weights come from: the hub, a file, the small model of the package, or the untrained stand-in."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from ecg.atomic_write import replacing
from ecg.errors import CheckpointRejected, WeightsUnavailable
from ecg.models import conversion_process, hub
from ecg.models.cache import cache_directory, locked
from ecg.models.calibration import Calibration
from ecg.models.contract import Progress
from ecg.models.ecgfm.architecture import Architecture, Kind
from ecg.models.weight_file import VERSION, file_sha256, is_weight_file, read_header

#: One layer of the real width: every array has its real shape, and a segment costs a fifth of the real network.
_STAND_IN_LAYERS = 1
_STAND_IN = "stand-in/1"
#: Made by `training.small`; docs/model-card.md says what it is and what it must not be used for.
SMALL = Path(__file__).with_name("small.safetensors")
#: Sources of weights that are not paths.
NAMED_SOURCES = ("auto", "hub", "small", "stand-in")
#: How `Weights.identifier` of the small model begins.
SMALL_NAME = f"ecg-serve/{SMALL.name}"
_SMALL_ANSWERS = "The small model of the package answers some of the labels (docs/model-card.md):"


@dataclass(frozen=True)
class Weights:
    """Weights that are here and checked.

    Attributes
    ----------
    identifier
        What provenance says, such as ``wanglab/ecg-fm/mimic_iv_ecg_finetuned.pt@sha256:…``; never a path.
    sha256
        Of the file they came from; for the stand-in, of its description.
    architecture
        The network they fit.
    trained
        False for the stand-in, whose outputs mean nothing.
    path
        The weights-only file, None for the stand-in.
    source
        The file that was given or downloaded, None for the stand-in.
    note
        Why these and not others, where there was a choice; None otherwise.
    calibration
        How label scores become probabilities; None for scores that nobody has calibrated.
    """

    identifier: str
    sha256: str
    architecture: Architecture
    trained: bool
    path: Path | None
    source: Path | None
    note: str | None = None
    calibration: Calibration | None = None

    @property
    def kind(self) -> Kind:
        """``"finetuned"`` or ``"pretrained"``."""
        return self.architecture.kind


def resolve_weights(source: str | Path, kind: Kind | None = None, progress: Progress | None = None) -> Weights:
    """Find, fetch and convert weights, and return where they are.

    Parameters
    ----------
    source
        ``"hub"``: the published checkpoint, downloaded once. ``"small"``: the small trained model of the package.
        ``"auto"``: the published checkpoint when it is cached or the hub answers, else the small model.
        ``"stand-in"``: a seeded untrained network, for tests. Anything else is the path of a fairseq-signals
        checkpoint, of a file written by ``ecg convert``, or of a folder that holds either under the published name.
    kind
        Which of the two models is wanted; the finetuned one when a source has both and nothing is said.
    progress
        Called with what is being done, bytes done, and bytes in all.

    Raises
    ------
    WeightsUnavailable
        The file does not exist, or the hub cannot be reached.
    CheckpointRejected
        The file is not a safe and complete ECG-FM checkpoint, or of the other kind.
    """
    wanted = kind or "finetuned"
    if source == "stand-in":
        return stand_in_weights(wanted)
    if source == "small":
        return small_weights(wanted)
    if source in ("hub", "auto"):
        try:
            path = hub.fetch(wanted, progress, hub.PATIENCE_S if source == "hub" else hub.AUTO_PATIENCE_S)
        except WeightsUnavailable as error:
            if source == "hub":
                raise
            return small_weights(wanted, note=f"{_SMALL_ANSWERS} {error.message}")
        return _from_file(path, wanted, progress, f"{hub.REPOSITORY}/{hub.FILES[wanted]}")
    path = Path(source).expanduser()
    if path.is_dir() and kind is not None:
        converted = (path / hub.FILES[kind]).with_suffix(".safetensors")
        path = converted if converted.exists() else path / hub.FILES[kind]
    return _from_file(path, kind, progress, path.name)


def small_weights(kind: Kind, note: str | None = None) -> Weights:
    """The small trained model of the package; as ``"pretrained"``, its encoder without the classifier."""
    weights = _from_file(SMALL, None, None, SMALL_NAME)
    if kind == "pretrained":
        encoder = replace(weights.architecture, kind=kind, n_labels=0)
        weights = replace(weights, architecture=encoder, calibration=None)
    return replace(weights, note=note)


def stand_in_weights(kind: Kind, note: str | None = None) -> Weights:
    """The stand-in: an untrained network of the real widths, made from a seed when a model is built."""
    architecture = Architecture(kind, n_layers=_STAND_IN_LAYERS, n_labels=17 if kind == "finetuned" else 0)
    description = json.dumps([_STAND_IN, architecture.to_dict()])
    sha256 = hashlib.sha256(description.encode()).hexdigest()
    return Weights(f"{_STAND_IN}/{kind}@sha256:{sha256}", sha256, architecture, False, None, None, note)


def _from_file(path: Path, kind: Kind | None, progress: Progress | None, name: str) -> Weights:
    if not path.is_file():
        raise WeightsUnavailable(
            f"There is no file {path.name!r} to load weights from.",
            "weights",
            f"a checkpoint file, a folder with both, or one of {', '.join(NAMED_SOURCES)}",
            str(path),
        )
    sha256 = file_sha256(path, progress)
    usable = path if is_weight_file(path) else _converted(path, sha256, progress)
    header = read_header(usable)
    if kind is not None and header.architecture.kind != kind:
        raise CheckpointRejected(
            f"{path.name} holds the {header.architecture.kind} model; the {kind} one is wanted.",
            "weights",
            kind,
            header.architecture.kind,
        )
    return Weights(
        f"{name}@sha256:{sha256}",
        sha256,
        header.architecture,
        header.trained,
        usable,
        path,
        calibration=header.calibration,
    )


def _converted(source: Path, sha256: str, progress: Progress | None) -> Path:
    """The cached weights-only file of a checkpoint, made when it is not there."""
    path = cache_directory() / "weights" / f"{sha256}.v{VERSION}.safetensors"
    if not _usable(path):
        refuse_known_mistakes(source)
        with locked(path):
            if not _usable(path):  # another process may have made it while this one waited
                if progress:
                    progress("converting", 0, None)
                with replacing(path) as partial:
                    conversion_process.convert(source, partial, sha256)
    return path


def _usable(path: Path) -> bool:
    """Whether a cache entry is there and whole; a damaged one is made anew."""
    try:
        read_header(path)
    except (OSError, CheckpointRejected):
        return False
    return True


def refuse_known_mistakes(path: Path) -> None:
    """Say what a file is when it is one of the things people hand over by mistake."""
    with path.open("rb") as file:
        start = file.read(256).lstrip().lower()
    found = None
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        found = "a web page, as saved when a download link leads to a page"
    elif start.startswith(b"version https://git-lfs"):
        found = "a Git LFS pointer; fetch the file itself with `git lfs pull`"
    elif not start:
        found = "an empty file"
    if found:
        raise CheckpointRejected(f"{path.name} is {found}.", "weights", "a fairseq-signals checkpoint", found)


def needs_download(source: str | Path, kind: Kind) -> bool:
    """Whether `resolve_weights` would ask the hub before it can return."""
    return source in ("hub", "auto") and hub.cached(kind) is None
