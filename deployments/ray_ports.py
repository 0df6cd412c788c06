"""The ports of Ray's agents, chosen before they start: a busy machine then starts its node as an idle one does.

Ray's raylet waits 15 s for its agents to write their ports to files in the session's folder, and aborts after that. On
two busy cores the agents need longer for their imports alone; every start failed there (load 6 to 9), and `ray.init`
went on waiting for a node that was dead. Here the ports are chosen and the files written before the raylet starts, and
the agents are told to listen on them. There is no option of Ray for that, so this reaches into the version that is
pinned in pyproject.toml; where its parts are not as expected nothing is changed, and Ray chooses as it always does.
"""

import importlib
import socket
from typing import Any

#: Field of Ray's start parameters, and the constant of `ray._raylet` that names its file.
FILES = {
    "metrics_agent_port": "METRICS_AGENT_PORT_NAME",
    "metrics_export_port": "METRICS_EXPORT_PORT_NAME",
    "dashboard_agent_listen_port": "DASHBOARD_AGENT_LISTEN_PORT_NAME",
    "runtime_env_agent_port": "RUNTIME_ENV_AGENT_PORT_NAME",
}


def choose_ports_first() -> bool:
    """Have every node that this process starts know its agents' ports; False when this Ray is built otherwise."""
    core: Any = importlib.import_module("ray._raylet")  # compiled, and so without types
    Node: Any = importlib.import_module("ray._private.node").Node  # noqa: N806  it is a class

    if not all(hasattr(core, constant) for constant in (*FILES.values(), "persist_port")):
        return False
    start = Node.start_raylet
    if getattr(start, "ports_are_chosen", False):
        return True

    def start_with_ports(node: Any, *args: Any, **options: Any) -> Any:
        for (field, constant), port in zip(FILES.items(), _free_ports(len(FILES)), strict=True):
            setattr(node._ray_params, field, port)
            core.persist_port(node._session_dir, node._node_id, getattr(core, constant), port)
        return start(node, *args, **options)

    start_with_ports.ports_are_chosen = True  # type: ignore[attr-defined]
    Node.start_raylet = start_with_ports
    return True


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:  # all at once, so that they differ
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
