"""`Conclusion`: what is said about a recording, from its measurements and what the models found."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ecg.findings import Contradiction, Finding, contradictions
from ecg.labels import LABELS
from ecg.models.calibration import NOT_VALIDATED
from ecg.models.contract import ModelResult
from ecg.quality import Quality
from ecg.report.analysis import Analysis

#: A label counts as found at this score: the balance point of the class-weighted training loss, or an even chance.
SCORE_CUTOFF = 0.5
#: How far a decided rule moves a calibrated probability, in log odds: a factor of seven. docs/model-card.md has what
#: rules and model find alone and together.
RULE_WEIGHT = 2.0
RHYTHMS = (
    "Sinus rhythm",
    "Atrial fibrillation",
    "Atrial flutter",
    "Ventricular tachycardia",
    "Supraventricular tachycardia with aberrancy",
    "Electronic pacemaker",
)
NOT_ABNORMAL = ("Sinus rhythm", "Poor data quality")
LIMB_REVERSAL = (
    "The limb electrodes {} seem to be exchanged: axes and limb-lead amplitudes are of the leads as recorded."
)
POSSIBLE_REVERSAL = "The limb electrodes {} may be exchanged, or the rhythm may come from an unusual focus."
INVERTED = "All leads {} turned over: signs and axes are of the leads as recorded."
POOR = "The recording is of poor quality: what its readable leads do not decide is indeterminate."
DERIVED = "{} were not recorded and are derived from I and II."
UNTRAINED = "The {} model is untrained (stand-in weights): its output carries no meaning."

Source = Literal["ecg-fm", "ecg-fm and rules", "rules"]
AxisDeviation = Literal["Normal", "Left", "Right", "Extreme"]


@dataclass(frozen=True)
class LabelScore:
    """A label of a model and its score, 0 to 1.

    Attributes
    ----------
    score
        None when the model may not speak: it is untrained, the recording is of poor quality, or, with `reason`, the
        label was not validated.
    calibrated
        Whether the score is a probability.
    reason
        Why there is no score, where that depends on the label.
    with_rules
        A calibrated score together with the rule of the label (`weighed`): what decides; None without either.
    """

    name: str
    score: float | None
    calibrated: bool = False
    reason: str | None = None
    with_rules: float | None = None


@dataclass(frozen=True)
class Conclusion:
    """What is said about one recording. All of it is worked out, also what was not asked for (`Analysis.include`).

    Attributes
    ----------
    rhythm
        One of `RHYTHMS`; None when none is found.
    abnormalities
        Labels that were found, in the order of `ecg.labels.LABELS`.
    confidence
        The model's score of `rhythm`; None from the rules.
    source
        Who decided rhythm and abnormalities: the clinical model, a calibrated model and the rules together (`weighed`),
        or the rules alone when the model may not speak or is absent.
    axis
        Of the QRS complex; None when it was not measured, or when exchanged electrodes make it doubtful.
    labels
        Every label of the clinical model in its order.
    additional
        The labels of each model in the role "additional", by its name; empty for one without labels.
    findings
        What the rules say of each label, with their evidence.
    statements
        What the rules say beyond the labels: ST, QTc, voltages, axis, incomplete blocks, hemiblocks, pauses.
    contradictions
        Where a trained model and the rules disagree.
    warnings
        Sentences that a reader of the answer must see.
    """

    rhythm: str | None
    abnormalities: tuple[str, ...]
    confidence: float | None
    source: Source
    axis: AxisDeviation | None
    labels: tuple[LabelScore, ...]
    additional: Mapping[str, tuple[LabelScore, ...]]
    findings: tuple[Finding, ...]
    statements: tuple[Finding, ...]
    contradictions: tuple[Contradiction, ...]
    warnings: tuple[str, ...]


def conclude(analysis: Analysis) -> Conclusion:
    """The conclusion of an analysis.

    A trained clinical model decides on a recording of acceptable quality; one whose scores are calibrated decides
    together with the rules; without such a model the rules decide.
    """
    examination = analysis.examination
    scores = _model_scores(analysis)
    reversal = _reversal_warning(examination.quality)
    clinical = analysis.result_as("clinical")
    source: Source = "rules"
    if scores is None or clinical is None:
        rhythm, abnormalities, confidence = _by_rules(examination.findings)
    elif clinical.calibrated:
        source = "ecg-fm and rules"
        rhythm, abnormalities, confidence = _together(scores, examination.findings)
    else:
        source = "ecg-fm"
        rhythm, abnormalities, confidence = _by_model(scores)
    return Conclusion(
        rhythm=rhythm,
        abnormalities=abnormalities,
        confidence=confidence,
        source=source,
        axis=None if reversal else axis_deviation(examination.measurements.qrs_axis.rounded),
        labels=_clinical_labels(scores, examination.findings, clinical is not None and clinical.calibrated),
        additional={
            name: _label_scores(analysis, name)
            for name in analysis.results
            if analysis.cards[name].role == "additional"
        },
        findings=examination.findings,
        statements=examination.statements,
        contradictions=() if scores is None else tuple(contradictions(scores, examination.findings)),
        warnings=_warnings(analysis, reversal),
    )


def axis_deviation(qrs_axis_deg: float | None) -> AxisDeviation | None:
    """Normal (-30 to 90 degrees), Left (-90 to -30), Right (90 to 180) or Extreme; None without an axis.

    AHA/ACCF/HRS recommendations, part III (2009).
    """
    if qrs_axis_deg is None:
        return None
    if -30 <= qrs_axis_deg <= 90:
        return "Normal"
    if -90 <= qrs_axis_deg < -30:
        return "Left"
    return "Right" if qrs_axis_deg > 90 else "Extreme"


def _model_scores(analysis: Analysis) -> dict[str, float] | None:
    """Score by label name, without labels that were not validated; None unless a trained clinical model answered on a
    recording of acceptable quality."""
    clinical = analysis.result_as("clinical")
    if clinical is None or clinical.scores is None or not _may_speak(analysis, clinical):
        return None
    named = zip(LABELS, clinical.scores, strict=True)
    return {label.name: float(score) for label, score in named if not math.isnan(score)}


def _clinical_labels(
    scores: dict[str, float] | None, findings: tuple[Finding, ...], calibrated: bool
) -> tuple[LabelScore, ...]:
    if scores is None:
        return tuple(LabelScore(label.name, None) for label in LABELS)
    together = _all_weighed(scores, findings) if calibrated else {}
    return tuple(
        LabelScore(label.name, scores[label.name], calibrated, with_rules=together.get(label.name))
        if label.name in scores
        else LabelScore(label.name, None, reason=NOT_VALIDATED)
        for label in LABELS
    )


def _label_scores(analysis: Analysis, name: str) -> tuple[LabelScore, ...]:
    result, labels = analysis.results[name], analysis.cards[name].labels
    if labels is None or result.scores is None:
        return ()
    speaks = _may_speak(analysis, result)
    return tuple(
        LabelScore(label.name, float(score) if speaks else None)
        for label, score in zip(labels, result.scores, strict=True)
    )


def _may_speak(analysis: Analysis, result: ModelResult) -> bool:
    return result.identity.trained and analysis.examination.quality.acceptable


def _by_rules(findings: tuple[Finding, ...]) -> tuple[str | None, tuple[str, ...], None]:
    present = [finding.label for finding in findings if finding.present]
    rhythm = next((name for name in present if name in RHYTHMS and name != "Sinus rhythm"), None)
    rhythm = rhythm or ("Sinus rhythm" if "Sinus rhythm" in present else None)
    return rhythm, tuple(name for name in present if name not in NOT_ABNORMAL), None


def _by_model(scores: dict[str, float]) -> tuple[str | None, tuple[str, ...], float | None]:
    rhythm = max(RHYTHMS, key=scores.__getitem__)
    abnormal = tuple(name for name, score in scores.items() if score >= SCORE_CUTOFF and name not in NOT_ABNORMAL)
    if scores[rhythm] < SCORE_CUTOFF:
        return None, abnormal, None
    return rhythm, abnormal, scores[rhythm]


def weighed(probability: float, present: bool | None) -> float:
    """A calibrated probability together with a rule of the same label: log odds moved by `RULE_WEIGHT` towards it.

    A rule that is open (None) moves nothing.
    """
    if present is None:
        return probability
    odds = math.exp(RULE_WEIGHT if present else -RULE_WEIGHT) * probability / max(1.0 - probability, 1e-9)
    return odds / (1.0 + odds)


def _all_weighed(scores: dict[str, float], findings: tuple[Finding, ...]) -> dict[str, float]:
    """`weighed` of each label that has a calibrated score, by name; one without a finding keeps its score."""
    return scores | {f.label: weighed(scores[f.label], f.present) for f in findings if f.label in scores}


def _together(
    scores: dict[str, float], findings: tuple[Finding, ...]
) -> tuple[str | None, tuple[str, ...], float | None]:
    """Rhythm, abnormalities and the model's probability of the rhythm; a label without probability is the rule's."""
    certain = _all_weighed(scores, findings)
    certain |= {f.label: 1.0 for f in findings if f.label not in scores and f.present}
    found = [label.name for label in LABELS if certain.get(label.name, 0.0) >= SCORE_CUTOFF]
    rhythms = [name for name in found if name in RHYTHMS]
    rhythm = max(rhythms, key=certain.__getitem__, default=None)
    return rhythm, tuple(name for name in found if name not in NOT_ABNORMAL), scores.get(rhythm or "")


def _reversal_warning(quality: Quality) -> str | None:
    """Why the axes are in doubt; None when they are not, and for precordial leads, which do not affect them."""
    named, possible = quality.lead_reversal, quality.possible_reversal
    if "all leads" in (named, possible):
        return INVERTED.format("seem to be" if named else "may be")
    if possible is not None:
        return POSSIBLE_REVERSAL.format(possible)
    return None if named is None or named.startswith("V") else LIMB_REVERSAL.format(named)


def _warnings(analysis: Analysis, reversal: str | None) -> tuple[str, ...]:
    warnings = list(analysis.notes)
    derived = analysis.record.derived_leads()
    if derived:
        warnings.append(DERIVED.format(", ".join(derived)))
    if not analysis.examination.quality.acceptable:
        warnings.append(POOR)
    if reversal:
        warnings.append(reversal)
    for name, result in analysis.results.items():
        if not result.identity.trained:
            warnings.append(UNTRAINED.format(analysis.cards[name].title))
    return tuple(warnings)
