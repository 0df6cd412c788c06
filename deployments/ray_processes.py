"""Processes that Ray starts on the first node of a cluster and that one machine can do without.

There is no option of `ray.init` for any of them, so this reaches into the version that is pinned in pyproject.toml;
where its parts are not as expected nothing is changed (docs/decisions/0070).
"""

import importlib
from typing import Any

#: Adds nodes to a cluster.
MONITOR = "start_monitor"
#: The dashboard's, also where the dashboard is left out.
API_SERVER = "start_api_server"
#: Hands what the workers print to the driver (`log_to_driver`); in a driver `serve_app.worker_output` reads it.
LOG_MONITOR = "start_log_monitor"


def leave_out(*names: str) -> bool:
    """Have every node that this process starts go without these; False, and none left out, when this Ray is another."""
    Node: Any = importlib.import_module("ray._private.node").Node  # noqa: N806  it is a class
    if not all(hasattr(Node, name) for name in names):
        return False
    for name in names:
        setattr(Node, name, _nothing)
    return True


def say_there_is_no_dashboard() -> None:
    """Leave the address of a dashboard in the Ray that this process is connected to, as the API server would.

    Without one the agent of each node looks for it every second and logs a traceback each time, 27 MB a day.
    """
    put: Any = importlib.import_module("ray.experimental.internal_kv")._internal_kv_put
    put("dashboard", "127.0.0.1:0", overwrite=False, namespace="dashboard")


def _nothing(node: Any, **options: Any) -> None:
    """In place of a start."""
