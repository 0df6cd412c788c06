"""12-lead ECG analysis: read, prepare, measure, run ECG-FM, report.

Importing this package loads neither torch nor Ray; each public name loads its module when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecg.errors import EcgError as EcgError
    from ecg.prepare import prepare as prepare
    from ecg.quality import Quality as Quality
    from ecg.quality import assess_quality as assess_quality
    from ecg.record import EcgRecord as EcgRecord
    from ecg.simulation import Scenario as Scenario
    from ecg.simulation import Simulation as Simulation
    from ecg.simulation import simulate as simulate

_HOME = {
    "EcgError": "ecg.errors",
    "EcgRecord": "ecg.record",
    "Quality": "ecg.quality",
    "Scenario": "ecg.simulation",
    "Simulation": "ecg.simulation",
    "assess_quality": "ecg.quality",
    "prepare": "ecg.prepare",
    "simulate": "ecg.simulation",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ecg' has no attribute {name!r}")
    # A public function may share its name with its module (`ecg.measure`); binding it here keeps the function in front.
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
