"""Statements beyond the 17 labels: each on both sides of its limit."""

from dataclasses import replace

import numpy as np
import pytest

from ecg.findings import Person, answer
from ecg.findings.statements import statements
from ecg.findings.vocabulary import Term
from ecg.measurement.intervals import Measurements, measure
from ecg.origin import Origin
from ecg.pipeline import examine
from ecg.quality import assess_quality
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate
from ecg.values import Value
from tests.ecg.findings.test_criteria import having


def said(scenario: Scenario, person: Person | None = None, **measured: float) -> dict[str, bool | None]:
    """The statements about a simulated recording, with some measurements replaced."""
    record = simulate(scenario).record
    measurements: Measurements = measure(record)
    changed = {name: Value(value, "ms") for name, value in measured.items()}
    measurements = replace(measurements, **changed)
    _, made = answer(record, measurements, assess_quality(record, measurements), person)
    return {statement.label: statement.present for statement in made}


def test_every_statement_is_made_in_order_with_evidence_and_source():
    statements = examine(simulate().record).statements
    assert [statement.label for statement in statements] == list(Term)
    assert all(statement.evidence and statement.source for statement in statements)


def test_a_normal_recording_has_none():
    assert [name for name, present in said(Scenario()).items() if present] == []


@pytest.mark.parametrize("wall", ["anterior", "inferior", "lateral"])
@pytest.mark.parametrize(("st_mv", "kind"), [(0.35, "elevation"), (-0.2, "depression")])
def test_a_shift_of_st_is_found_where_it_is(wall: str, st_mv: float, kind: str):
    statements = said(Scenario(st_mv=st_mv, st_territory=wall))
    assert statements[f"ST {kind}, {wall}"] is True


@pytest.mark.parametrize(
    ("person", "qtc", "present"),
    [
        (None, 449.0, False),
        (None, 455.0, None),  # too long for a man, not for a woman
        (None, 460.0, True),
        (Person("male"), 455.0, True),
        (Person("female"), 455.0, False),
    ],
)
def test_a_long_qtc_depends_on_the_sex(person: Person | None, qtc: float, present: bool | None):
    assert said(Scenario(), person, qtc_fridericia=qtc)["Prolonged QTc"] is present


def test_sex_and_age_are_taken_from_the_file():
    record = replace(simulate().record, origin=Origin(sex="female", age_years=35.0))
    assert Person.of(record) == Person("female", 35.0)
    assert Person.of(simulate().record) == Person()


@pytest.mark.parametrize(("qtc", "present"), [(391.0, False), (390.0, True)])
def test_a_short_qtc(qtc: float, present: bool):
    assert said(Scenario(), qtc_fridericia=qtc)["Short QTc"] is present


@pytest.mark.parametrize(
    ("scenario", "name"),
    [
        (Scenario(amplitude=3.0), "Left ventricular hypertrophy by voltage"),
        (Scenario(amplitude=0.25), "Low QRS voltage"),
        (Scenario(qrs_axis_deg=-50), "Left axis deviation"),
        (Scenario(qrs_axis_deg=120), "Right axis deviation"),
        (Scenario(ectopy="pac"), "Premature atrial beats"),
    ],
)
def test_what_is_simulated_is_stated(scenario: Scenario, name: str):
    assert said(Scenario())[name] is False
    assert said(scenario)[name] is True


@pytest.mark.parametrize(("axis", "present"), [(-20, False), (-40, True)])
def test_an_axis_near_its_limit_is_open(axis: float, present: bool):
    assert said(Scenario(qrs_axis_deg=axis))["Left axis deviation"] is present


def test_a_wide_complex_leaves_st_qtc_and_voltage_open():
    statements = said(Scenario(shape="lbbb", qrs_ms=160, t_shape="discordant"))
    assert {present for name, present in statements.items() if name.startswith("ST ")} == {None}
    assert statements["Prolonged QTc"] is None
    assert statements["Left ventricular hypertrophy by voltage"] is None


@pytest.mark.parametrize(("longest_s", "present"), [(2.9, False), (3.0, True), (None, None)])
def test_a_pause_is_three_seconds_long(longest_s: float | None, present: bool | None):
    made = statements(having(longest_rr_s=longest_s), measure(simulate().record))
    assert {one.label: one.present for one in made}["Pause"] is present


def test_without_a_unit_what_needs_millivolt_is_open():
    record = simulate().record
    bare = EcgRecord(record.signal, record.leads, record.fs_hz, None)
    statements = {statement.label: statement.present for statement in examine(bare).statements}
    assert statements["ST elevation, anterior"] is None
    assert statements["Low QRS voltage"] is None
    assert statements["Prolonged QTc"] is False


def test_a_poor_recording_has_no_statement():
    silent = EcgRecord(np.zeros((12, 5000), np.float32), simulate().record.leads, 500, "mV")
    assert {statement.present for statement in examine(silent).statements} == {None}


def test_the_depth_of_a_qs_complex_is_that_of_s():
    """With ST above the level, J is the highest place of a QS complex: its nadir comes before it, as that of Q does."""
    record = simulate().record
    measurements = measure(record)
    qs = replace(measurements.lead_amplitudes["V1"], q=Value(-2.1, "mV"), r=Value(0.1, "mV"), s=Value(0.1, "mV"))
    high = replace(measurements.lead_amplitudes["V5"], r=Value(1.6, "mV"))
    amplitudes = measurements.lead_amplitudes | {"V1": qs, "V5": high}
    measurements = replace(measurements, lead_amplitudes=amplitudes)
    _, made = answer(record, measurements, assess_quality(record, measurements))
    found = next(statement for statement in made if statement.label == Term.LEFT_VENTRICULAR_VOLTAGE)
    assert found.present is True
    assert found.evidence.startswith("S V1 + R V5/V6 3.70 mV")
