"""In the running service a model's passes give way, and nothing else does."""

import os
from pathlib import Path

import httpx
import psutil
import pytest

from ecg.simulation import Scenario, simulate
from tests.deployments.niceness import needs_niceness, of_process
from tests.e2e.payloads import as_npy

pytestmark = needs_niceness


def replica(name: str, data: Path) -> int:
    """Process id of a replica of the service whose data are in a folder."""
    for process in psutil.process_iter(["cmdline", "environ"]):
        named = any(f"ServeReplica:ecg:{name}" in word for word in process.info["cmdline"] or ())
        if named and (process.info["environ"] or {}).get("ECG_DATA_DIR") == str(data):
            return process.pid
    pytest.fail(f"no replica of {name}")


def test_passes_give_way(service: httpx.Client, launcher_log: Path) -> None:
    assert service.post("/analyze", **as_npy(simulate(Scenario()).record)).status_code == 200
    assert service.get("/data/v1/stats").status_code == 200  # begins the inbox
    data, usual = launcher_log.parent / "data", os.getpriority(os.PRIO_PROCESS, 0)
    for name in ("ClinicalModel", "FeatureModel"):
        pid = replica(name, data)
        threads = of_process(pid)
        assert threads.pop(pid) == usual
        assert 5 in threads.values()
    for name in ("Ingress", "Inbox"):
        assert set(of_process(replica(name, data)).values()) == {usual}
