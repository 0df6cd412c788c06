"""Lead names: the standard order, spellings met in the wild, and the leads that follow from I and II."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LIMB_LEADS = STANDARD_LEADS[:6]
PRECORDIAL_LEADS = STANDARD_LEADS[6:]
MAX_LEADS = 64  # five times what an ECG has

_BY_LOWER = {name.lower(): name for name in STANDARD_LEADS}
_BY_LOWER |= {
    "l1": "I", "l2": "II", "l3": "III", "di": "I", "dii": "II", "diii": "III", "d1": "I", "d2": "II", "d3": "III",
    "c1": "V1", "c2": "V2", "c3": "V3", "c4": "V4", "c5": "V5", "c6": "V6",
}  # fmt: skip
_PREFIX = re.compile(r"^(mdc_ecg_lead_|ecg|lead)[\s:_-]*", re.IGNORECASE)

# Coefficients on (I, II): Einthoven's law and Goldberger's definitions.
_FROM_I_II = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}


def canonical_lead(name: str) -> str:
    """The standard spelling of a lead name, or the name itself, stripped, when it is not one of the twelve.

    Case, the prefixes ``ECG``, ``Lead`` and ``MDC_ECG_LEAD_``, and the aliases L1/DI/D1 … and C1 … C6 are understood.
    ``-aVR`` is not aVR and stays as it is.
    """
    stripped = _PREFIX.sub("", name.strip())
    return _BY_LOWER.get(stripped.lower(), stripped or name)


def distinct_leads(names: Sequence[str]) -> tuple[str, ...]:
    """Signal names with repeats of a non-standard one numbered: Holter records call every signal ``ECG``.

    A number is not given when another signal already has the name that it would make. A standard lead named twice
    stays, for `EcgRecord` to refuse.
    """
    used = {canonical_lead(name) for name in names}
    last: dict[str, int] = {}
    distinct = []
    for name in names:
        if name in last and canonical_lead(name) not in STANDARD_LEADS:
            number = last[name] + 1
            while canonical_lead(f"{name} {number}") in used:
                number += 1
            last[name] = number
            distinct.append(f"{name} {number}")
            used.add(canonical_lead(distinct[-1]))
        else:
            last[name] = 1
            distinct.append(name)
    return tuple(distinct)


def derivable_leads(leads: tuple[str, ...]) -> tuple[str, ...]:
    """The leads of III, aVR, aVL, aVF that are absent from `leads` and follow from I and II, in standard order."""
    if "I" not in leads or "II" not in leads:
        return ()
    return tuple(name for name in _FROM_I_II if name not in leads)


def derive_lead(name: str, lead_i: NDArray[np.float32], lead_ii: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lead `name` (III, aVR, aVL or aVF) as float32 [sample], from simultaneous I and II in the same unit."""
    on_i, on_ii = _FROM_I_II[name]
    return (np.float32(on_i) * lead_i + np.float32(on_ii) * lead_ii).astype(np.float32)
