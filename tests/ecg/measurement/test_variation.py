"""Spreads over the beats are what was put into the beats."""

import numpy as np
import pytest

import ecg
from ecg.dsp import spread
from ecg.leads import STANDARD_LEADS
from ecg.measurement.variation import shifts, whole_beats
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate

AT = np.arange(200.0)
GAIN, LEVEL = np.array([1.0, -0.4, 2.5]), np.array([0.0, 3.0, -1.0])


def beat(first: float, second: float, gain: float = 1.0) -> np.ndarray:
    """Two waves in three leads, at 60 and 140 but for what each is late."""
    wave = np.exp(-(((AT - 60 - first) / 12) ** 2)) + 0.5 * np.exp(-(((AT - 140 - second) / 15) ** 2))
    return gain * GAIN[:, None] * wave + LEVEL[:, None]


@pytest.mark.parametrize("gain", [0.6, 1.0, 1.7])
def test_a_shift_is_found_whatever_the_height_and_level(gain: float) -> None:
    late = np.array([-1.2, -0.4, 0.0, 0.3, 1.2])
    beats = np.stack([beat(by, 0.0, gain) + number for number, by in enumerate(late)])
    # the method is of first order: at a tenth of the width of the wave it is off by a tenth
    np.testing.assert_allclose(shifts(beats, beat(0, 0), 35, 60), late, rtol=0.15, atol=1e-9)


def test_the_spread_of_an_interval_is_that_of_one_flank_against_the_other() -> None:
    away = np.random.default_rng(1).normal(0, 1.5, 400)
    beats = np.stack([beat(5.0, 5.0 + by) for by in away])
    first, second = (shifts(beats, beat(5.0, 5.0), *flank) for flank in ((40.0, 65.0), (145.0, 175.0)))
    assert spread(second - first) == pytest.approx(1.5, rel=0.1)  # 400 normal deviates give it within 6 %


def test_a_beat_that_the_recording_cuts_off_does_not_count() -> None:
    beats = np.stack([beat(0, 0)] * 4)
    beats[0, :, :20] = np.nan
    assert len(whole_beats(beats)) == 3
    assert len(whole_beats(beats[:3])) == 0


def test_an_amplitude_spreads_as_the_noise_does() -> None:
    record = simulate(Scenario(duration_s=60)).record
    noisy = record.signal + np.random.default_rng(2).normal(0, 0.03, record.signal.shape).astype(np.float32)
    measured = ecg.measure(EcgRecord(noisy, record.leads, record.fs_hz, record.unit))
    found = [getattr(measured.lead_amplitudes[lead], name).spread for lead in STANDARD_LEADS for name in ("st_60", "t")]
    assert np.median(found) == pytest.approx(0.03, rel=0.15)


def test_every_interval_axis_and_amplitude_of_a_long_recording_has_a_spread() -> None:
    measured = ecg.measure(simulate(Scenario(duration_s=20)).record)
    names = ("pr_interval", "p_duration", "qrs_duration", "qt_interval", "qtc_bazett", "qtc_hodges", "p_axis", "t_axis")
    assert all(getattr(measured, name).spread is not None for name in names)
    assert all(amplitudes.t.spread is not None for amplitudes in measured.lead_amplitudes.values())
