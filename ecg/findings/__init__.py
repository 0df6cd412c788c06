"""Rule-based findings: each of the 17 ECG-FM labels present, absent or not decidable, with its evidence.

Criteria and their sources are in docs/rules.md.
"""

from collections.abc import Callable

from ecg.findings import conduction, infarction, rhythm, ventricular
from ecg.findings.confounders import undecidable_because
from ecg.findings.evidence import Evidence, gather
from ecg.findings.finding import Contradiction, Finding
from ecg.findings.vocabulary import Label
from ecg.measurement.intervals import Measurements
from ecg.quality import Quality
from ecg.record import EcgRecord

__all__ = ["Contradiction", "Finding", "contradictions", "find"]

POOR = "the recording is of poor quality: nothing is decided"

#: Every label but the quality's own.
_RULES: dict[Label, Callable[[Evidence], Finding]] = {
    Label.SINUS_RHYTHM: rhythm.sinus_rhythm,
    Label.PREMATURE_VENTRICULAR: ventricular.premature_ventricular,
    Label.TACHYCARDIA: rhythm.tachycardia,
    Label.VENTRICULAR_TACHYCARDIA: ventricular.ventricular_tachycardia,
    Label.ABERRANT_TACHYCARDIA: ventricular.aberrant_tachycardia,
    Label.ATRIAL_FIBRILLATION: rhythm.atrial_fibrillation,
    Label.ATRIAL_FLUTTER: rhythm.atrial_flutter,
    Label.BRADYCARDIA: rhythm.bradycardia,
    Label.ACCESSORY_PATHWAY: conduction.accessory_pathway,
    Label.AV_BLOCK: conduction.av_block,
    Label.FIRST_DEGREE_AV_BLOCK: conduction.first_degree,
    Label.BIFASCICULAR_BLOCK: conduction.bifascicular_block,
    Label.RIGHT_BUNDLE_BRANCH_BLOCK: conduction.right_bundle_branch_block,
    Label.LEFT_BUNDLE_BRANCH_BLOCK: conduction.left_bundle_branch_block,
    Label.INFARCTION: infarction.infarction,
    Label.PACEMAKER: rhythm.pacemaker,
}


def find(record: EcgRecord, measurements: Measurements, quality: Quality) -> tuple[Finding, ...]:
    """The 17 labels in the order of `ecg.labels.LABELS`.

    On a recording of poor quality only that is said, and the other labels are not decided.
    """
    poor = Label.POOR_QUALITY
    if not quality.acceptable:
        causes = ", ".join(dict.fromkeys(cause.code for cause in quality.causes if cause.grade == "Poor"))
        about = Finding(poor, True, f"signal quality is {quality.grade}: {causes or 'see quality'}")
        return tuple(about if name == poor else Finding(name, None, POOR) for name in Label)
    evidence = gather(record, measurements, quality)
    about = Finding(poor, False, f"signal quality is {quality.grade}")
    return tuple(about if name == poor else _decide(name, evidence) for name in Label)


def _decide(label: Label, evidence: Evidence) -> Finding:
    why = undecidable_because(label, evidence)
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
