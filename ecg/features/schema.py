"""What one position of the feature vector is, and the blocks that fill the vector."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ecg.measurement.intervals import Measurements
from ecg.measurement.qrs_shape import QrsShape, qrs_shapes

Group = Literal["embedding", "temporal", "morphological", "spatial"]


@dataclass(frozen=True)
class Feature:
    """One position of the vector: its stable name, its unit (``""`` for a pure number) and its group."""

    name: str
    unit: str
    group: Group


@dataclass(frozen=True)
class Inputs:
    """What features are computed from; amplitudes count only when the unit of the samples is known and plausible."""

    measurements: Measurements
    fs_hz: float
    unit_known: bool

    @cached_property
    def shapes(self) -> dict[str, QrsShape]:
        """Form of the QRS complex of the median beat by lead, empty without a median beat."""
        median = self.measurements.median_beat
        return {} if median is None else qrs_shapes(median)


@dataclass(frozen=True)
class Block:
    """Neighbouring positions of the vector: what they are, and the function that gives their values in this order."""

    features: tuple[Feature, ...]
    compute: Callable[[Inputs], Sequence[float | None]]

    def values(self, inputs: Inputs) -> Sequence[float | None]:
        """One value for each feature, None where it could not be measured."""
        values = self.compute(inputs)
        if len(values) != len(self.features):
            raise ValueError(f"{len(values)} values for the {len(self.features)} from {self.features[0].name!r} on")
        return values


def block(group: Group, unit: str, names: Iterable[str], compute: Callable[[Inputs], Sequence[float | None]]) -> Block:
    """A block whose values all have one unit."""
    return Block(tuple(Feature(name, unit, group) for name in names), compute)


def measured(group: Group, unit: str, *names: str) -> Block:
    """A block of values that `Measurements` holds under the same names."""
    return block(group, unit, names, lambda inputs: [getattr(inputs.measurements, name).value for name in names])
