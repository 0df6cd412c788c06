"""The feature vector: its table never moves, its values mean what their names say."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from ecg.features import EMBEDDING_DIM, SCHEMA, SCHEMA_VERSION, feature_vector
from ecg.measurement.intervals import measure
from ecg.models.contract import ModelIdentity, ModelResult
from ecg.record import EcgRecord
from ecg.simulation import Scenario, Simulation, simulate

#: SHA-256 over "name|unit|group" lines. A change of the table is a new SCHEMA_VERSION with a line of its own.
DIGESTS = {"1": "0a28b8ae5bf047d3928bb880efb6a9edac6487420d21e26ddeab27374178b9a9"}
NAMES = [feature.name for feature in SCHEMA]


def values_of(record: EcgRecord, model: ModelResult | None = None) -> dict[str, float | None]:
    return dict(zip(NAMES, feature_vector(record, measure(record), model), strict=True))


def embedding(width: int) -> ModelResult:
    rng = np.random.default_rng(7)
    mean, spread = rng.normal(size=(2, width)).astype(np.float32)
    return ModelResult(ModelIdentity("stand-in", False, "torch", "float32"), None, mean, spread)


@pytest.fixture(scope="module")
def sinus() -> Simulation:
    return simulate(Scenario(heart_rate_bpm=70, pr_ms=160, qrs_ms=95, qt_ms=390), seed=3)


def test_the_table_does_not_move_within_a_version():
    lines = "\n".join(f"{f.name}|{f.unit}|{f.group}" for f in SCHEMA)
    assert hashlib.sha256(lines.encode()).hexdigest() == DIGESTS[SCHEMA_VERSION]


def test_names_are_unique_and_the_vector_has_one_value_each(sinus: Simulation):
    assert len(set(NAMES)) == len(SCHEMA) >= 1024
    assert len(feature_vector(sinus.record, measure(sinus.record), None)) == len(SCHEMA)


def test_the_embedding_comes_first_mean_then_spread(sinus: Simulation):
    model = embedding(EMBEDDING_DIM)
    vector = feature_vector(sinus.record, measure(sinus.record), model)
    assert vector[:EMBEDDING_DIM] == model.embedding.tolist()
    assert vector[EMBEDDING_DIM : 2 * EMBEDDING_DIM] == model.spread.tolist()


def test_a_narrower_embedding_leaves_the_rest_of_its_positions_empty(sinus: Simulation):
    model = embedding(64)
    vector = feature_vector(sinus.record, measure(sinus.record), model)
    assert len(vector) == len(SCHEMA)
    assert vector[:64] == model.embedding.tolist()
    assert vector[EMBEDDING_DIM : EMBEDDING_DIM + 64] == model.spread.tolist()
    assert {*vector[64:EMBEDDING_DIM], *vector[EMBEDDING_DIM + 64 : 2 * EMBEDDING_DIM]} == {None}


def test_a_wider_embedding_is_refused(sinus: Simulation):
    with pytest.raises(ValueError, match="768"):
        feature_vector(sinus.record, measure(sinus.record), embedding(800))


def test_without_a_model_only_the_embedding_is_missing(sinus: Simulation):
    values = values_of(sinus.record)
    absent = {f.group for f in SCHEMA if values[f.name] is None}
    assert absent == {"embedding"}


def test_measured_features_equal_the_measurements(sinus: Simulation):
    measured, values = measure(sinus.record), values_of(sinus.record)
    for name in ("heart_rate", "pr_interval", "qrs_duration", "qt_interval", "qtc_fridericia", "qrs_axis"):
        assert values[name] == getattr(measured, name).value
    assert values["r_amplitude_V5"] == measured.lead_amplitudes["V5"].r.value
    assert values["jt_interval"] == pytest.approx(measured.qt_interval.value - measured.qrs_duration.value)


def test_variability_follows_the_rr_intervals():
    record = simulate(Scenario(rr_sd_ms=60, duration_s=60), seed=5).record
    values, beats = values_of(record), measure(record).beats
    dominant = [a == b == "dominant" for a, b in pairwise(beats.classes)]
    nn = np.diff(beats.r_samples)[dominant] * 1000 / record.fs_hz
    assert values["nn_mean"] == pytest.approx(nn.mean())
    assert values["nn_sd"] == pytest.approx(nn.std(ddof=1))
    assert 40 < values["nn_sd"] < 80  # simulated with 60 ms


def test_a_steady_rhythm_has_no_variability():
    values = values_of(simulate(Scenario(rr_sd_ms=0)).record)
    assert values["nn_rmssd"] < 2  # one sample at 500 Hz
    assert values["nn_pnn50"] == 0


def test_lead_correlations_are_those_of_the_leads(sinus: Simulation):
    first = sinus.record.lead("I")
    same = EcgRecord(np.stack([first, first, -first]), ("I", "II", "V1"), 500, "mV")
    values = values_of(same)
    assert values["qrs_correlation_I_II"] == pytest.approx(1)
    assert values["st_t_correlation_I_V1"] == pytest.approx(-1)
    assert values["qrs_correlation_I_aVF"] is None


def test_amplitudes_double_with_the_signal_and_ratios_do_not(sinus: Simulation):
    record = sinus.record
    once, twice = values_of(record), values_of(EcgRecord(2 * record.signal, record.leads, record.fs_hz, "mV"))
    for feature in SCHEMA[2 * EMBEDDING_DIM :]:
        factor = {"mV": 2, "mV·ms": 2, "mV/s": 2, "mV²": 4}.get(feature.unit, 1)
        # absolute for values that are zero but for rounding
        assert twice[feature.name] == pytest.approx(factor * once[feature.name], rel=1e-3, abs=2e-3), feature.name


def test_without_a_unit_nothing_is_in_millivolt(sinus: Simulation):
    record = sinus.record
    values = values_of(EcgRecord(record.signal, record.leads, record.fs_hz, None))
    assert all(values[f.name] is None for f in SCHEMA if "mV" in f.unit)
    assert values["qrs_duration"] is not None
    assert values["spatial_qrs_t_angle_mean"] is not None


def test_fewer_leads_leave_gaps_not_errors(sinus: Simulation):
    record = sinus.record
    values = values_of(EcgRecord(record.signal[:2], ("I", "II"), record.fs_hz, "mV"))
    assert values["r_amplitude_II"] is not None
    for name in ("r_amplitude_V1", "qrs_area_V1", "r_peak_time_V1", "qrs_correlation_I_V1", "qrs_loop_peak"):
        assert values[name] is None


def test_a_flat_lead_has_no_area():
    record = simulate().record
    signal = record.signal.copy()
    signal[record.leads.index("V3")] = 0.0
    assert values_of(EcgRecord(signal, record.leads, record.fs_hz, "mV"))["qrs_area_V3"] is None


def test_a_silent_recording_has_no_features():
    silent = EcgRecord(np.zeros((12, 5000), np.float32), simulate().record.leads, 500, "mV")
    assert all(value is None for value in values_of(silent).values())


def test_a_dead_lead_leaves_nulls_in_the_vector(sinus: Simulation):
    signal = sinus.record.signal.copy()
    signal[sinus.record.leads.index("V3")] = 0.0
    values = values_of(EcgRecord(signal, sinus.record.leads, sinus.record.fs_hz, "mV"))
    of_v3 = [name for name in NAMES if "V3" in name.split("_")]
    assert len(of_v3) > 40
    assert {name for name in of_v3 if values[name] is not None} == set()
    loops = [name for name in NAMES if "_loop_" in name or "gradient" in name or name.startswith("spatial_qrs_t")]
    assert {name for name in loops if values[name] is not None} == set()


def test_samples_that_are_hardly_mv_leave_every_amplitude_null(sinus: Simulation):
    scaled = EcgRecord(sinus.record.signal * np.float32(1000), sinus.record.leads, sinus.record.fs_hz, "mV")
    values = values_of(scaled)
    assert {f.name for f in SCHEMA if "mV" in f.unit and values[f.name] is not None} == set()
    assert values["qrs_duration"] is not None
