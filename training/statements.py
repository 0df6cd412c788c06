"""What the SCP statements of PTB-XL say about the 17 labels, and about a few things that only help to learn."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from ecg.labels import LABEL_NAMES

Targets = NDArray[np.float32]

#: A recording is judged for its rhythm only where its reader named a rhythm.
RHYTHMS = frozenset(
    ("SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE", "SVARR", "BIGU", "AFLT", "SVTAC", "PSVT", "TRIGU")
)
BY_RHYTHM = frozenset(("Sinus rhythm", "Atrial fibrillation", "Atrial flutter", "Electronic pacemaker"))
STATEMENTS: dict[str, frozenset[str]] = {
    "Sinus rhythm": frozenset(("SR", "STACH", "SBRAD", "SARRH")),
    "Premature ventricular contraction": frozenset(("PVC", "BIGU", "TRIGU")),
    "Tachycardia": frozenset(("STACH", "SVTAC", "PSVT")),
    "Atrial fibrillation": frozenset(("AFIB",)),
    "Atrial flutter": frozenset(("AFLT",)),
    "Bradycardia": frozenset(("SBRAD",)),
    "Accessory pathway conduction": frozenset(("WPW",)),
    "Atrioventricular block": frozenset(("1AVB", "2AVB", "3AVB")),
    "1st degree atrioventricular block": frozenset(("1AVB",)),
    "Right bundle branch block": frozenset(("CRBBB",)),
    "Left bundle branch block": frozenset(("CLBBB",)),
    "Infarction": frozenset(("IMI", "ASMI", "ILMI", "AMI", "ALMI", "LMI", "IPLMI", "IPMI", "PMI")),
    "Electronic pacemaker": frozenset(("PACE",)),
}
#: Statements that are learnt beside the labels, because they share their causes; they are never given out.
AUXILIARY = (
    "NORM",
    "NDT",
    "LVH",
    "LAFB",
    "ABQRS",
    "ISC_",
    "ASMI",
    "IRBBB",
    "IMI",
    "STD_",
    "IVCD",
    "ISCAL",
    "SARRH",
    "NST_",
    "LAO/LAE",
    "LOWT",
    "INVT",
    "QWAVE",
    "PAC",
    "LPR",
)


def labels_of(statements: Collection[str]) -> Targets:
    """float32 [17]: 1 stated, 0 not stated, NaN where PTB-XL's statements do not tell."""
    said = frozenset(statements)
    known = np.full(len(LABEL_NAMES), np.nan, dtype=np.float32)
    for index, name in enumerate(LABEL_NAMES):
        if name in STATEMENTS and (name not in BY_RHYTHM or said & RHYTHMS):
            known[index] = bool(said & STATEMENTS[name])
    right = "CRBBB" in said
    known[LABEL_NAMES.index("Bifascicular block")] = right and bool(said & {"LAFB", "LPFB"})
    return known


def auxiliary_of(statements: Collection[str]) -> Targets:
    """float32 [len(AUXILIARY)]: 1 stated, 0 not stated."""
    return np.array([code in statements for code in AUXILIARY], dtype=np.float32)
