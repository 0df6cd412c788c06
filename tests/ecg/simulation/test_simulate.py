"""The truth of a simulated recording is in its samples."""

import numpy as np

import ecg


def test_the_same_seed_gives_the_same_samples() -> None:
    assert np.array_equal(ecg.simulate(seed=3).record.signal, ecg.simulate(seed=3).record.signal)
    assert not np.array_equal(ecg.simulate(seed=3).record.signal, ecg.simulate(seed=4).record.signal)


def test_the_signal_is_zero_outside_the_waves() -> None:
    simulation = ecg.simulate(ecg.Scenario(rr_sd_ms=0), seed=1)
    record, truth = simulation.record, simulation.truth
    t = np.arange(record.n_samples) / record.fs_hz
    first, last = truth.beats[0].qrs_on_s, truth.beats[-1].t_off_s
    assert last is not None
    inside = np.zeros(record.n_samples, dtype=bool)
    for beat in truth.beats:
        for on, off in (
            (beat.p_on_s, beat.p_off_s), (beat.qrs_on_s, beat.qrs_off_s), (beat.t_on_s, beat.t_off_s),
        ):  # fmt: skip
            assert on is not None
            assert off is not None
            inside |= (t > on) & (t < off)
    between = (t >= first) & (t <= last) & ~inside
    assert between.sum() > 1000
    assert np.abs(record.signal[:, between]).max() < 1e-6
    assert np.abs(record.signal[:, inside]).max(axis=0).min() > 0
