"""What a node of Ray is told before it starts, so that it need not wait for its agents to say it."""

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import psutil
import pytest
import ray
import ray._raylet as core
from ray._private.node import Node
from ray.serve._private import constants, proxy, replica
from ray.serve.config import HTTPOptions

from benchmarks.service import free_port
from deployments.ray_ports import FILES, ON_LOOPBACK, choose_ports_first, free_ports, stay_on_loopback


def test_the_ports_are_in_their_files_before_the_node_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the files that Ray itself reads, by its own function."""
    seen: dict[str, int] = {}
    node_id = ray.NodeID.from_random().hex()

    def started(node: Any) -> str:
        for field, constant in FILES.items():
            said = core.wait_for_persisted_port(str(tmp_path), node_id, getattr(core, constant), timeout_ms=100)
            assert said == getattr(node._ray_params, field)
            seen[field] = said
        return "started"

    monkeypatch.setattr(Node, "start_raylet", started)
    assert choose_ports_first()
    once = Node.start_raylet
    assert choose_ports_first()
    assert Node.start_raylet is once
    node = SimpleNamespace(_ray_params=SimpleNamespace(), _session_dir=str(tmp_path), _node_id=node_id)
    assert Node.start_raylet(node) == "started"
    assert len(set(seen.values())) == len(FILES)
    assert all(port > 60_999 for port in seen.values())  # below, any connection may have taken it


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_port_that_is_taken_is_passed_over(host: str) -> None:
    with socket.create_server((host, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="not 1 free"):
            free_ports(1, range(port, port + 1))
    assert free_ports(1, range(port, port + 1)) == [port]


def test_another_ray_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(core, "METRICS_AGENT_PORT_NAME")
    before = Node.start_raylet
    assert not choose_ports_first()
    assert Node.start_raylet is before


def addresses_of(port: int) -> set[str]:
    """Where this process listens on a port."""
    mine = psutil.Process(os.getpid()).net_connections("tcp")
    return {c.laddr.ip.removeprefix("::ffff:") for c in mine if c.status == psutil.CONN_LISTEN and c.laddr.port == port}


@pytest.fixture
def unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrapped in this test is as before after it."""
    for module, name in (
        (replica, "add_port_to_grpc_server"),
        (replica, "start_asgi_http_server"),
        (proxy, "start_asgi_http_server"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("asked", "where"), [("1", {"127.0.0.1"}), ("0", {"::"})])
def test_the_port_between_replicas_is_on_loopback_where_that_is_asked_for(
    asked: str, where: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the function that Serve's replica calls, on a real server."""
    monkeypatch.setenv(ON_LOOPBACK, asked)
    assert stay_on_loopback() == stay_on_loopback() == (asked == "1")
    server = grpc.server(ThreadPoolExecutor(1))
    try:
        assert addresses_of(replica.add_port_to_grpc_server(server, "[::]:0")) == where
    finally:
        server.stop(None).wait()


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("haproxy", "where"), [(True, {"127.0.0.1"}), (False, {"0.0.0.0"})])
@pytest.mark.parametrize("module", [replica, proxy])
def test_a_port_behind_haproxy_is_on_loopback_whatever_the_service_listens_on(
    module: Any, haproxy: bool, where: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ON_LOOPBACK, "1")
    monkeypatch.setattr(constants, "RAY_SERVE_ENABLE_HA_PROXY", haproxy)
    assert stay_on_loopback()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        """Nobody asks it."""

    async def scenario() -> set[str]:
        loop, port = asyncio.get_running_loop(), free_port()
        options = HTTPOptions(host="0.0.0.0", port=port)
        task, server = await module.start_asgi_http_server(application, options, event_loop=loop)
        while not server.started:
            await asyncio.sleep(0.01)
        found = addresses_of(port)
        server.should_exit = True
        await task
        return found

    assert asyncio.run(scenario()) == where
