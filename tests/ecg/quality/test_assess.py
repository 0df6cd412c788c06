"""Each cause is found where it was made, and nowhere else."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import sawtooth, square

import ecg
from ecg.measurement.condition import frozen
from ecg.pipeline import examine
from ecg.quality import GRADES, Quality, assess_quality
from ecg.quality.beat_check import view_beats
from ecg.quality.figures import measure_figures
from ecg.quality.limits import BEAT_CHECK
from ecg.record import EcgRecord
from ecg.report import Analysis, Report
from ecg.simulation import SCENARIOS, Artefact, Scenario, simulate

CLEAN = (
    "sinus",
    "sinus_tachycardia",
    "long_qt",
    "lbbb",
    "rbbb",
    "lafb",
    "preexcitation",
    "pvc",
    "atrial_flutter",
    "atrial_fibrillation",
    "av_block_1",
    "wenckebach",
    "av_block_3",
    "ventricular_tachycardia",
    "low_voltage",
    "sinus_bradycardia",
    "inferior_q",
    "anterior_q",
    "st_elevation_anterior",
)


def codes(quality: Quality, lead: str | None) -> set[str]:
    return {cause.code for cause in quality.causes if cause.lead == lead}


@pytest.mark.parametrize("name", CLEAN)
@pytest.mark.parametrize("fs_hz", [100.0, 500.0])
def test_a_clean_recording_is_not_faulted(name: str, fs_hz: float) -> None:
    quality = assess_quality(simulate(replace(SCENARIOS[name], fs_hz=fs_hz), seed=1).record)
    assert quality.grade in ("Excellent", "Good"), quality.causes
    assert quality.acceptable
    assert quality.lead_reversal is None
    minor = {"no_qrs", "muscle_noise", "beat_detectors_disagree", "baseline_wander"}  # ST shift moves the level
    assert {cause.code for cause in quality.causes} <= minor


@pytest.mark.parametrize(
    ("artefact", "lead", "code"),
    [
        (Artefact("baseline", 1.5, "V2"), "V2", "baseline_wander"),
        (Artefact("mains50", 0.4, "V2"), "V2", "mains"),
        (Artefact("mains60", 0.4, "V2"), "V2", "mains"),
        (Artefact("muscle", 0.15, "V2"), "V2", "muscle_noise"),
        (Artefact("motion", 4.0, "V2", 4.0, 7.0), "V2", "motion"),
        (Artefact("spikes", 2.0, "V2"), "V2", "spikes"),
        (Artefact("lead_off", at="V2"), "V2", "flat"),
        (Artefact("lead_off", at="RA"), "II", "flat"),
        (Artefact("clip", 0.5, "V2"), "V2", "clipped"),
        (Artefact("missing", at="V2", end_s=1.0), "V2", "missing_samples"),
        (Artefact("muscle", 3.0, "V2"), "V2", "no_qrs"),
    ],
)
def test_an_artefact_is_named_in_its_lead_only(artefact: Artefact, lead: str, code: str) -> None:
    quality = assess_quality(simulate(Scenario(artefacts=(artefact,)), seed=4).record)
    assert code in codes(quality, lead)
    grades = {found.lead: found.grade for found in quality.per_lead}
    assert GRADES.index(grades[lead]) > 0
    assert all(cause.grade == "Good" for cause in quality.causes if cause.lead == "V6")


def test_a_lead_at_the_rail_is_saturated_and_makes_the_recording_poor() -> None:
    record = simulate().record
    signal = record.signal.copy()
    signal[10, 1000:1300] = 80.0
    quality = assess_quality(EcgRecord(signal, record.leads, record.fs_hz, "mV"))
    assert "saturated" in codes(quality, "V5")
    assert "outlying" in codes(quality, "V5")
    assert quality.grade == "Poor"
    assert not quality.acceptable


def test_limb_leads_that_break_einthovens_law_are_found() -> None:
    record = simulate(SCENARIOS["left_axis"]).record
    signal = record.signal.copy()
    signal[[3, 4]] = signal[[4, 3]]  # aVR and aVL under each other's name
    quality = assess_quality(EcgRecord(signal, record.leads, record.fs_hz, "mV"))
    assert "limb_leads_inconsistent" in codes(quality, None)


def test_noise_alone_is_poor() -> None:
    noise = np.random.default_rng(1).standard_normal((12, 5000)).astype(np.float32)
    quality = assess_quality(EcgRecord(noise, simulate().record.leads, 500.0, "mV"))
    assert quality.grade == "Poor"


def test_pacing_spikes_are_not_artefacts() -> None:
    for name in ("paced", "paced_dual"):
        quality = assess_quality(simulate(SCENARIOS[name], seed=2).record)
        assert "spikes" not in {cause.code for cause in quality.causes}


def test_the_scale_does_not_matter() -> None:
    record = simulate(SCENARIOS["ambulance"], seed=3).record
    counts = EcgRecord(record.signal * np.float32(256), record.leads, record.fs_hz, None)
    assert assess_quality(counts) == assess_quality(record)


@pytest.mark.parametrize("name", ["LA/RA", "RA/LL", "LA/LL"])
def test_a_limb_lead_reversal_is_named(name: str) -> None:
    named = 0  # LA/LL, which turns the axes of the simulator's waves about the axis they have, is only called possible
    for shape in ("sinus", "lafb", "rbbb", "right_axis", "inferior_q", "av_block_1"):
        swapped = replace(SCENARIOS[shape], artefacts=(Artefact("reversal", at=name),))
        quality = assess_quality(simulate(swapped, seed=1).record)
        said = (quality.lead_reversal, quality.possible_reversal) if name == "LA/LL" else (quality.lead_reversal,)
        named += name in said and "limb_lead_reversal" in codes(quality, name)
        assert quality.grade != "Excellent" or quality.lead_reversal is None
    assert named >= 5


@pytest.mark.parametrize(("of_the_qrs", "acceptable"), [(0.12, True), (0.5, False)])
def test_a_small_qrs_is_read_through_mains_until_mains_drowns_it(of_the_qrs: float, acceptable: bool) -> None:
    record = simulate().record
    signal, row = record.signal.copy(), record.leads.index("V2")
    height = np.median(np.ptp(signal.reshape(12, 10, 500), axis=2))
    mains = np.sin(2 * np.pi * 50.05 * np.arange(record.n_samples) / record.fs_hz)
    signal[row] = 0.15 * signal[row] / np.ptp(signal[row]) * height + of_the_qrs * height * mains
    quality = assess_quality(EcgRecord(signal.astype(np.float32), record.leads, record.fs_hz, "mV"))
    assert quality.acceptable == acceptable, quality.causes
    assert "mains" in codes(quality, "V2")
    assert "no_qrs" not in codes(quality, "V2") or not acceptable


@pytest.mark.parametrize("name", ["V1/V2", "V1/V3", "V2/V3", "V3/V4", "V1/V6"])
def test_exchanged_precordial_leads_are_named(name: str) -> None:
    quality = assess_quality(simulate(Scenario(artefacts=(Artefact("reversal", at=name),))).record)
    assert quality.lead_reversal == name
    assert "precordial_order" in codes(quality, name)


def test_given_beats_are_held_against_the_own_detector() -> None:
    record = simulate().record
    measured = ecg.measure(record)
    assert assess_quality(record, measured) == assess_quality(record)
    few = replace(measured, beats=replace(measured.beats, r_samples=measured.beats.r_samples[:4]))
    assert "beat_detectors_disagree" in codes(assess_quality(record, few), None)
    none = replace(measured, beats=replace(measured.beats, r_samples=measured.beats.r_samples[:0]))
    assert assess_quality(record, none).grade == "Poor"


def test_both_detectors_find_the_simulated_beats() -> None:
    simulation = simulate(SCENARIOS["atrial_fibrillation"], seed=8)
    beats = ecg.measure(simulation.record).beats.r_samples
    view = view_beats(np.ascontiguousarray(simulation.record.signal[:, ::2]), 250.0, beats // 2)
    truth = np.array([beat.r_s for beat in simulation.truth.beats])
    inner = truth[(truth > 0.3) & (truth < 9.7)]
    assert view.agreement == 1.0
    assert np.abs(inner[:, None] - view.peaks / 250.0).min(axis=1).max() < BEAT_CHECK.match_s


def test_an_hour_is_graded_like_its_ten_seconds() -> None:
    quality = assess_quality(simulate(Scenario(duration_s=1200, fs_hz=125)).record)
    assert quality.grade in ("Excellent", "Good")


@settings(max_examples=60, deadline=None)
@given(
    leads=st.integers(1, 15),
    samples=st.integers(1, 3000),
    fs_hz=st.sampled_from([100.0, 128.0, 333.3, 500.0, 4000.0]),
    kind=st.sampled_from(["noise", "zero", "nan", "step", "huge"]),
    unit=st.sampled_from(["mV", None]),
    seed=st.integers(0, 99),
)
def test_no_valid_record_raises(leads: int, samples: int, fs_hz: float, kind: str, unit: str | None, seed: int) -> None:
    signal = np.random.default_rng(seed).standard_normal((leads, samples)).astype(np.float32)
    if kind == "zero":
        signal[:] = 0
    elif kind == "nan":
        signal[0] = np.nan
        signal[-1, samples // 2 :] = np.nan
    elif kind == "step":
        signal = np.sign(signal).cumsum(axis=1).astype(np.float32)
    elif kind == "huge":
        signal *= np.float32(1e30)
    quality = assess_quality(EcgRecord(signal, tuple(f"X{n}" for n in range(leads)), fs_hz, unit))
    assert len(quality.per_lead) == leads
    assert quality.acceptable == (quality.grade != "Poor")
    assert json.loads(json.dumps(quality.to_dict()))["grade"] == quality.grade


def test_a_single_lead_is_graded() -> None:
    record = simulate().record
    one = EcgRecord(record.signal[1:2], ("II",), record.fs_hz, "mV")
    assert assess_quality(one).grade == "Excellent"
    assert ecg.assess_quality is assess_quality


@pytest.mark.parametrize(("factor", "plausible"), [(1000, False), (0.001, False), (1, True), (5, True)])
def test_a_qrs_of_a_size_no_ecg_has_is_faulted_when_the_unit_is_mv(factor: float, plausible: bool) -> None:
    record = simulate(SCENARIOS["sinus"], seed=1).record
    for unit in ("mV", None):
        scaled = EcgRecord(record.signal * np.float32(factor), record.leads, record.fs_hz, unit)
        quality = assess_quality(scaled)
        if plausible or unit is None:
            assert quality == assess_quality(record)
        else:
            assert "implausible_amplitude" in codes(quality, None)
            assert quality.grade == "Fair"


def test_twelve_copies_of_one_lead_are_not_twelve_leads() -> None:
    record = simulate(SCENARIOS["sinus"], seed=1).record
    copies = EcgRecord(np.tile(record.signal[1], (12, 1)), record.leads, record.fs_hz, "mV")
    quality = assess_quality(copies)
    assert "limb_leads_inconsistent" in codes(quality, None)
    assert GRADES.index(quality.grade) >= GRADES.index("Fair")


@pytest.mark.parametrize("seconds", [2.0, 2.4, 10.0])
def test_fewer_than_three_beats_are_not_acceptable(seconds: float) -> None:
    record = simulate(Scenario(heart_rate_bpm=50)).record
    short = EcgRecord(record.signal[:, : round(seconds * 500)].copy(), record.leads, 500.0, "mV")
    measured = ecg.measure(short)
    quality = assess_quality(short, measured)
    assert (len(measured.beats.r_samples) >= 3) == (seconds == 10.0)
    assert ("too_few_beats" in codes(quality, None)) == (seconds < 10.0)
    assert quality.acceptable == (seconds == 10.0)


def test_a_suspected_limb_reversal_leaves_the_axis_undecided_with_a_warning() -> None:
    scenario = Scenario(artefacts=(Artefact("reversal", at="LA/RA"),))
    for made, suspected in ((scenario, True), (Scenario(), False)):
        record = simulate(made, seed=1).record
        found = examine(record)
        answer = Report(Analysis(record, frozenset({"clinical"}), found, {}, (), 0.1)).to_dict()
        assert found.measurements.qrs_axis.value is not None
        assert (answer["clinical_analysis"]["axis_deviation"] is None) == suspected
        assert any("LA/RA" in warning for warning in answer["warnings"]) == suspected


@pytest.mark.parametrize("share", [0.5, 0.6])
def test_two_kinds_of_beats_that_take_turns_are_both_readable(share: float) -> None:
    at = round(share * 5000)
    kinds = [simulate(replace(SCENARIOS[name], fs_hz=500.0), seed=1).record for name in ("sinus", "paced")]
    mixed = np.concatenate([kinds[0].signal[:, :at], kinds[1].signal[:, at:5000]], axis=1)
    quality = assess_quality(EcgRecord(mixed, kinds[0].leads, 500.0, "mV"))
    assert "no_qrs" not in {cause.code for cause in quality.causes if cause.grade in ("Fair", "Poor")}
    noisy = mixed.copy()
    noisy[6] += np.random.default_rng(0).standard_normal(5000).astype(np.float32) * 3
    quality = assess_quality(EcgRecord(noisy, kinds[0].leads, 500.0, "mV"))
    assert "no_qrs" in codes(quality, kinds[0].leads[6])
    assert not quality.acceptable


def test_a_small_qrs_in_a_lead_made_of_two_readable_ones_is_no_fault() -> None:
    record = simulate(SCENARIOS["sinus"], seed=1).record
    signal = record.signal.copy()
    # lead II nearly equals lead I, each beat a little otherwise: what is left in III is small and never the same
    own = np.sin(np.arange(signal.shape[1]) / 60.0).astype(np.float32)
    signal[1] = signal[0] * (1 + np.float32(0.2) * own)
    signal[2], signal[3] = signal[1] - signal[0], -(signal[0] + signal[1]) / 2
    signal[4], signal[5] = signal[0] - signal[1] / 2, signal[1] - signal[0] / 2
    lawful = assess_quality(EcgRecord(signal, record.leads, record.fs_hz, "mV"))
    assert "no_qrs" not in codes(lawful, "III")
    signal = signal.copy()
    signal[2] = np.random.default_rng(0).standard_normal(signal.shape[1]).astype(np.float32)
    lawless = assess_quality(EcgRecord(signal, record.leads, record.fs_hz, "mV"))
    assert "no_qrs" in codes(lawless, "III")


def changed(record: EcgRecord, signal: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> EcgRecord:
    return replace(record, signal=signal.astype(np.float32))


@pytest.mark.parametrize("p_axis", [0, -10, -20, -30])
def test_an_ectopic_p_axis_alone_names_no_reversal(p_axis: int) -> None:
    for seed in range(4):
        record = simulate(Scenario(p_axis_deg=p_axis, heart_rate_bpm=60 + 5 * seed), seed).record
        quality = assess_quality(record)
        assert quality.lead_reversal is None
        assert quality.possible_reversal in (None, "LA/LL")
        infarction = next(one for one in examine(record).findings if one.label == "Infarction")
        assert infarction.present is None


def test_noise_at_low_voltage_names_no_reversal() -> None:
    for amplitude, level in ((0.15, 0.02), (0.25, 0.04), (0.35, 0.06)):
        noise = (Artefact("muscle", level),)
        made = [simulate(Scenario(amplitude=amplitude, artefacts=noise), seed).record for seed in range(6)]
        assert [assess_quality(record).lead_reversal for record in made] == [None] * 6


@pytest.mark.parametrize("name", ["paced", "paced_dual"])
def test_a_paced_recording_has_no_reversal_at_any_rate(name: str) -> None:
    for fs_hz in (500.0, 1000.0):
        quality = assess_quality(simulate(replace(SCENARIOS[name], fs_hz=fs_hz), seed=3).record)
        assert (quality.lead_reversal, quality.possible_reversal) == (None, None)


@pytest.mark.parametrize("lead", ["V1", "V2", "V3", "V4", "V5", "V6"])
def test_a_precordial_lead_turned_over_is_not_taken_for_exchanged_limb_leads(lead: str) -> None:
    for name in ("sinus", "rbbb", "inferior_q"):
        record = simulate(SCENARIOS[name], seed=2).record
        signal = record.signal.copy()
        signal[record.leads.index(lead)] *= -1
        found = assess_quality(changed(record, signal)).lead_reversal
        assert found is None if lead == "V1" else found == f"{lead}/-{lead}"


@pytest.mark.parametrize("name", ["sinus", "lbbb", "inferior_q", "atrial_fibrillation", "lafb"])
def test_a_recording_turned_over_is_poor_and_decides_only_what_has_no_sign(name: str) -> None:
    record = simulate(SCENARIOS[name], seed=1).record
    found = examine(changed(record, -record.signal))
    assert found.quality.lead_reversal == "all leads"
    assert ("inverted", "Poor") in {(cause.code, cause.grade) for cause in found.quality.causes}
    present = {one.label for one in found.findings if one.present}
    assert present == {"Poor data quality"} | ({"Atrial fibrillation"} if name == "atrial_fibrillation" else set())
    assert "inverted" in next(one.evidence for one in found.findings if one.present)
    assert "inverted" not in {cause.code for cause in assess_quality(record).causes}


def wave(kind: str, hz: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    t = np.arange(5000) / 500.0
    phase = 2 * np.pi * hz * t
    shapes = {"sine": np.sin(phase), "square": square(phase), "saw": sawtooth(phase), "triangle": sawtooth(phase, 0.5)}
    return shapes[kind]


@pytest.mark.parametrize("kind", ["sine", "square", "saw", "triangle"])
@pytest.mark.parametrize("hz", [1.0, 2.0, 3.0, 12.0])
@pytest.mark.parametrize("lawful", [True, False])
def test_a_test_signal_is_no_ecg(kind: str, hz: float, lawful: bool) -> None:
    one = wave(kind, hz)
    limb = (1.0, 0.8, -0.2, -0.9, 0.6, 0.3) if lawful else (1.0,) * 6
    signal = np.outer((*limb, -0.5, 0.3, 0.6, 1.0, 1.0, 0.8), one)
    found = examine(EcgRecord(signal.astype(np.float32), simulate().record.leads, 500.0, "mV"))
    assert found.quality.grade == "Poor"
    assert codes(found.quality, None) & {"no_qrs", "too_few_beats"}
    assert [one.label for one in found.findings if one.present is not None] == ["Poor data quality"]


@pytest.mark.parametrize("name", ["sinus", "ambulance", "atrial_fibrillation", "sinus_bradycardia"])
@pytest.mark.parametrize("held", [True, False])
def test_a_recording_that_stops_is_poor_and_has_no_pause(name: str, held: bool) -> None:
    record = simulate(SCENARIOS[name], seed=1).record
    signal = record.signal.copy()
    signal[:, 2500:] = signal[:, 2499:2500] if held else 0.0
    found = examine(changed(record, signal))
    assert found.quality.grade == "Poor"
    assert "flat" in codes(found.quality, None)


def test_a_second_that_stands_still_is_no_pause() -> None:
    record = simulate(SCENARIOS["ambulance"], seed=1).record
    signal = record.signal.copy()
    signal[:, 2000:2600] = signal[:, 1999:2000]
    found, whole = examine(changed(record, signal)), examine(record)
    assert ("flat", "Fair") in {(cause.code, cause.grade) for cause in found.quality.causes if cause.lead is None}
    assert found.measurements.heart_rate.value == pytest.approx(whole.measurements.heart_rate.value, abs=2.0)
    block = next(one for one in found.findings if one.label == "Atrioventricular block")
    assert "pause of" not in block.evidence


@pytest.mark.parametrize("name", ["junctional", "mobitz2", "sinus_bradycardia", "pvc"])
def test_rest_between_beats_without_noise_is_not_frozen(name: str) -> None:
    assert len(frozen(simulate(SCENARIOS[name], seed=1).record)) == 0


def test_one_sample_less_does_not_cost_a_second() -> None:
    for seed in range(4):
        record = simulate(Scenario(artefacts=(Artefact("baseline", 0.3),)), seed).record
        peaks = ecg.measure(record).beats.r_samples
        whole, less = (measure_figures(one, peaks) for one in (record, changed(record, record.signal[:, 1:])))
        assert less.wander == pytest.approx(whole.wander, abs=0.05)  # a second less of it is up to 0.3


@pytest.mark.parametrize(("level_mv", "grade"), [(0.02, "Excellent"), (0.045, "Good"), (0.1, "Fair"), (0.15, "Fair")])
@pytest.mark.parametrize("seed", [0, 1])
def test_muscle_noise_lowers_the_grade_step_by_step_and_never_to_poor(level_mv: float, grade: str, seed: int) -> None:
    record = simulate(Scenario(artefacts=(Artefact("muscle", level_mv),)), seed).record
    assert assess_quality(record).grade == grade


def test_t_waves_as_high_as_r_make_no_recording_poor() -> None:
    made = simulate(Scenario(t_shape="upright")).record
    tall = made.signal.copy()
    r = ecg.measure(made).beats.r_samples
    after = np.arange(100, 200)
    bump = np.exp(-0.5 * ((after - 150) / 18.0) ** 2).astype(np.float32)
    for at in r[r + 200 < made.n_samples]:
        tall[:, at + after] += np.ptp(made.signal, axis=1, keepdims=True) * bump
    quality = assess_quality(replace(made, signal=tall))
    assert "beat_detectors_disagree" not in {cause.code for cause in quality.causes if cause.grade == "Poor"}


@pytest.mark.parametrize("pair", [("aVL", "aVF"), ("aVR", "aVL"), ("III", "aVF")])
def test_exchanged_names_of_limb_leads_are_found(pair: tuple[str, str]) -> None:
    made = simulate(Scenario(qrs_axis_deg=60)).record
    rows = [made.leads.index(lead) for lead in pair]
    signal = made.signal.copy()
    signal[rows] = signal[rows[::-1]]
    quality = assess_quality(replace(made, signal=signal))
    assert quality.lead_reversal == "/".join(pair)
    assert assess_quality(made).lead_reversal is None


def test_twelve_copies_of_one_lead_are_no_recording_of_twelve_leads() -> None:
    made = simulate().record
    copies = replace(made, signal=np.repeat(made.signal[:1], 12, axis=0))
    examination = examine(copies)
    assert "identical_leads" in codes(examination.quality, None)
    assert examination.quality.grade == "Poor"
    assert not any(finding.present for finding in examination.findings if finding.label != "Poor data quality")


def test_one_disturbed_lead_leaves_the_recording_fair_at_best() -> None:
    quality = assess_quality(simulate(Scenario(artefacts=(Artefact("muscle", 0.15, "V2"),)), seed=4).record)
    assert next(lead.grade for lead in quality.per_lead if lead.lead == "V2") == "Fair"
    assert quality.grade == "Fair"
