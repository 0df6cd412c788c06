"""The truth of a simulated recording is in its samples."""

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ecg
from ecg.errors import InvalidScenario
from ecg.simulation import SCENARIOS, Artefact, Scenario, shapes, simulate
from ecg.simulation.scenario import ArtefactKind
from ecg.simulation.shapes import QRS_SHAPES

FAR_BELOW_A_MICROVOLT = 1e-6  # mV; float32 rounding of sums of millivolts
STEP_MV = 2e-3  # the signal has left zero by 2 µV within this share of a wave from its end; T waves rise very slowly
WITHIN = {"qrs on": 0.07, "qrs off": 0.05, "t on": 0.2, "t off": 0.05}
# Half of what is seen in the middle of LUDB's recordings, and twice it, this share of the length inside the marks of
# decision 4 (8 ms inside the second-earliest onset, 6 ms inside the second-latest offset), as a share of the height.
AROUND_MARKS = {
    ("qrs", 0.1): (0.016, 0.09),
    ("qrs", 0.2): (0.055, 0.22),
    ("qrs", 0.9): (0.023, 0.092),
    ("qrs", 0.8): (0.07, 0.28),
    ("t", 0.9): (0.06, 0.24),
}


def scenarios() -> st.SearchStrategy[Scenario]:
    def build(rate: float, pr: float, qrs: float, shape: str, axis: float, fs: float) -> Scenario:
        longest = 60e3 / rate
        qt = min(max(0.42 * longest**0.5 * 1e3**0.5, 280.0, qrs + 130), 600.0, longest - 20)
        return Scenario(
            heart_rate_bpm=rate,
            rr_sd_ms=0,
            pr_ms=pr,
            qrs_ms=min(qrs, qt - 120),
            qt_ms=qt,
            shape=shape,
            qrs_axis_deg=axis,
            fs_hz=fs,
        )

    return st.builds(
        build,
        st.floats(30, 200),
        st.floats(80, 320),
        st.floats(60, 200),
        st.sampled_from(sorted(QRS_SHAPES)),
        st.floats(-180, 180),
        st.sampled_from([100.0, 250.0, 500.0, 1000.0]),
    )


def test_the_same_seed_gives_the_same_samples() -> None:
    noisy = SCENARIOS["ambulance"]
    assert np.array_equal(simulate(noisy, 3).record.signal, simulate(noisy, 3).record.signal)
    assert simulate(noisy, 3).truth == simulate(noisy, 3).truth
    assert not np.array_equal(simulate(noisy, 3).record.signal, simulate(noisy, 4).record.signal)


@settings(max_examples=40, deadline=None)
@given(scenario=scenarios(), seed=st.integers(0, 1000))
def test_truth_and_physics_hold_for_any_parameters(scenario: Scenario, seed: int) -> None:
    record, truth = simulate(scenario, seed).record, simulate(scenario, seed).truth
    assert record.signal.shape == (12, round(scenario.duration_s * scenario.fs_hz))
    i, ii, iii, avr, avl, avf = record.signal[:6].astype(np.float64)
    assert np.abs(i + iii - ii).max() < FAR_BELOW_A_MICROVOLT
    assert np.abs(avr + avl + avf).max() < FAR_BELOW_A_MICROVOLT
    assert np.abs(avf - (ii + iii) / 2).max() < FAR_BELOW_A_MICROVOLT
    assert truth.pr_ms == pytest.approx(scenario.pr_ms)
    assert truth.qrs_ms == pytest.approx(scenario.qrs_ms)
    assert truth.qt_ms == pytest.approx(scenario.qt_ms)
    assert truth.heart_rate_bpm == pytest.approx(scenario.heart_rate_bpm)
    assert scenario.qrs_axis_deg is not None
    turn = (truth.qrs_axis_deg - scenario.qrs_axis_deg + 180) % 360 - 180
    assert abs(turn) < 1e-6
    for beat in truth.beats:
        assert beat.p_on_s is not None
        assert beat.t_off_s is not None
        assert beat.p_on_s < beat.qrs_on_s < beat.r_s < beat.qrs_off_s < beat.t_off_s


def test_the_signal_is_zero_outside_the_waves_and_only_there() -> None:
    simulation = simulate(Scenario(rr_sd_ms=0), seed=1)
    record, truth = simulation.record, simulation.truth
    t = np.arange(record.n_samples) / record.fs_hz
    inside = np.zeros(record.n_samples, dtype=bool)
    for beat in truth.beats:
        for on, off in (
            (beat.p_on_s, beat.p_off_s),
            (beat.qrs_on_s, beat.qrs_off_s),
            (beat.t_on_s, beat.t_off_s),
        ):
            assert on is not None
            assert off is not None
            inside |= (t > on) & (t < off)
    last = truth.beats[-1].t_off_s
    assert last is not None
    between = (t >= truth.beats[0].qrs_on_s) & (t <= last) & ~inside
    assert between.sum() > 1000
    assert np.abs(record.signal[:, between]).max() == 0
    assert np.abs(record.signal[:, inside]).max(axis=0).min() > 0


