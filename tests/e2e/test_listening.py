"""Where the service of one machine listens: on loopback and nowhere else."""

from contextlib import suppress

import httpx
import psutil

from tests.e2e.conftest import Deployed, launcher_of

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_every_listening_socket_is_on_loopback(service: httpx.Client, deployed: Deployed) -> None:
    launcher = launcher_of(deployed)
    listening = {}
    for process in [launcher, *launcher.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            name = " ".join(process.cmdline()[:3])
            for socket in process.net_connections("tcp"):
                if socket.status == psutil.CONN_LISTEN:
                    listening[socket.laddr.port] = (socket.laddr.ip, name)
            assert [c for c in process.net_connections("udp") if c.laddr.ip not in LOOPBACK] == [], name
    assert service.base_url.port in listening
    assert len(listening) > 10  # Ray's state, raylet, agents, workers, replicas, HAProxy
    assert {port: found for port, found in listening.items() if found[0] not in LOOPBACK} == {}
