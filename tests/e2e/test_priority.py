"""In the running service a model's passes give way, and nothing else does."""

import os
import sys
from pathlib import Path

import httpx
import pytest

from ecg.simulation import Scenario, simulate
from tests.deployments.niceness import of_process, of_this_thread
from tests.e2e.payloads import as_npy

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or of_this_thread() >= 5, reason="threads have a niceness of their own on Linux only"
)


def replica(name: str, data: Path) -> int:
    """Process id of a replica of the service whose data are in a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"ServeReplica:ecg:{name}".encode() not in (process / "cmdline").read_bytes():
                continue
            if f"ECG_DATA_DIR={data}".encode() in (process / "environ").read_bytes().split(b"\0"):
                return int(process.name)
        except OSError:
            continue
    pytest.fail(f"no replica of {name}")


def test_passes_give_way(service: httpx.Client, launcher_log: Path) -> None:
    assert service.post("/analyze", **as_npy(simulate(Scenario()).record)).status_code == 200
    data, usual = launcher_log.parent / "data", os.getpriority(os.PRIO_PROCESS, 0)
    for name in ("ClinicalModel", "FeatureModel"):
        pid = replica(name, data)
        threads = of_process(pid)
        assert threads.pop(pid) == usual
        assert 5 in threads.values()
    for name in ("Ingress", "Measure", "Inbox"):
        assert set(of_process(replica(name, data)).values()) == {usual}
