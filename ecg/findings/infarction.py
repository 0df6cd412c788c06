"""Infarction, as far as Q waves tell: Thygesen et al., fourth universal definition of myocardial infarction (2018)."""

from ecg.findings.conduction import accessory_pathway, left_bundle_branch_block
from ecg.findings.evidence import Evidence
from ecg.findings.finding import Finding
from ecg.findings.limits import INFARCTION
from ecg.findings.ventricular import ventricular_tachycardia
from ecg.findings.vocabulary import Label

#: Leads that look at one wall, neighbours adjacent.
GROUPS = {
    "inferior": ("II", "III", "aVF"),
    "lateral": ("I", "aVL"),
    "anterior": ("V1", "V2", "V3", "V4", "V5", "V6"),
}


def infarction(evidence: Evidence) -> Finding:  # noqa: PLR0911 (one return an outcome)
    """Pathological Q waves in two neighbouring leads; without them nothing is said, as they prove no absence."""
    label = Label.INFARCTION
    if evidence.paced:
        return Finding(label, None, "the ventricles are paced: Q waves are not read")
    if left_bundle_branch_block(evidence).present is not False:
        return Finding(label, None, "left bundle branch block is not excluded: Q waves are not read")
    pre_excited = accessory_pathway(evidence).present is not False and evidence.pr is not None
    if pre_excited or ventricular_tachycardia(evidence).present is not False:
        return Finding(label, None, "pre-excitation or a wide tachycardia: Q waves are not read")
    if evidence.reversal is not None:
        return Finding(label, None, f"the electrodes {evidence.reversal} seem exchanged: Q waves are not read")
    if evidence.flutter:
        return Finding(label, None, "flutter waves run into the QRS complex: Q waves are not read")
    low, high = INFARCTION.axis_low, INFARCTION.axis_high
    if evidence.qrs_axis is None or not low < evidence.qrs_axis <= high:
        axis = "not known" if evidence.qrs_axis is None else f"{evidence.qrs_axis:.0f}°"
        words = f"the QRS axis is {axis}, not between {low:.0f}° and {high:.0f}°"
        return Finding(label, None, f"{words}: hemiblock or a turned heart makes Q waves, too")
    if evidence.p_axis is not None and not evidence.p_upright():
        return Finding(
            label,
            None,
            f"P axis {evidence.p_axis:.0f}°, not upright in I and II: the polarity of the leads is not certain",
        )
    if not evidence.shapes or not evidence.unit_known:
        return Finding(label, None, "Q waves are not measurable without QRS edges and a unit")
    for wall, leads in GROUPS.items():
        marks = [lead in evidence.shapes and _pathological(lead, evidence) for lead in leads]
        for first, second in zip(range(len(leads) - 1), range(1, len(leads)), strict=True):
            if marks[first] and marks[second]:
                found = [lead for lead, mark in zip(leads, marks, strict=True) if mark]
                depths = ", ".join(f"{lead} {evidence.shapes[lead].q_ms:.0f} ms" for lead in found)
                return Finding(label, True, f"pathological Q waves in neighbouring {wall} leads: {depths}")
    return Finding(label, None, "no pathological Q waves in neighbouring leads; that does not exclude an infarction")


def _pathological(lead: str, evidence: Evidence) -> bool:
    shape = evidence.shapes[lead]
    if lead == "V1":  # a QS complex in V1 is common in healthy hearts
        return False
    if lead in ("V2", "V3"):
        return shape.q_only or shape.q_ms > INFARCTION.q_ms_v2_v3
    deep = shape.q_depth >= INFARCTION.q_mv and (shape.q_only or shape.q_depth >= INFARCTION.q_share * shape.r)
    return deep and shape.q_ms >= INFARCTION.q_ms
