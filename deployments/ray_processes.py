"""Processes that Ray starts on the first node of a cluster and that nobody asks anything on one machine.

The monitor adds nodes to a cluster, and the API server is the dashboard's, which this project leaves out on one
machine: 140 MB, and two imports of Ray that the start waits for (docs/decisions/0070). There is no option of `ray.init`
for either, so this reaches into the version that is pinned in pyproject.toml; where its parts are not as expected
nothing is changed.
"""

import importlib
from typing import Any

_LEFT_OUT = ("start_monitor", "start_api_server")


def leave_out_what_nobody_asks() -> bool:
    """Have every node that this process starts go without them; False when this Ray is built otherwise."""
    Node: Any = importlib.import_module("ray._private.node").Node  # noqa: N806  it is a class
    if not all(hasattr(Node, name) for name in _LEFT_OUT):
        return False
    for name in _LEFT_OUT:
        setattr(Node, name, _nothing)
    return True


def _nothing(node: Any, **options: Any) -> None:
    """In place of a start."""
