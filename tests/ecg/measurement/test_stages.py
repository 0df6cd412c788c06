"""Single steps of a measurement: which beats are found at any scale, how they are cut out, and what stands still."""

import numpy as np
import pytest

from ecg.leads import STANDARD_LEADS
from ecg.measurement.condition import condition, frozen
from ecg.measurement.detect import detect_qrs
from ecg.measurement.median import AFTER, BEFORE, stack_beats
from ecg.measurement.pacing import remove_spikes
from ecg.record import EcgRecord
from ecg.simulation import SCENARIOS, simulate


@pytest.fixture(scope="module")
def record() -> EcgRecord:
    return simulate(SCENARIOS["sinus"]).record


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e200])
def test_beats_are_found_at_any_scale(record: EcgRecord, scale: float) -> None:
    signal = condition(record).signal
    found = detect_qrs(signal)
    assert len(found) >= 8
    np.testing.assert_array_equal(detect_qrs(signal * scale), found)


def test_beats_at_the_ends_are_cut_out_with_what_there_is() -> None:
    signal = np.arange(2 * 1000.0).reshape(2, 1000)
    first, middle, last = stack_beats(signal, np.array([10, 400, 990]))
    np.testing.assert_array_equal(middle, signal[:, 400 - BEFORE : 400 + AFTER])
    assert np.isnan(first[:, : BEFORE - 10]).all()
    np.testing.assert_array_equal(first[:, BEFORE - 10 :], signal[:, : 10 + AFTER])
    assert np.isnan(last[:, BEFORE + 10 :]).all()
    np.testing.assert_array_equal(last[:, : BEFORE + 10], signal[:, 990 - BEFORE :])
    assert stack_beats(signal, np.zeros(0, dtype=np.int64)).shape == (0, 2, BEFORE + AFTER)


def test_what_stands_still_is_found_once_for_each_record() -> None:
    signal = np.random.default_rng(0).normal(size=(12, 5000))
    moving = EcgRecord.from_array(signal, 500.0, STANDARD_LEADS, "mV")
    signal[:, 2000:4000] = signal[:, 2000, None]
    stopped = EcgRecord.from_array(signal, 500.0, STANDARD_LEADS, "mV")
    (stretch,) = frozen(stopped)
    np.testing.assert_array_equal(stretch, [2000, 3999])
    assert frozen(stopped) is frozen(stopped)
    with pytest.raises(ValueError, match="read-only"):
        frozen(stopped)[:] = 0.0
    assert len(frozen(moving)) == 0


def test_a_spike_at_either_end_is_bridged_with_what_there_is() -> None:
    signal = np.zeros((2, 200))
    signal[:, [2, 198]] = 5.0
    remove_spikes(signal, np.array([1, 197]), 1)
    np.testing.assert_array_equal(signal, np.zeros((2, 200)))
