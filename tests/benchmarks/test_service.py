"""What benchmarks and tests start their servers with."""

from pathlib import Path

import pytest

from benchmarks.service import OF_SERVERS, free_port


def test_no_connection_that_begins_is_given_a_servers_port() -> None:
    """Between the choice of a port and its server the test's own connections begin, and one had taken it."""
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    if first < OF_SERVERS.stop:
        pytest.skip("this machine gives connections other ports than Linux does by itself")
    assert not any(first <= free_port() <= last for _ in range(100))