@pytest.mark.parametrize("name", ["sinus", "lbbb", "rbbb", "preexcitation", "biphasic_t", "pvc", "wenckebach", "paced"])
def test_marks_are_where_the_signal_leaves_and_reaches_zero(name: str) -> None:
    scenario = replace(SCENARIOS[name], rr_sd_ms=0, fs_hz=1000, heart_rate_bpm=58)
    simulation = simulate(scenario, seed=2)
    size = np.abs(simulation.record.signal).max(axis=0)
    checked = 0
    for beat in simulation.truth.beats[1:-1]:
        assert beat.t_on_s is not None
        assert beat.t_off_s is not None
        for wave, on, off in (("qrs", beat.qrs_on_s, beat.qrs_off_s), ("t", beat.t_on_s, beat.t_off_s)):
            seen = np.flatnonzero(size[round(on * 1000) : round(off * 1000) + 1] > STEP_MV)
            length = 1e3 * (off - on)
            assert seen[0] <= 1 + WITHIN[f"{wave} on"] * length
            assert seen[-1] >= length - 2 - WITHIN[f"{wave} off"] * length
            checked += 1
    assert checked >= 8


@pytest.mark.parametrize("shape", ["normal", "monophasic", "notched", "lafb", "lpfb", "inferior_q", "anterior_q"])
def test_waves_grow_and_fade_as_they_do_around_cardiologists_marks(shape: str) -> None:
    simulation = simulate(Scenario(shape=shape, rr_sd_ms=0, fs_hz=1000, heart_rate_bpm=58))
    beat = simulation.truth.beats[2]
    for (wave, share), (low, high) in AROUND_MARKS.items():
        on, off = (beat.qrs_on_s, beat.qrs_off_s) if wave == "qrs" else (beat.t_on_s, beat.t_off_s)
        assert on is not None
        assert off is not None
        span = simulation.record.signal[:, round(1e3 * on) : round(1e3 * off) + 1].astype(np.float64)
        height = np.sqrt((np.ptp(span, axis=1) ** 2).mean())
        here = np.sqrt((span[:, round(share * (span.shape[1] - 1))] ** 2).mean())
        assert low <= here / height <= high, (wave, share)


def test_the_axis_is_in_the_leads() -> None:
    for axis in (-150, -60, 0, 45, 90, 170):
        simulation = simulate(Scenario(qrs_axis_deg=axis, rr_sd_ms=0, t_shape="flat"), seed=0)
        beat = simulation.truth.beats[3]
        qrs = slice(round(beat.qrs_on_s * 500), round(beat.qrs_off_s * 500) + 1)
        area_i, area_avf = (simulation.record.lead(lead)[qrs].sum() for lead in ("I", "aVF"))
        measured = np.degrees(np.arctan2(2 / np.sqrt(3) * area_avf, area_i))
        assert abs((measured - axis + 180) % 360 - 180) < 0.5  # 46 samples of the area


def test_marks_in_a_lead_lie_within_those_over_all_leads() -> None:
    truth = simulate(SCENARIOS["rbbb"]).truth
    for lead in ("I", "III", "V1", "V6"):
        for beat, seen in zip(truth.beats, truth.lead_marks(lead), strict=True):
            assert seen is not None
            assert beat.qrs_on_s <= seen.qrs_on_s < seen.qrs_off_s <= beat.qrs_off_s


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_named_scenario_is_a_recording_and_its_truth_is_json(name: str) -> None:
    simulation = simulate(SCENARIOS[name], seed=5)
    assert 0.4 < np.nanmax(np.abs(simulation.record.signal)) < 6  # mV
    assert len(simulation.truth.beats) >= 4
    assert json.loads(json.dumps(simulation.truth.to_dict()))["scenario"]["rhythm"] == SCENARIOS[name].rhythm


