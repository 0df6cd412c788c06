"""Lead names: the standard order, spellings met in the wild, and the leads that follow from I and II."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LIMB_LEADS = STANDARD_LEADS[:6]
PRECORDIAL_LEADS = STANDARD_LEADS[6:]
#: What the eight electrodes of a cart measure; the other four are made of I and II.
INDEPENDENT_LEADS = (*STANDARD_LEADS[:2], *PRECORDIAL_LEADS)
MAX_LEADS = 64  # five times what an ECG has
MAX_LEAD_NAME = 80  # characters; the longest of DICOM has 52

#: Other spellings of the twelve, in lower case and without the prefixes of `_PREFIX`.
ALIASES = {
    "I": ("l1", "di", "d1", "i (einthoven)"),
    "II": ("l2", "dii", "d2"),
    "III": ("l3", "diii", "d3"),
    "aVR": ("avr, augmented voltage, right", "avr (goldberger)"),
    "aVL": ("avl, augmented voltage, left", "avl (goldberger)"),
    "aVF": ("avf, augmented voltage, foot", "avf (goldberger)"),
    **{f"V{number}": (f"c{number}", f"v{number} (wilson)") for number in range(1, 7)},
}
_BY_LOWER = {name.lower(): name for name in STANDARD_LEADS}
_BY_LOWER |= {alias: name for name, aliases in ALIASES.items() for alias in aliases}
_PREFIX = re.compile(r"^(?:mdc_ecg_lead_|(?:ecg|ekg)[\s:_-]*(?:lead)?|lead)[\s:_-]*", re.IGNORECASE)

#: Names of ECG leads beyond the twelve: Frank, right and posterior chest, monitor and Holter leads.
_OTHER_LEADS = re.compile(
    r"v?[xyz]|v?[xyz] ?\(frank\)|v[1-9]r|v[7-9]|c[1-9]r|c[7-9]|ml ?(?:i{1,3}|[1-3])|mcl ?[1-6]|m?v|mv[1-6]|"
    r"c[msc]-?[1-6]|(?:ecg|ekg)(?:[\s_-]*(?:lead|ch(?:annel)?)?[\s_-]*\d{1,2})?|aux\d? ?ecg|d[45]|a-?[is]|e-?s|-avr|"
    r"v[1-6]-v[1-6]",
    re.IGNORECASE,
)

#: Coefficients on (I, II): Einthoven's law and Goldberger's definitions.
FROM_I_II = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}


def canonical_lead(name: str) -> str:
    """The standard spelling of a lead name, or the name itself, stripped, when it is not one of the twelve.

    Case does not matter. The prefixes ``ECG``, ``EKG``, ``Lead`` and ``MDC_ECG_LEAD_`` and the spellings of `ALIASES`
    are understood. ``-aVR`` is not aVR and stays as it is, and so does ``ECG1``, which numbers a channel.
    """
    stripped = name.strip()
    return _BY_LOWER.get(stripped.lower()) or _BY_LOWER.get(_PREFIX.sub("", stripped).lower()) or stripped or name


def is_lead(name: str) -> bool:
    """Whether a signal of this name is a lead of an ECG: one of the twelve, or another that devices record."""
    stripped = name.strip()
    return canonical_lead(name) in STANDARD_LEADS or bool(
        _OTHER_LEADS.fullmatch(stripped) or _OTHER_LEADS.fullmatch(_PREFIX.sub("", stripped))
    )


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
    return tuple(name for name in FROM_I_II if name not in leads)


def derive_lead(name: str, lead_i: NDArray[np.float32], lead_ii: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lead `name` (III, aVR, aVL or aVF) as float32 [sample], from simultaneous I and II in the same unit."""
    on_i, on_ii = FROM_I_II[name]
    return (np.float32(on_i) * lead_i + np.float32(on_ii) * lead_ii).astype(np.float32)
