"""`Value`: a measured number with its unit and spread, or the reason why there is none."""

import math
from dataclasses import dataclass

#: Height in mV that the QRS complexes of a surface ECG can have in the median of its leads; outside of it the samples
#: are in another unit.
PLAUSIBLE_MV = (0.05, 20.0)


@dataclass(frozen=True)
class Value:
    """One measured quantity.

    Attributes
    ----------
    value
        The number, or None when it could not be measured; never NaN, never a placeholder.
    unit
        ``"ms"``, ``"bpm"``, ``"deg"``, ``"mV"`` …; ``""`` for a pure number.
    spread
        Standard deviation of the number over beats and leads, in the same unit; None where there are too few.
    reason
        Why `value` is None; None otherwise.
    """

    value: float | None
    unit: str
    spread: float | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != (self.reason is not None):
            raise ValueError("a Value holds either a number or the reason for its absence")
        for number in (self.value, self.spread):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"a Value must be finite, not {number}")

    @property
    def rounded(self) -> float | None:
        """The number to the digits a measurement can mean, as every output of this project shows it."""
        return None if self.value is None else round(self.value, 3 if self.unit in ("mV", "") else 1)


def missing(unit: str, reason: str) -> Value:
    """A quantity that could not be measured, and why."""
    return Value(None, unit, None, reason)
