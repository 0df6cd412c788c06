"""Where the service of one machine listens: on loopback and nowhere else."""

import time
from contextlib import suppress

import httpx
import psutil

from tests.e2e.conftest import Deployed, launcher_of

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
LIMIT_S = 30


def listening(launcher: psutil.Process) -> dict[int, tuple[str, str]]:
    """Address and command by port, of every process of the service."""
    found = {}
    for process in [launcher, *launcher.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            name = " ".join(process.cmdline()[:3])
            for socket in process.net_connections("tcp"):
                if socket.status == psutil.CONN_LISTEN:
                    found[socket.laddr.port] = (socket.laddr.ip, name)
            assert [c for c in process.net_connections("udp") if c.laddr.ip not in LOOPBACK] == [], name
    return found


def test_every_listening_socket_is_on_loopback(service: httpx.Client, deployed: Deployed) -> None:
    launcher = launcher_of(deployed)
    deadline = time.monotonic() + LIMIT_S
    # Serve replaces HAProxy when a replica has come: the next one may begin while the processes are gone through.
    while service.base_url.port not in (found := listening(launcher)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert len(found) > 10  # Ray's state, raylet, agents, workers, replicas, HAProxy
    assert {port: where for port, where in found.items() if where[0] not in LOOPBACK} == {}
