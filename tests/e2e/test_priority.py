"""In the running service a model's passes give way, and nothing else does."""

import os
from pathlib import Path

import httpx
import pytest

from ecg.simulation import Scenario, simulate
from tests.deployments.niceness import needs_niceness, of_process
from tests.e2e.payloads import as_npy

pytestmark = needs_niceness


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
