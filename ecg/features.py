"""The flat feature vector: what each position is, and its values for one recording."""

from collections.abc import Callable
from dataclasses import dataclass

from ecg.measure import Measurements
from ecg.models.result import ModelResult
from ecg.record import EcgRecord

SCHEMA_VERSION = "1"
EMBEDDING_DIM = 768


@dataclass(frozen=True)
class Feature:
    """One position of the vector: its stable name, unit and group, and how it is taken from the results."""

    name: str
    unit: str
    group: str


_MEASURED: tuple[tuple[str, str], ...] = tuple(
    (name, "deg" if name.endswith("axis") else "bpm" if name == "heart_rate" else "ms")
    for name in (
        "heart_rate", "rr_mean", "rr_sd", "rmssd", "pr_interval", "p_duration", "qrs_duration", "qt_interval",
        "qtc_bazett", "qtc_fridericia", "qtc_framingham", "qtc_hodges", "p_axis", "qrs_axis", "t_axis",
    )
)  # fmt: skip

SCHEMA: tuple[Feature, ...] = (
    *(Feature(f"embedding_mean_{i}", "", "embedding") for i in range(EMBEDDING_DIM)),
    *(Feature(f"embedding_spread_{i}", "", "embedding") for i in range(EMBEDDING_DIM)),
    *(Feature(name, unit, "temporal") for name, unit in _MEASURED),
)


def feature_vector(record: EcgRecord, measurements: Measurements, model: ModelResult) -> list[float | None]:
    """Values in the order of `SCHEMA`; None where a quantity could not be measured."""
    read: Callable[[str], float | None] = lambda name: getattr(measurements, name).value  # noqa: E731
    return [*map(float, model.embedding), *map(float, model.spread), *(read(name) for name, _ in _MEASURED)]
