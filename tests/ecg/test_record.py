"""`EcgRecord`: invariants, lead names, derivation, units."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ecg
from ecg import errors
from ecg.leads import MAX_LEADS, STANDARD_LEADS, canonical_lead, distinct_leads
from ecg.record import EcgRecord, to_millivolt
from tests.conftest import noise_record

TWO = np.arange(2000, dtype=np.float32).reshape(2, 1000)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("i", "I"),
        ("II", "II"),
        ("avr", "aVR"),
        ("AVL", "aVL"),
        ("v1", "V1"),
        ("Lead aVF", "aVF"),
        ("DI", "I"),
        ("L2", "II"),
        ("c4", "V4"),
        ("MDC_ECG_LEAD_V6", "V6"),
        ("ECG I", "I"),
        (" V2 ", "V2"),
        ("MLII", "MLII"),
        ("-aVR", "-aVR"),
        ("V3R", "V3R"),
        ("ECG", "ECG"),
        ("vx", "vx"),
    ],
)
def test_lead_names(spelling: str, name: str) -> None:
    assert canonical_lead(spelling) == name


@pytest.mark.parametrize(
    ("signal", "leads", "fs_hz", "unit", "error"),
    [
        (TWO[0], ("I",), 500, "mV", errors.MalformedInput),
        (np.zeros((2, 0)), ("I", "II"), 500, "mV", errors.MalformedInput),
        (np.zeros((0, 2)), (), 500, "mV", errors.MalformedInput),
        (TWO + 1j, ("I", "II"), 500, "mV", errors.MalformedInput),
        ([[1.0], [1.0, 2.0]], ("I", "II"), 500, "mV", errors.MalformedInput),
        ([["a"]], ("I",), 500, "mV", errors.MalformedInput),
        (TWO, ("I", 2), 500, "mV", errors.MalformedInput),
        (TWO, 2, 500, "mV", errors.MalformedInput),
        (TWO, "I", 500, "mV", errors.MalformedInput),
        (TWO, ("I", "II"), None, "mV", errors.MalformedInput),
        (TWO, ("I", "II"), "fast", "mV", errors.MalformedInput),
        (TWO, ("I",), 500, "mV", errors.MalformedInput),
        (TWO, ("I", "i"), 500, "mV", errors.DuplicateLead),
        (TWO, ("I", "II"), 0, "mV", errors.SamplingRateOutOfRange),
        (TWO, ("I", "II"), float("nan"), "mV", errors.SamplingRateOutOfRange),
        (TWO, ("I", "II"), 5000, "mV", errors.SamplingRateOutOfRange),
        (TWO, ("I", "II"), 500, "uV", errors.MalformedInput),
        (TWO + np.inf, ("I", "II"), 500, "mV", errors.InvalidSamples),
    ],
)
def test_a_broken_invariant_is_refused(
    signal: np.ndarray, leads: tuple[str, ...], fs_hz: float, unit: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        EcgRecord.from_array(signal, fs_hz, leads, unit)
    if isinstance(leads, tuple):
        with pytest.raises(error):
            EcgRecord(signal, leads, fs_hz, unit)


def test_samples_cannot_be_changed_and_survive_pickling() -> None:
    record = EcgRecord(TWO, ("I", "II"), 500, "mV", name="x", notes=("n",))
    with pytest.raises(ValueError, match="read-only"):
        record.signal[0, 0] = 1
    copy = pickle.loads(pickle.dumps(record))
    assert np.array_equal(copy.signal, record.signal)
    assert (copy.leads, copy.fs_hz, copy.unit, copy.name, copy.notes) == (("I", "II"), 500, "mV", "x", ("n",))
    assert copy.sha256 == record.sha256


def test_masked_samples_are_missing() -> None:
    masked = np.ma.masked_equal(np.array([[1.0, -32768.0, 3.0]]), -32768.0)
    for record in (EcgRecord.from_array(masked, 500, ["I"], "mV"), EcgRecord(masked, ("I",), 500, "mV")):
        np.testing.assert_array_equal(record.signal, [[1.0, np.nan, 3.0]])


@pytest.mark.parametrize("given", ["recording.hea", TWO, None])
def test_what_is_no_recording_is_refused_with_how_to_make_one(given: object) -> None:
    with pytest.raises(errors.MalformedInput) as refused:
        ecg.analyze(given)
    assert "ecg.read" in str(refused.value.expected)


def test_the_callers_array_stays_writeable() -> None:
    mine = TWO.copy()
    EcgRecord(mine, ("I", "II"), 500, "mV")
    mine[0, 0] = 7
    assert mine[0, 0] == 7


@settings(deadline=None)
@given(st.permutations(range(12)))
def test_any_order_becomes_the_standard_order(order: list[int]) -> None:
    record = noise_record(seconds=1)
    shuffled = EcgRecord(record.signal[order], tuple(STANDARD_LEADS[i].lower() for i in order), 500, "mV")
    assert np.array_equal(shuffled.standard().signal, record.signal)


def test_limb_leads_follow_from_one_and_two() -> None:
    full = noise_record(seconds=1)
    keep = [i for i, lead in enumerate(STANDARD_LEADS) if lead not in ("III", "aVR", "aVL", "aVF")]
    derived = EcgRecord(full.signal[keep], tuple(STANDARD_LEADS[i] for i in keep), 500, "mV").standard()
    one, two = full.lead("I"), full.lead("II")
    assert np.allclose(derived.lead("III"), two - one, atol=1e-6)  # float32 rounding
    assert np.allclose(derived.lead("aVR") + derived.lead("aVL") + derived.lead("aVF"), 0, atol=1e-6)
    assert derived.notes == ("III, aVR, aVL, aVF derived from I and II.",)


def test_the_eight_independent_leads_are_completed_and_nothing_else_is() -> None:
    full = noise_record(seconds=1).standard()
    keep = [i for i, lead in enumerate(STANDARD_LEADS) if lead not in ("III", "aVR", "aVL", "aVF")]
    eight = EcgRecord(full.signal[keep], tuple(STANDARD_LEADS[i] for i in keep), 500, "mV", notes=("as read",))
    assert eight.completed().leads == STANDARD_LEADS
    assert np.array_equal(eight.completed().signal, eight.standard().signal)
    assert eight.completed().notes == ("as read",)
    assert full.completed() is full
    limb = EcgRecord(full.signal[:2], ("I", "II"), 500, "mV")
    assert limb.completed() is limb
    assert (limb.derived_leads(), eight.derived_leads()) == ((), ("III", "aVR", "aVL", "aVF"))
    for dead in (0.0, np.nan):
        signal = full.signal[keep].copy()
        signal[1] = dead
        off = EcgRecord(signal, eight.leads, 500, "mV")
        assert off.completed() is off


def test_a_missing_chest_lead_is_named() -> None:
    full = noise_record(seconds=1)
    with pytest.raises(errors.MissingLeads, match="V6"):
        EcgRecord(full.signal[:11], STANDARD_LEADS[:11], 500, "mV").standard()


@pytest.mark.parametrize(
    ("unit", "factor"), [("mV", 1), ("MV", 1), ("uV", 1e-3), ("µV", 1e-3), ("V", 1e3), ("nV", 1e-6)]
)
def test_units(unit: str, factor: float) -> None:
    samples, known = to_millivolt(TWO, unit)
    assert known == "mV"
    assert np.allclose(samples, TWO * factor, rtol=1e-6)  # float32 rounding


def test_no_unit_is_not_guessed() -> None:
    assert to_millivolt(TWO, None)[1] is None
    with pytest.raises(errors.MalformedInput):
        to_millivolt(TWO, "furlong")


def test_more_leads_than_any_recording_has_are_refused_before_they_are_listed() -> None:
    names = tuple(f"x{i}" for i in range(MAX_LEADS + 1))
    with pytest.raises(errors.MalformedInput, match="Too many") as refused:
        EcgRecord(np.zeros((len(names), 1), np.float32), names, 500, "mV")
    assert refused.value.got == len(names)
    EcgRecord(np.zeros((MAX_LEADS, 1), np.float32), names[:MAX_LEADS], 500, "mV")


def test_a_name_of_several_words_that_repeats_is_numbered() -> None:
    assert distinct_leads(["My wave"] * 3) == ("My wave", "My wave 2", "My wave 3")
    assert distinct_leads(["x", "x", "x 2"]) == ("x", "x 3", "x 2")
    assert distinct_leads(["I", "I"]) == ("I", "I")
