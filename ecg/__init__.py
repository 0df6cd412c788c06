"""12-lead ECG analysis: read, prepare, measure, run ECG-FM, report.

Importing this package loads neither torch nor Ray; each public name loads its module when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ecg._version import __version__ as __version__

if TYPE_CHECKING:
    from ecg.client import AsyncClient as AsyncClient
    from ecg.client import Client as Client
    from ecg.errors import EcgError as EcgError
    from ecg.formats import read as read
    from ecg.local import analyze as analyze
    from ecg.measurement.intervals import Measurements as Measurements
    from ecg.measurement.intervals import measure as measure
    from ecg.models import load_model as load_model
    from ecg.models.ecgfm.preparation import prepare as prepare
    from ecg.quality import Quality as Quality
    from ecg.quality import assess_quality as assess_quality
    from ecg.record import EcgRecord as EcgRecord
    from ecg.report import Report as Report
    from ecg.report.table_form import to_frame as to_frame
    from ecg.simulation import Scenario as Scenario
    from ecg.simulation import Simulation as Simulation
    from ecg.simulation import simulate as simulate

_HOME = {
    "AsyncClient": "ecg.client",
    "Client": "ecg.client",
    "analyze": "ecg.local",
    "EcgError": "ecg.errors",
    "EcgRecord": "ecg.record",
    "Measurements": "ecg.measurement.intervals",
    "measure": "ecg.measurement.intervals",
    "Quality": "ecg.quality",
    "Report": "ecg.report",
    "Scenario": "ecg.simulation",
    "Simulation": "ecg.simulation",
    "assess_quality": "ecg.quality",
    "load_model": "ecg.models",
    "prepare": "ecg.models.ecgfm.preparation",
    "read": "ecg.formats",
    "simulate": "ecg.simulation",
    "to_frame": "ecg.report.table_form",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ecg' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        from ecg.extras import missing

        raise missing(f"ecg.{name}", error) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
