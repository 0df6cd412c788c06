"""What Ray starts and nobody asks is left out, and only where Ray is built as expected."""

from types import SimpleNamespace

import pytest
from ray._private.node import Node

from deployments.ray_processes import API_SERVER, LOG_MONITOR, MONITOR, leave_out


def test_the_head_of_a_cluster_starts_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (MONITOR, API_SERVER):
        monkeypatch.setattr(Node, name, getattr(Node, name))  # put back afterwards
    assert leave_out(MONITOR, API_SERVER)
    started: list[str] = []
    node = SimpleNamespace(
        _logs_dir="",
        _gcs_address=None,
        _gcs_client=None,
        _ray_params=SimpleNamespace(no_monitor=False, ray_client_server_port=None, include_dashboard=False),
        start_gcs_server=lambda: started.append("gcs"),
        get_gcs_client=lambda: "client",
        _write_cluster_info_to_kv=lambda: started.append("cluster info"),
    )
    node.start_monitor = lambda: Node.start_monitor(node)
    node.start_api_server = lambda **options: Node.start_api_server(node, **options)
    Node.start_head_processes(node)  # without its place in a session either of the two would fail here
    assert started == ["gcs", "cluster info"]


def test_another_ray_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Node.start_api_server
    monkeypatch.delattr(Node, "start_monitor")
    assert not leave_out(API_SERVER, MONITOR)
    assert Node.start_api_server is before


def test_a_node_starts_without_its_log_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Node, LOG_MONITOR, getattr(Node, LOG_MONITOR))  # put back afterwards
    assert leave_out(LOG_MONITOR)
    node = SimpleNamespace()  # without a session a start would fail here
    Node.start_log_monitor(node)
    assert vars(node) == {}
