"""The ports of Ray's agents, chosen before they start: a busy machine then starts its node as an idle one does.

Ray's raylet waits 15 s for its agents to write their ports to files in the session's folder, and aborts after that. On
two busy cores the agents need longer for their imports alone; every start failed there (load 6 to 9), and `ray.init`
went on waiting for a node that was dead. Here the ports are chosen and the files written before the raylet starts, and
the agents are told to listen on them. There is no option of Ray for that, so this reaches into the version that is
pinned in pyproject.toml; where its parts are not as expected nothing is changed, and Ray chooses as it always does.
"""

import importlib
import os
import random
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

#: Field of Ray's start parameters, and the constant of `ray._raylet` that names its file.
FILES = {
    "metrics_agent_port": "METRICS_AGENT_PORT_NAME",
    "metrics_export_port": "METRICS_EXPORT_PORT_NAME",
    "dashboard_agent_listen_port": "DASHBOARD_AGENT_LISTEN_PORT_NAME",
    "runtime_env_agent_port": "RUNTIME_ENV_AGENT_PORT_NAME",
}

#: Set to 1 where every part of a service is on one machine.
ON_LOOPBACK = "ECG_REPLICAS_ON_LOOPBACK"
_HERE = "127.0.0.1"
#: For Ray's agents, and for HAProxy. Linux gives ports from 32,768 to 60,999 to whoever asks for any, and to every
#: connection that begins; a start makes hundreds of those, and one in twenty found its port taken when it came to it.
#: Nor are these the ports of Ray's workers, from 10,002 to 19,999, or of this project's replicas, from 20,000 on.
OF_AGENTS, OF_HAPROXY = range(61_000, 63_500), range(63_500, 65_536)
_CHANCE = random.SystemRandom()  # of which no seed makes two processes choose alike


def stay_on_loopback() -> bool:
    """In a process of Serve, have what only HAProxy and other replicas ask listen on loopback alone.

    Serve opens the port between replicas on all interfaces, and the ports behind HAProxy on the address of HAProxy's
    own: a caller could pass by its TLS and its bounds. False where it is not asked for, in other processes, and where
    this Ray is built otherwise.
    """
    replica: Any = sys.modules.get("ray.serve._private.replica")
    proxy: Any = sys.modules.get("ray.serve._private.proxy")
    if os.environ.get(ON_LOOPBACK) != "1":
        return False
    if hasattr(replica, "add_port_to_grpc_server"):
        _wrap(replica, "add_port_to_grpc_server", _local_port)
    for module in (replica, proxy):
        if hasattr(module, "start_asgi_http_server"):
            _wrap(module, "start_asgi_http_server", _local_server)
    return replica is not None or proxy is not None


def _wrap(module: Any, name: str, around: Callable[[Any], Any]) -> None:
    former = getattr(module, name)
    if not getattr(former, "is_local", False):
        made = around(former)
        made.is_local = True
        setattr(module, name, made)


def _local_port(add_port: Any) -> Any:
    def add_local_port(server: Any, address: str) -> Any:
        return add_port(server, address.replace("[::]:", f"{_HERE}:"))

    return add_local_port


def _local_server(start: Any) -> Any:
    from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY

    async def start_local_server(app: Any, http_options: Any, **options: Any) -> Any:
        if RAY_SERVE_ENABLE_HA_PROXY:  # else it is the port of the service itself
            http_options = http_options.model_copy(update={"host": _HERE})
        return await start(app, http_options, **options)

    return start_local_server


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
        for (field, constant), port in zip(FILES.items(), free_ports(len(FILES), OF_AGENTS), strict=True):
            setattr(node._ray_params, field, port)
            core.persist_port(node._session_dir, node._node_id, getattr(core, constant), port)
        return start(node, *args, **options)

    start_with_ports.ports_are_chosen = True  # type: ignore[attr-defined]
    Node.start_raylet = start_with_ports
    return True


def free_ports(count: int, among: range) -> list[int]:
    """Ports of a range that nobody listens on at any address. Raises `OSError` where there are fewer."""
    found: list[int] = []
    for port in _CHANCE.sample(among, len(among)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"Of the ports {among.start} to {among.stop - 1} there are not {count} free.")
