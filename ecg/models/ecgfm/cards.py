"""The cards of ECG-FM: the finetuned network with its classifier, and the pretrained encoder."""

from functools import partial

from ecg.errors import CheckpointRejected
from ecg.labels import LABELS
from ecg.models import load
from ecg.models.contract import EngineOptions, LoadedModel, ModelCard, Preparation, Progress
from ecg.models.ecgfm.architecture import PUBLISHED_WIDTH, Kind
from ecg.models.ecgfm.preparation import PREPARATION, SEGMENT_SAMPLES, check_preparable, prepare
from ecg.models.weights import Weights, needs_download, resolve_weights

ECG_FM_INPUT = Preparation(PREPARATION, (12, SEGMENT_SAMPLES), prepare, check_preparable)


def _resolve(kind: Kind, source: str, progress: Progress | None) -> Weights:
    """Raises also `CheckpointRejected` for a network whose inputs or outputs have no place in the answer."""
    weights = resolve_weights(source, kind, progress)
    architecture = weights.architecture
    for what, got, most in (
        ("leads", architecture.n_leads, ECG_FM_INPUT.sample_shape[0]),
        ("labels", architecture.n_labels, len(LABELS) if kind == "finetuned" else 0),
    ):
        if got != most:
            raise CheckpointRejected(f"The weights are of a network with {got} {what}.", "weights", most, got)
    if architecture.embed_dim > PUBLISHED_WIDTH:
        raise CheckpointRejected(
            "The weights are of a wider network than the published one: the feature vector has no place for it.",
            "weights",
            f"<= {PUBLISHED_WIDTH} channels",
            architecture.embed_dim,
        )
    return weights


def _load(weights: Weights, options: EngineOptions) -> LoadedModel:
    return load.load_model(weights, options.backend, options.precision, threads=options.threads)


CLINICAL = ModelCard(
    name="clinical",
    deployment="ClinicalModel",
    title="clinical",
    role="clinical",
    preparation=ECG_FM_INPUT,
    labels=LABELS,
    resolve=partial(_resolve, "finetuned"),
    load=_load,
    needs_download=partial(needs_download, kind="finetuned"),
)
FEATURES = ModelCard(
    name="features",
    deployment="FeatureModel",
    title="feature",
    role="features",
    preparation=ECG_FM_INPUT,
    labels=None,
    resolve=partial(_resolve, "pretrained"),
    load=_load,
    needs_download=partial(needs_download, kind="pretrained"),
)