def test_rhythms_are_what_they_are_called() -> None:
    af = np.diff([beat.r_s for beat in simulate(SCENARIOS["atrial_fibrillation"]).truth.beats])
    assert af.std() / af.mean() > 0.1
    assert simulate(SCENARIOS["atrial_fibrillation"]).truth.pr_ms is None
    wenckebach = simulate(SCENARIOS["wenckebach"]).truth
    prs = [beat.qrs_on_s - beat.p_on_s for beat in wenckebach.beats if beat.p_on_s is not None]
    assert max(prs) - min(prs) > 0.06
    assert len(wenckebach.lone_p_s) >= 2
    block = simulate(SCENARIOS["av_block_3"]).truth
    assert block.pr_ms is None
    assert len(block.lone_p_s) > len(block.beats)
    bigeminy = simulate(SCENARIOS["bigeminy"]).truth
    assert {beat.kind for beat in bigeminy.beats} == {"N", "V"}
    assert (bigeminy.pr_ms, bigeminy.qrs_ms) == (160, 92)  # those of the sinus beats
    paced = simulate(SCENARIOS["paced_dual"]).truth
    assert len(paced.spikes_s) >= 2 * len(paced.beats) - 1


def test_a_reversal_exchanges_leads_and_nothing_else() -> None:
    true = simulate(SCENARIOS["sinus"]).record
    swapped = simulate(SCENARIOS["reversal_la_ra"]).record
    assert np.allclose(swapped.lead("I"), -true.lead("I"), atol=FAR_BELOW_A_MICROVOLT)
    assert np.allclose(swapped.lead("II"), true.lead("III"), atol=FAR_BELOW_A_MICROVOLT)
    assert np.allclose(swapped.lead("aVR"), true.lead("aVL"), atol=FAR_BELOW_A_MICROVOLT)
    assert np.allclose(swapped.lead("V2"), true.lead("V2"), atol=FAR_BELOW_A_MICROVOLT)


def test_an_artefact_acts_where_and_when_it_is_told() -> None:
    clean = simulate(SCENARIOS["sinus"]).record.signal
    noisy = simulate(Scenario(artefacts=(Artefact("muscle", 0.1, "V3", 2.0, 4.0),))).record.signal
    changed = np.abs(noisy - clean).max(axis=1) > 0.01
    assert np.flatnonzero(changed).tolist() == [8]
    assert np.array_equal(noisy[8, :1000], clean[8, :1000])
    gaps = np.isnan(simulate(SCENARIOS["missing_samples"]).record.signal)
    assert gaps[7].sum() == 750
    assert gaps.sum() == 750


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(get_args(ArtefactKind)),
    level=st.floats(0.001, 5.0),
    start=st.floats(0.0, 12.0),
    length=st.floats(0.001, 12.0),
    fs=st.sampled_from([100.0, 500.0, 4000.0]),
)
@example(kind="muscle", level=0.01, start=0.0, length=0.008, fs=100.0)  # a single sample
def test_any_artefact_at_any_time_leaves_einthovens_law(
    kind: ArtefactKind, level: float, start: float, length: float, fs: float
) -> None:
    artefact = Artefact(kind, level, "LA/RA" if kind == "reversal" else None, start, start + length)
    signal = simulate(Scenario(artefacts=(artefact,), duration_s=6, fs_hz=fs)).record.signal.astype(np.float64)
    assert np.nanmax(np.abs(signal), initial=0) < 10 + 20 * level  # mV: its waves, and twenty deviations of noise
    assert np.nanmax(np.abs(signal[0] + signal[2] - signal[1]), initial=0) < FAR_BELOW_A_MICROVOLT * max(1.0, level)


def test_the_longest_recording_is_made() -> None:
    record = simulate(Scenario(duration_s=3600, fs_hz=100)).record
    assert record.signal.shape == (12, 360_000)
    assert np.abs(record.signal[:, -500:]).max() > 0.5


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"heart_rate_bpm": 900.0}, "heart_rate_bpm"),
        ({"shape": "odd"}, "shape"),
        ({"rhythm": "rumba"}, "rhythm"),
        ({"qt_ms": 600.0, "heart_rate_bpm": 120.0}, "qt_ms"),
        ({"qrs_ms": 200.0, "qt_ms": 300.0}, "qt_ms"),
        ({"p_ms": 160.0, "pr_ms": 100.0}, "p_ms"),
        ({"fs_hz": 50.0}, "fs_hz"),
        ({"duration_s": 1.0}, "duration_s"),
        ({"pr_ms": float("nan")}, "pr_ms"),
    ],
)
def test_an_impossible_scenario_is_refused_by_name(change: dict[str, float], field: str) -> None:
    with pytest.raises(InvalidScenario) as caught:
        Scenario(**change)  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize("arguments", [("hum",), ("muscle", -1.0), ("reversal", 0.1, "V2"), ("muscle", 0.1, "V9")])
def test_an_impossible_artefact_is_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(InvalidScenario):
        Artefact(*arguments)  # type: ignore[arg-type]


def test_the_public_function_is_not_hidden_by_its_package() -> None:
    assert ecg.simulate is simulate
    assert shapes.electrode_matrix().shape == (9, 3)
