"""Preparation: the authors' steps, and a typed refusal where they define nothing. Goldens: tests/ecg/models."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import errors
from ecg.leads import STANDARD_LEADS
from ecg.models.ecgfm.preparation import check_preparable, prepare, segment_count
from ecg.record import EcgRecord
from tests.conftest import noise_record


@settings(deadline=None, max_examples=30)
@given(fs_hz=st.sampled_from([100.0, 128.0, 250.0, 257.0, 360.0, 400.0, 500.0, 1000.0]), n=st.integers(500, 12_000))
def test_segments_are_whole_and_finite_or_refused(fs_hz: float, n: int) -> None:
    record = noise_record(fs_hz, n / fs_hz)
    count = segment_count(record)
    if count == 0:
        with pytest.raises(errors.RecordingTooShort):
            prepare(record)
        return
    segments = prepare(record)
    assert segments.shape == (count, 12, 2500)
    assert segments.dtype == np.float32
    assert np.isfinite(segments).all()


def test_standardised_over_the_whole_recording_before_the_cut() -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(3, 2, (12, 5000)).astype(np.float32)
    signal[:, 2500:] *= 10
    segments = prepare(EcgRecord(signal, STANDARD_LEADS, 500, None))
    whole = segments.transpose(1, 0, 2).reshape(12, -1)
    assert np.allclose(whole.mean(axis=1), 0, atol=1e-5)  # float32 sums of 5000 values
    assert np.allclose(whole.std(axis=1), 1, atol=1e-5)
    assert segments[0].std() < 0.5 < segments[1].std()


def test_scale_does_not_matter_and_a_constant_lead_is_zero() -> None:
    record = noise_record()
    signal = record.signal.copy()
    signal[4] = 0.123
    a = prepare(EcgRecord(signal, STANDARD_LEADS, 500, "mV"))
    b = prepare(EcgRecord(signal * 256, STANDARD_LEADS, 500, None))  # a power of two: exact in float32
    assert np.array_equal(a, b)
    assert not a[:, 4].any()


def test_remainder_is_dropped() -> None:
    assert prepare(noise_record(500, 14.9)).shape[0] == 2


def with_nan() -> EcgRecord:
    return EcgRecord(np.where(np.arange(5000) == 7, np.nan, noise_record().signal), STANDARD_LEADS, 500, "mV")


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (noise_record(500, 4.99), errors.RecordingTooShort),
        (EcgRecord(noise_record().signal[:8], STANDARD_LEADS[:8], 500, "mV"), errors.MissingLeads),
        (with_nan(), errors.InvalidSamples),
    ],
    ids=["short", "leads", "nan"],
)
def test_what_the_authors_leave_undefined_is_refused(record: EcgRecord, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_preparable(record)
    with pytest.raises(error):
        prepare(record)
