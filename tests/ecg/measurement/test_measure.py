"""`ecg.measure` on whatever a valid recording may hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ecg
from ecg.leads import STANDARD_LEADS
from ecg.measurement.intervals import Measurements
from ecg.pipeline import examine
from ecg.report.json_form import measurements_dict
from ecg.simulation import SCENARIOS, simulate
from ecg.values import Value


def gaussian(at: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((at - centre) / width) ** 2)


def synthetic(fs: float, seconds: float, rate: float = 72.0, noise: float = 0.01, leads: int = 1) -> np.ndarray:
    """Beats of three Gaussian waves, mV, [lead, sample]: R 1 mV, P 0.15 mV 160 ms before it, T 0.3 mV 280 ms after."""
    time = np.arange(int(fs * seconds)) / fs
    wave = np.zeros_like(time)
    for centre in np.arange(0.5, seconds - 0.3, 60 / rate):
        wave += gaussian(time, centre, 0.010) + 0.15 * gaussian(time, centre - 0.16, 0.02)
        wave += 0.3 * gaussian(time, centre + 0.28, 0.04)
    gains = np.linspace(1.0, 0.5, leads)[:, None]
    return (gains * wave + noise * np.random.default_rng(0).standard_normal((leads, len(time)))).astype(np.float32)


def values(measured: Measurements) -> dict[str, Value]:
    return {name: value for name, value in vars(measured).items() if isinstance(value, Value)}


@pytest.mark.parametrize("fs", [100.0, 128.0, 250.0, 333.3, 500.0, 1000.0, 4000.0])
def test_rate_is_right_at_any_sampling_rate_and_with_one_lead(fs: float) -> None:
    measured = ecg.measure(ecg.EcgRecord(synthetic(fs, 10), ("II",), fs, "mV"))
    assert measured.heart_rate.value == pytest.approx(72.0, abs=0.5)  # half the precision an intervals table prints
    r = measured.beats.r_samples / fs
    assert np.abs(r - (0.5 + np.arange(len(r)) / 1.2)).max() < 0.011  # within one sample at 100 Hz


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    kind=st.sampled_from(["noise", "flat", "nan", "steps", "impulse", "gaps"]),
    seconds=st.sampled_from([0.01, 0.5, 2.0, 10.0]),
    leads=st.integers(1, 12),
    fs=st.sampled_from([100.0, 257.3, 500.0, 1000.0]),
)
def test_whatever_the_samples_are_every_value_is_a_number_or_a_reason(
    seed: int, kind: str, seconds: float, leads: int, fs: float
) -> None:
    rng = np.random.default_rng(seed)
    n = max(1, int(seconds * fs))
    signal = rng.standard_normal((leads, n))
    if kind == "flat":
        signal[:] = 0.3
    elif kind == "nan":
        signal[:] = np.nan
    elif kind == "steps":
        signal = np.sign(signal).cumsum(axis=1)
    elif kind == "impulse":
        signal[:] = 0.0
        signal[:, n // 2] = 5.0
    elif kind == "gaps":
        signal[rng.random(signal.shape) < 0.1] = np.nan
    record = ecg.EcgRecord(signal.astype(np.float32), STANDARD_LEADS[:leads], fs, "mV")
    measured = ecg.measure(record)
    assert all((value.value is None) != (value.reason is None) for value in values(measured).values())
    assert np.all(np.diff(measured.beats.r_samples) > 0)
    assert np.all((measured.beats.r_samples >= 0) & (measured.beats.r_samples < n))


def test_without_a_unit_intervals_are_measured_and_amplitudes_are_not() -> None:
    signal = synthetic(500.0, 10)
    with_unit = ecg.measure(ecg.EcgRecord(signal, ("II",), 500.0, "mV"))
    without = ecg.measure(ecg.EcgRecord(signal, ("II",), 500.0, None))
    assert without.qrs_duration == with_unit.qrs_duration
    assert with_unit.lead_amplitudes["II"].r.value == pytest.approx(1.0, abs=0.05)
    assert without.lead_amplitudes["II"].r.value is None
    assert "unit" in (without.lead_amplitudes["II"].r.reason or "")


def test_two_beats_give_reasons_and_no_numbers() -> None:
    measured = ecg.measure(ecg.EcgRecord(synthetic(500.0, 1.6), ("II",), 500.0, "mV"))
    assert {name for name, value in values(measured).items() if value.value is not None} == set()


@pytest.mark.parametrize("name", ["sinus", "lbbb", "atrial_flutter", "ambulance", "paced", "pvc"])
def test_eight_leads_give_what_twelve_give(name: str) -> None:
    record = simulate(SCENARIOS[name], seed=1).record
    chosen = [record.leads.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
    eight = ecg.EcgRecord(record.signal[chosen], tuple(record.leads[row] for row in chosen), record.fs_hz, "mV")
    few, all_twelve = examine(eight), examine(eight.standard())
    assert measurements_dict(few.measurements) == measurements_dict(all_twelve.measurements)
    assert few.quality == all_twelve.quality
    assert few.findings == all_twelve.findings
    assert measurements_dict(ecg.measure(eight)) == measurements_dict(few.measurements)
    recorded = ecg.measure(record)  # the same but for the rounding of the four that were made
    for interval in ("pr_interval", "qrs_duration", "qt_interval", "qrs_axis"):
        made, told = (getattr(one, interval).value for one in (few.measurements, recorded))
        assert (made is None) == (told is None)
        assert made is None or made == pytest.approx(told, abs=0.5)
