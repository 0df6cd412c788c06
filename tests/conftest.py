"""Fixtures every test may use."""

from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from ecg.leads import STANDARD_LEADS
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate

# Two workers with two threads each would wait for one another in every small product of matrices.
threadpoolctl.threadpool_limits(1, "blas")

SHARED = Path(__file__).resolve().parents[2] / "shared"


#: Tests that start services, clusters, buses and databases, or kill them: each wants the processors for itself, so
#: they run one after the other (mark "processes"). `make quick` leaves them out.
PROCESSES = """
    cardioai/test_bus.py cardioai/test_firehose.py cardioai/test_relay.py
    deployments/test_batch_job.py deployments/test_batch_public.py deployments/test_batch_ray.py
    deployments/test_batch_stages.py
    deployments/test_graph_local.py deployments/test_priority.py deployments/test_reconfigure.py
    deployments/test_third_model.py
    e2e inbox monitoring
    serve_app/test_haproxy.py serve_app/test_launcher.py serve_app/test_bulk.py serve_app/test_keeper.py
    serve_app/test_fuzz.py serve_app/test_injection.py serve_app/test_limits.py serve_app/test_smuggling.py
"""
#: What it leaves out beside them: whole sets of recordings, hostile files by the hundred, compiled
#: networks, pages rendered to pixels.
SLOW = """
    benchmarks golden k8s training
    ecg/cli/test_convert.py ecg/cli/test_recordings.py ecg/cli/test_report.py
    ecg/findings/test_find_shared.py ecg/findings/test_statements.py
    ecg/formats/test_canary.py ecg/formats/test_hostile.py ecg/formats/test_mutations.py
    ecg/measurement/test_kinds.py ecg/measurement/test_known_truth.py ecg/measurement/test_measure_shared.py
    ecg/models
    ecg/quality/test_assess.py ecg/quality/test_quality_shared.py
    ecg/report/test_fhir_shared.py ecg/report/test_forms.py ecg/report/test_notebook.py
    test_examples.py test_readme.py
"""
TESTS = Path(__file__).resolve().parent


def _stands_in(path: Path, places: str) -> bool:
    return path.is_relative_to(TESTS) and path.relative_to(TESTS).as_posix().startswith(tuple(places.split()))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what the marks leave out: a worker would spend seconds on it."""
    left_out = {"not slow": PROCESSES + SLOW, "not processes": PROCESSES}.get(config.option.markexpr)
    return True if left_out is not None and _stands_in(collection_path, left_out) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests, and those of them that start processes."""
    for item in items:
        if _stands_in(item.path, PROCESSES + SLOW):
            item.add_marker(pytest.mark.slow)
        if _stands_in(item.path, PROCESSES):
            item.add_marker(pytest.mark.processes)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared recordings and goldens beside the repository; the test is skipped when it is absent."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not there")
    return SHARED


@pytest.fixture(scope="session")
def sinus() -> EcgRecord:
    """Ten seconds of simulated sinus rhythm, 12 leads at 500 Hz, in mV."""
    return simulate(Scenario(duration_s=10, fs_hz=500)).record


def noise_record(fs_hz: float = 500.0, seconds: float = 10.0, seed: int = 0) -> EcgRecord:
    """Twelve leads of noise."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((12, int(fs_hz * seconds))).astype(np.float32)
    return EcgRecord(signal, STANDARD_LEADS, fs_hz, "mV")
