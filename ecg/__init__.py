"""12-lead ECG analysis: read, prepare, measure, run ECG-FM, report.

Importing this package loads neither torch nor Ray; each public name loads its module when first used.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ecg.errors import EcgError as EcgError
    from ecg.formats import read as read
    from ecg.local import analyze as analyze
    from ecg.measure import Measurements as Measurements
    from ecg.measure import measure as measure
    from ecg.models import load_model as load_model
    from ecg.prepare import prepare as prepare
    from ecg.quality import Quality as Quality
    from ecg.quality import assess_quality as assess_quality
    from ecg.record import EcgRecord as EcgRecord
    from ecg.simulation import Scenario as Scenario
    from ecg.simulation import Simulation as Simulation
    from ecg.simulation import simulate as simulate

_HOME = {
    "analyze": "ecg.local",
    "EcgError": "ecg.errors",
    "EcgRecord": "ecg.record",
    "Measurements": "ecg.measure",
    "measure": "ecg.measure",
    "Quality": "ecg.quality",
    "Scenario": "ecg.simulation",
    "Simulation": "ecg.simulation",
    "assess_quality": "ecg.quality",
    "load_model": "ecg.models",
    "prepare": "ecg.prepare",
    "read": "ecg.formats",
    "simulate": "ecg.simulation",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ecg' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """A public function may share its name with its module (`ecg.measure`): the function stays in front, whichever of
    the two is imported first.
    """  # fmt: skip

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and _HOME.get(name) == value.__name__:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
