"""`assess_quality`: from samples to grades."""

import numpy as np
from numpy.typing import NDArray

from ecg.quality.result import GRADES, Cause, LeadQuality, Quality, worst
from ecg.record import EcgRecord


def assess_quality(record: EcgRecord, beats: NDArray[np.intp] | None = None) -> Quality:
    """Grades and causes for a recording of any number of leads.

    Parameters
    ----------
    record
        Amplitude criteria are relative to the recording's own QRS, so a record without a unit is graded too.
    beats
        Sample indexes of R peaks; found here when None.
    """
    signal = np.nan_to_num(record.signal)
    spread = np.ptp(signal, axis=1)
    leads = []
    for index, name in enumerate(record.leads):
        causes = []
        lost = float(np.isnan(record.signal[index]).mean())
        if lost:
            causes.append(Cause("missing_samples", name, 100 * lost, "%", "Poor" if lost > 0.1 else "Fair"))
        if spread[index] == 0:
            causes.append(Cause("flat", name, 100.0, "%", "Poor"))
        causes.sort(key=lambda c: -GRADES.index(c.grade))
        leads.append(LeadQuality(name, worst([c.grade for c in causes]), tuple(causes)))
    grade = worst([lead.grade for lead in leads])
    return Quality(grade, grade != "Poor", tuple(c for lead in leads for c in lead.causes), tuple(leads), None)
