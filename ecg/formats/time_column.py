"""The sampling rate that a column of times states."""

import re

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InconsistentInput

_NAME = re.compile(
    r"(?:(?:elapsed[ _])?time|t)(?:_(?P<a>s|ms|us)|\s*[(\[](?P<b>s|sec|seconds|ms|us|µs)[)\]])?", re.IGNORECASE
)
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_TOLERANCE = 0.001  # of the rate, beyond what the digits of the clock leave open: what clocks of devices drift apart
_MOST_DIGITS = 12
_TAIL = 16  # rows from which the last digit that the times are written with is found


def seconds_per_unit(name: str) -> tuple[float, ...]:
    """What one unit of a column of this name can mean: one length in seconds, two for a bare ``time``, none if no time.

    ``time_s``, ``time_ms``, ``time (s)``, ``time [ms]`` and the same with ``t`` have their unit in the name.
    """
    found = _NAME.fullmatch(name.strip())
    if found is None:
        return ()
    unit = found["a"] or found["b"]
    return (1.0, 1e-3) if unit is None else (_SECONDS[unit.lower()],)


def rate_of(name: str, times: NDArray[np.float64]) -> float | None:
    """The sampling rate in Hz that a column of times [sample] gives; None when its name has no unit, or of one row."""
    units = seconds_per_unit(name)
    if len(units) != 1 or len(times) < 2:
        return None
    rate = 1 / (_step(name, times) * units[0])
    uncertainty = rate * _last_digit(times) / abs(times[-1] - times[0]) + 1e-9 * rate
    written = (float(f"{rate:.{digits}g}") for digits in range(3, _MOST_DIGITS))
    return next((simple for simple in written if abs(simple - rate) <= uncertainty), rate)


def check_rate(name: str, times: NDArray[np.float64], fs_hz: float) -> None:
    """Raise `InconsistentInput` when a column of times [sample] is not regular, or contradicts the rate in Hz."""
    if len(times) < 2:
        return
    step = _step(name, times)
    rates = [1 / (step * unit) for unit in seconds_per_unit(name)]
    # A short table can have less rounding-free length than the tolerance asks for.
    tolerance = _TOLERANCE + _last_digit(times) / abs(times[-1] - times[0])
    if not any(abs(rate - fs_hz) <= tolerance * fs_hz for rate in rates):
        raise InconsistentInput(
            f"The column {name} has {rates[0]:g} rows a second, not the stated {fs_hz:g}.",
            "fs",
            round(rates[0], 3),
            fs_hz,
        )


def _step(name: str, times: NDArray[np.float64]) -> float:
    """The mean step; `InconsistentInput` unless every step is equal to it within the last digit written."""
    steps = np.diff(times)
    mean = float(times[-1] - times[0]) / len(steps)
    # Rounding moves a step by less than its last digit, and one by a whole digit is a lost sample.
    allowed = max(0.99 * _last_digit(times), 0.01 * mean)
    if not (np.isfinite(mean) and mean > 0 and bool(np.all(np.abs(steps - mean) <= allowed))):
        raise InconsistentInput(f"The column {name} does not rise by equal steps.", "fs", "equal steps", None)
    return mean


def _last_digit(times: NDArray[np.float64]) -> float:
    """The power of ten that the last times are multiples of, down to 1e-9."""
    tail = times[-_TAIL:]
    for digits in range(9):
        if np.allclose(tail, np.round(tail, digits), rtol=1e-12, atol=1e-12):
            return float(10.0**-digits)
    return 1e-9
