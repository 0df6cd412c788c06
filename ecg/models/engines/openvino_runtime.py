"""The `openvino` package, imported without telemetry; and how a graph can be stored."""

import sys
from typing import Any, Literal

from ecg.errors import BackendUnavailable

#: How a translated encoder is stored. The weights of "int8_narrow" use half the range of eight bits, for processors
#: whose sums of 8-bit products saturate.
GraphForm = Literal["full", "half", "int8", "int8_narrow"]


def import_openvino() -> Any:
    """The `openvino` package, `BackendUnavailable` when it is not installed.

    Its import reports to Google Analytics when `openvino_telemetry` is there. A service that handles patients' data
    reports to nobody: the import is made to find no such package, and OpenVINO then uses its own empty stub.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ImportError as error:
        raise BackendUnavailable(
            "OpenVINO is not installed; `pip install 'ecg-serve[openvino]'`.", "backend", "openvino", str(error)
        ) from error
    return openvino
