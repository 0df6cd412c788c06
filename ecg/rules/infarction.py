"""Infarction, as far as Q waves tell: Thygesen et al., fourth universal definition of myocardial infarction (2018)."""

from ecg.rules.conduction import accessory_pathway, left_bundle_branch_block
from ecg.rules.evidence import Evidence
from ecg.rules.finding import Finding
from ecg.rules.rhythm import ventricular_tachycardia

#: Leads that look at one wall, neighbours adjacent.
GROUPS = {
    "inferior": ("II", "III", "aVF"),
    "lateral": ("I", "aVL"),
    "anterior": ("V1", "V2", "V3", "V4", "V5", "V6"),
}
Q_MS, Q_MV = 30.0, 0.1
Q_MS_V2_V3 = 20.0
Q_SHARE = (
    0.25  # of the lead's R: the older criterion, held besides the new one because III and aVL often show a small q
)


def infarction(e: Evidence) -> Finding:  # noqa: PLR0911 (one return an outcome)
    """Pathological Q waves in two neighbouring leads; without them nothing is said, as they prove no absence."""
    label = "Infarction"
    if e.paced:
        return Finding(label, None, "the ventricles are paced: Q waves are not read")
    if left_bundle_branch_block(e).present is True:
        return Finding(label, None, "left bundle branch block: Q waves are not read")
    if accessory_pathway(e).present is True or ventricular_tachycardia(e).present is not False:
        return Finding(label, None, "pre-excitation or a wide tachycardia: Q waves are not read")
    if e.reversal is not None:
        return Finding(label, None, f"the electrodes {e.reversal} seem exchanged: Q waves are not read")
    if not e.shapes or not e.unit_known:
        return Finding(label, None, "Q waves are not measurable without QRS edges and a unit")
    for wall, leads in GROUPS.items():
        marks = [lead in e.shapes and _pathological(lead, e) for lead in leads]
        for first, second in zip(range(len(leads) - 1), range(1, len(leads)), strict=True):
            if marks[first] and marks[second]:
                found = [lead for lead, mark in zip(leads, marks, strict=True) if mark]
                depths = ", ".join(f"{lead} {e.shapes[lead].q_ms:.0f} ms" for lead in found)
                return Finding(label, True, f"pathological Q waves in neighbouring {wall} leads: {depths}")
    return Finding(label, None, "no pathological Q waves in neighbouring leads; that does not exclude an infarction")


def _pathological(lead: str, e: Evidence) -> bool:
    shape = e.shapes[lead]
    if lead == "V1":  # a QS complex in V1 is common in healthy hearts
        return False
    if lead in ("V2", "V3"):
        return shape.q_only or shape.q_ms > Q_MS_V2_V3
    deep = shape.q_depth >= Q_MV and (shape.q_only or shape.q_depth >= Q_SHARE * shape.r)
    return deep and shape.q_ms >= Q_MS
