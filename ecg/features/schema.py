"""What one position of the feature vector is."""

from dataclasses import dataclass
from typing import Literal

Group = Literal["embedding", "temporal", "morphological", "spatial"]


@dataclass(frozen=True)
class Feature:
    """One position of the vector: its stable name, its unit (``""`` for a pure number) and its group."""

    name: str
    unit: str
    group: Group
