"""What the measurements say about the 17 ECG-FM labels: present, absent or not decidable, each with its evidence.

Criteria and their sources are in docs/rules.md.
"""

from collections.abc import Callable

from ecg.findings import conduction, infarction, rhythm
from ecg.findings.confounders import doubt
from ecg.findings.evidence import Evidence, gather
from ecg.findings.finding import Contradiction, Finding
from ecg.labels import LABEL_NAMES
from ecg.measurement.intervals import Measurements
from ecg.quality import Quality
from ecg.record import EcgRecord

__all__ = ["Contradiction", "Finding", "contradictions", "find"]

POOR = "the recording is of poor quality: nothing is decided"

#: Every label but the quality's own.
_RULES: dict[str, Callable[[Evidence], Finding]] = {
    "Sinus rhythm": rhythm.sinus_rhythm,
    "Premature ventricular contraction": rhythm.premature_ventricular,
    "Tachycardia": rhythm.tachycardia,
    "Ventricular tachycardia": rhythm.ventricular_tachycardia,
    "Supraventricular tachycardia with aberrancy": rhythm.aberrant_tachycardia,
    "Atrial fibrillation": rhythm.atrial_fibrillation,
    "Atrial flutter": rhythm.atrial_flutter,
    "Bradycardia": rhythm.bradycardia,
    "Accessory pathway conduction": conduction.accessory_pathway,
    "Atrioventricular block": conduction.av_block,
    "1st degree atrioventricular block": conduction.first_degree,
    "Bifascicular block": conduction.bifascicular_block,
    "Right bundle branch block": conduction.right_bundle_branch_block,
    "Left bundle branch block": conduction.left_bundle_branch_block,
    "Infarction": infarction.infarction,
    "Electronic pacemaker": rhythm.pacemaker,
}


def find(record: EcgRecord, measurements: Measurements, quality: Quality) -> tuple[Finding, ...]:
    """The 17 labels in the order of `ecg.labels.LABELS`.

    On a recording of poor quality only that is said, and the other labels are not decided.
    """
    poor = "Poor data quality"
    if not quality.acceptable:
        causes = ", ".join(dict.fromkeys(cause.code for cause in quality.causes if cause.grade == "Poor"))
        about = Finding(poor, True, f"signal quality is {quality.grade}: {causes or 'see quality'}")
        return tuple(about if name == poor else Finding(name, None, POOR) for name in LABEL_NAMES)
    evidence = gather(record, measurements, quality)
    about = Finding(poor, False, f"signal quality is {quality.grade}")
    return tuple(about if name == poor else _decide(name, evidence) for name in LABEL_NAMES)


def _decide(label: str, evidence: Evidence) -> Finding:
    why = doubt(label, evidence)
    return _RULES[label](evidence) if why is None else Finding(label, None, why)


def contradictions(scores: dict[str, float], findings: tuple[Finding, ...]) -> tuple[Contradiction, ...]:
    """Labels on which a trained model (score by label name, found from 0.5) and a decided rule disagree.

    What the rules leave open contradicts nothing: an incomplete bundle branch block, an infarction without Q waves.
    """
    return tuple(
        Contradiction(finding.label, scores[finding.label], _sentence(finding, scores[finding.label]))
        for finding in findings
        if finding.present is not None and (scores[finding.label] >= 0.5) != finding.present
    )


def _sentence(finding: Finding, score: float) -> str:
    said = "finds" if score >= 0.5 else "does not find"
    measured = "present" if finding.present else "absent"
    return f"The model {said} {finding.label} (score {score:.2f}); measured it is {measured}: {finding.evidence}."
