"""Fixtures every test may use."""

from pathlib import Path

import numpy as np
import pytest

from ecg.leads import STANDARD_LEADS
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
