"""12-lead ECG analysis: read, prepare, measure, run ECG-FM, report.

Importing this package loads neither torch nor Ray; each public name loads its module when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecg.errors import EcgError as EcgError
    from ecg.models import load_model as load_model
    from ecg.prepare import prepare as prepare
    from ecg.record import EcgRecord as EcgRecord

_HOME = {
    "EcgError": "ecg.errors",
    "EcgRecord": "ecg.record",
    "load_model": "ecg.models",
    "prepare": "ecg.prepare",
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
