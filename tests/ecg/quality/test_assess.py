"""Grades and causes."""

import numpy as np

import ecg


def test_a_flat_lead_is_named() -> None:
    record = ecg.simulate().record
    assert ecg.assess_quality(record).causes == ()
    signal = record.signal.copy()
    signal[8] = 0.0
    quality = ecg.assess_quality(ecg.EcgRecord(signal, record.leads, record.fs_hz, "mV"))
    assert [(cause.code, cause.lead) for cause in quality.causes] == [("flat", "V3")]
    assert np.array_equal([lead.lead for lead in quality.per_lead], record.leads)
