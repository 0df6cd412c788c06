"""Infarction, as far as Q waves tell: Thygesen et al., fourth universal definition of myocardial infarction (2018)."""

from ecg.findings.conduction import accessory_pathway, left_bundle_branch_block
from ecg.findings.evidence import Evidence
from ecg.findings.finding import Finding
from ecg.findings.rhythm import UPRIGHT_P, ventricular_tachycardia

#: Leads that look at one wall, neighbours adjacent.
GROUPS = {
    "inferior": ("II", "III", "aVF"),
    "lateral": ("I", "aVL"),
    "anterior": ("V1", "V2", "V3", "V4", "V5", "V6"),
}
NORMAL_AXIS = (-30.0, 90.0)  # beyond, hemiblock, a turned heart or right ventricular strain make Q waves, too
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
    if left_bundle_branch_block(e).present is not False:
        return Finding(label, None, "left bundle branch block is not excluded: Q waves are not read")
    pre_excited = accessory_pathway(e).present is not False and e.pr is not None
    if pre_excited or ventricular_tachycardia(e).present is not False:
        return Finding(label, None, "pre-excitation or a wide tachycardia: Q waves are not read")
    if e.reversal is not None:
        return Finding(label, None, f"the electrodes {e.reversal} seem exchanged: Q waves are not read")
    if e.flutter:
        return Finding(label, None, "flutter waves run into the QRS complex: Q waves are not read")
    low, high = NORMAL_AXIS
    if e.qrs_axis is None or not low < e.qrs_axis <= high:
        axis = "not known" if e.qrs_axis is None else f"{e.qrs_axis:.0f}°"
        return Finding(
            label, None,
            f"the QRS axis is {axis}, not between {low:.0f}° and {high:.0f}°: hemiblock or a turned heart makes "
            "Q waves, too",
        )  # fmt: skip
    if e.p_axis is not None and not UPRIGHT_P[0] <= e.p_axis <= UPRIGHT_P[1]:
        return Finding(
            label, None, f"P axis {e.p_axis:.0f}°, not upright in I and II: the polarity of the leads is not certain"
        )
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
