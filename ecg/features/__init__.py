"""The flat feature vector: what each position is (`SCHEMA`), and its values for one recording.

Positions never move within a `SCHEMA_VERSION`; a test holds the table to its digest. docs/features.md explains the
groups.
"""

from collections.abc import Sequence

from ecg.features import morphological, spatial, temporal
from ecg.features.schema import Feature, Inputs
from ecg.measurement.amplitudes import no_millivolts
from ecg.measurement.intervals import Measurements
from ecg.models.contract import ModelResult
from ecg.models.ecgfm.architecture import PUBLISHED_WIDTH
from ecg.record import EcgRecord

__all__ = ["EMBEDDING_DIM", "SCHEMA", "SCHEMA_VERSION", "Feature", "feature_vector", "named_features", "with_embedding"]

SCHEMA_VERSION = "1"
EMBEDDING_DIM = PUBLISHED_WIDTH

_BLOCKS = (*temporal.BLOCKS, *morphological.BLOCKS, *spatial.BLOCKS)
SCHEMA: tuple[Feature, ...] = (
    *(Feature(f"embedding_mean_{i}", "", "embedding") for i in range(EMBEDDING_DIM)),
    *(Feature(f"embedding_spread_{i}", "", "embedding") for i in range(EMBEDDING_DIM)),
    *(feature for block in _BLOCKS for feature in block.features),
)


def feature_vector(record: EcgRecord, measurements: Measurements, model: ModelResult | None) -> list[float | None]:
    """Values in the order of `SCHEMA`; None where a quantity could not be measured.

    Without a model the embedding positions are None. What depends on amplitude is None when the unit of the samples is
    not known or not plausible. Raises `ValueError` for an embedding wider than `EMBEDDING_DIM`.
    """
    return with_embedding(named_features(record, measurements), model)


def with_embedding(named: Sequence[float | None], model: ModelResult | None) -> list[float | None]:
    """The whole feature vector, from the values of `named_features` and what the feature model said.

    A network narrower than the published one leaves the rest of its positions None. Raises `ValueError` for a wider.
    """
    embedding: list[float | None] = [None] * (2 * EMBEDDING_DIM)
    if model is not None:
        width = len(model.embedding)
        if width > EMBEDDING_DIM:
            raise ValueError(f"an embedding of at most {EMBEDDING_DIM} values is needed, not {width}")
        embedding[:width] = model.embedding.tolist()
        embedding[EMBEDDING_DIM : EMBEDDING_DIM + width] = model.spread.tolist()
    return [*embedding, *named]


def named_features(record: EcgRecord, measurements: Measurements) -> list[float | None]:
    """The values behind the embedding, which need no model, in the order of `SCHEMA`."""
    unit_known = no_millivolts(measurements.median_beat, record.unit) is None
    inputs = Inputs(measurements, record.fs_hz, unit_known)
    return [value for block in _BLOCKS for value in block.values(inputs)]
