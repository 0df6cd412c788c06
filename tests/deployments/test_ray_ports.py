"""What a node of Ray is told before it starts, so that it need not wait for its agents to say it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import ray._raylet as core
from ray._private.node import Node

from deployments.ray_ports import FILES, choose_ports_first


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
    assert all(1024 <= port <= 65535 for port in seen.values())


def test_another_ray_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(core, "METRICS_AGENT_PORT_NAME")
    before = Node.start_raylet
    assert not choose_ports_first()
    assert Node.start_raylet is before
