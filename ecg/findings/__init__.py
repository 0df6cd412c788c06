"""Rule-based findings: each of the 17 ECG-FM labels present, absent or not decidable, with its evidence.

Criteria and their sources are in docs/rules.md.
"""

from collections.abc import Callable
from dataclasses import replace

from ecg.findings import conduction, infarction, rhythm, ventricular
from ecg.findings.confounders import not_claimed_because, not_excluded, undecidable_because
from ecg.findings.evidence import Evidence, gather
from ecg.findings.finding import Contradiction, Finding
from ecg.findings.statements import Person, statements, undecided
from ecg.findings.vocabulary import Label
from ecg.leads import STANDARD_LEADS
from ecg.measurement.intervals import Measurements
from ecg.quality import Quality
from ecg.record import EcgRecord

__all__ = ["Contradiction", "Finding", "Person", "answer", "contradictions", "find"]

POOR = "the recording is of poor quality: nothing is decided"

LOST = "the recording is of poor quality: lost leads leave this open"
LOST_LEADS = 2  # of twelve: rate and rhythm show in any of the others
_RHYTHM = frozenset(
    {
        Label.SINUS_RHYTHM,
        Label.TACHYCARDIA,
        Label.BRADYCARDIA,
        Label.ATRIAL_FIBRILLATION,
        Label.PREMATURE_VENTRICULAR,
        Label.FIRST_DEGREE_AV_BLOCK,
    }
)

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
    """The 17 labels in the order of `ecg.labels.LABELS`, as `answer` gives them."""
    return answer(record, measurements, quality)[0]


def answer(
    record: EcgRecord, measurements: Measurements, quality: Quality, person: Person | None = None
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The 17 labels in the order of `ecg.labels.LABELS`, and the statements beyond them.

    On a recording of poor quality only that is said, and what its other leads decide where two leads at most are lost
    or all are turned over: rate and rhythm. Everything else is then not decided. `person` is who the recording is of;
    None: what its file says (`Person.of`).
    """
    poor = Label.POOR_QUALITY
    if quality.acceptable:
        evidence = gather(record, measurements, quality)
        about = Finding(poor, False, f"signal quality is {quality.grade}")
        return _labels(about, frozenset(Label), evidence), statements(
            evidence, measurements, person or Person.of(record)
        )
    causes = ", ".join(dict.fromkeys(cause.code for cause in quality.causes if cause.grade == "Poor"))
    about = Finding(poor, True, f"signal quality is {quality.grade}: {causes or 'see quality'}")
    decided = _decided_without_the_lost(quality)
    if decided:
        return _labels(about, decided, gather(record, measurements, quality)), undecided(LOST)
    return tuple(about if name == poor else Finding(name, None, POOR) for name in Label), undecided(POOR)


def _labels(about: Finding, decided: frozenset[Label], evidence: Evidence) -> tuple[Finding, ...]:
    answers = {name: _decide(name, evidence) if name in decided else Finding(name, None, LOST) for name in _RULES}
    return tuple(about if name == Label.POOR_QUALITY else answers[name] for name in Label)


def _decided_without_the_lost(quality: Quality) -> frozenset[Label]:
    """The labels that a poor recording still decides; none where it is poor as a whole."""
    whole = {cause.code for cause in quality.causes if cause.grade == "Poor" and cause.lead is None}
    lost = {lead.lead for lead in quality.per_lead if lead.grade == "Poor"}
    if whole - {"inverted"} or len(lost) > LOST_LEADS or len(quality.per_lead) < len(STANDARD_LEADS):
        return frozenset()
    turned = bool(whole) or bool(lost & {"I", "II", "aVF"})
    return _RHYTHM - {Label.SINUS_RHYTHM} if turned else _RHYTHM


def _decide(label: Label, evidence: Evidence) -> Finding:
    why = undecidable_because(label, evidence)
    if why is not None:
        return Finding(label, None, why)
    finding = _RULES[label](evidence)
    if finding.present and (why := not_claimed_because(label, evidence)) is not None:
        return Finding(label, None, f"{finding.evidence}; {why}")
    return finding if finding.present is None else replace(finding, not_excluded=not_excluded(label, evidence))


def contradictions(scores: dict[str, float], findings: tuple[Finding, ...]) -> tuple[Contradiction, ...]:
    """Labels on which a trained model (score by label name, found from 0.5) and a decided rule disagree.

    A label without a score contradicts nothing, and neither does what the rules leave open: an incomplete bundle
    branch block, an infarction without Q waves.
    """
    return tuple(
        Contradiction(finding.label, scores[finding.label], _sentence(finding, scores[finding.label]))
        for finding in findings
        if finding.present is not None and finding.label in scores and (scores[finding.label] >= 0.5) != finding.present
    )


def _sentence(finding: Finding, score: float) -> str:
    said = "finds" if score >= 0.5 else "does not find"
    measured = "present" if finding.present else "absent"
    return f"The model {said} {finding.label} (score {score:.2f}); measured it is {measured}: {finding.evidence}."
