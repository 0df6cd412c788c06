"""What is concluded: who may speak, and what follows from scores and findings."""

from dataclasses import replace

import numpy as np
import pytest

from ecg.errors import ModelNotReady, Overloaded
from ecg.labels import LABEL_NAMES
from ecg.models.contract import ModelIdentity, ModelResult
from ecg.pipeline import ALL, Examination, examine
from ecg.record import EcgRecord
from ecg.report import Conclusion, conclude
from ecg.report.analysis import Outcome, assemble
from ecg.report.conclusion import POOR, axis_deviation, weighed


@pytest.fixture(scope="module")
def examination(sinus: EcgRecord) -> Examination:
    return examine(sinus)


def clinical(trained: bool = True, **scores: float) -> ModelResult:
    """A clinical model that gives these labels their scores (names with underscores) and the others none."""
    named = {name.replace("_", " "): score for name, score in scores.items()}
    assert named.keys() <= set(LABEL_NAMES)
    values = np.array([named.get(name, 0.0) for name in LABEL_NAMES], np.float32)
    nothing = np.zeros(768, np.float32)
    return ModelResult(ModelIdentity("w", trained, "torch", "float32"), values, nothing, nothing)


def concluded(record: EcgRecord, examination: Examination, outcome: Outcome) -> Conclusion:
    return conclude(assemble(record, frozenset({"clinical"}), examination, {"clinical": outcome}, 0.0))


def test_a_trained_model_decides(sinus: EcgRecord, examination: Examination) -> None:
    said = clinical(Atrial_fibrillation=0.75, Sinus_rhythm=0.5, Infarction=0.5, Tachycardia=0.49)
    conclusion = concluded(sinus, examination, said)
    assert (conclusion.rhythm, conclusion.confidence, conclusion.source) == ("Atrial fibrillation", 0.75, "ecg-fm")
    assert conclusion.abnormalities == ("Atrial fibrillation", "Infarction")
    assert {c.label for c in conclusion.contradictions} >= {"Atrial fibrillation"}
    assert [label.name for label in conclusion.labels] == list(LABEL_NAMES)


def validated(**scores: float) -> ModelResult:
    """A calibrated model of which only these labels were validated."""
    result = clinical(**scores)
    named = {name.replace("_", " ") for name in scores}
    assert result.scores is not None
    values = np.where([name in named for name in LABEL_NAMES], result.scores, np.nan).astype(np.float32)
    return replace(result, scores=values, calibrated=True)


def test_a_calibrated_model_and_the_rules_decide_together(sinus: EcgRecord, examination: Examination) -> None:
    """The rules find sinus rhythm and no tachycardia; infarction they leave open."""
    rules = {finding.label: finding.present for finding in examination.findings}
    assert (rules["Sinus rhythm"], rules["Tachycardia"], rules["Infarction"]) == (True, False, None)
    conclusion = concluded(sinus, examination, validated(Sinus_rhythm=0.3, Tachycardia=0.8, Infarction=0.6))
    assert conclusion.source == "ecg-fm and rules"
    assert conclusion.rhythm == "Sinus rhythm"  # unlikely to the model alone; with the rule likelier than not
    assert conclusion.confidence == pytest.approx(0.3)
    assert conclusion.abnormalities == ("Infarction",)  # a rule against it outweighs the model's 0.8 of tachycardia
    assert {c.label for c in conclusion.contradictions} == {"Sinus rhythm", "Tachycardia"}  # both are shown


def test_a_sure_model_outweighs_a_rule(sinus: EcgRecord, examination: Examination) -> None:
    conclusion = concluded(sinus, examination, validated(Sinus_rhythm=0.01, Atrial_fibrillation=0.99))
    assert conclusion.rhythm == "Atrial fibrillation"


def test_labels_that_were_not_validated_stay_silent_and_say_why(sinus: EcgRecord, examination: Examination) -> None:
    conclusion = concluded(sinus, examination, validated(Sinus_rhythm=0.9))
    by_name = {label.name: label for label in conclusion.labels}
    assert by_name["Sinus rhythm"].calibrated
    assert by_name["Sinus rhythm"].reason is None
    silent = by_name["Ventricular tachycardia"]
    assert (silent.score, silent.calibrated, silent.reason) == (None, False, "not validated")


def test_a_label_says_what_rule_and_model_come_to_together(sinus: EcgRecord, examination: Examination) -> None:
    conclusion = concluded(sinus, examination, validated(Sinus_rhythm=0.3, Tachycardia=0.8))
    by_name = {label.name: label for label in conclusion.labels}
    rules = {finding.label: finding.present for finding in examination.findings}
    assert (rules["Sinus rhythm"], rules["Tachycardia"]) == (True, False)
    assert by_name["Sinus rhythm"].with_rules == pytest.approx(weighed(0.3, True))
    assert by_name["Tachycardia"].with_rules == pytest.approx(weighed(0.8, False))
    assert by_name["Infarction"].with_rules is None  # not validated


def test_what_is_not_calibrated_is_not_weighed(sinus: EcgRecord, examination: Examination) -> None:
    conclusion = concluded(sinus, examination, clinical(Sinus_rhythm=0.9))
    assert {label.with_rules for label in conclusion.labels} == {None}


@pytest.mark.parametrize(
    ("probability", "present", "odds"), [(0.5, None, 1.0), (0.5, True, 7.389), (0.9, False, 1.218)]
)
def test_a_rule_moves_the_odds_sevenfold(probability: float, present: bool | None, odds: float) -> None:
    moved = weighed(probability, present)
    assert moved / (1 - moved) == pytest.approx(odds, rel=1e-3)


def test_no_rhythm_above_the_cutoff_is_no_rhythm(sinus: EcgRecord, examination: Examination) -> None:
    conclusion = concluded(sinus, examination, clinical(Sinus_rhythm=0.49, Infarction=0.9))
    assert (conclusion.rhythm, conclusion.confidence) == (None, None)
    assert conclusion.abnormalities == ("Infarction",)


def test_an_untrained_model_never_speaks(sinus: EcgRecord, examination: Examination) -> None:
    conclusion = concluded(sinus, examination, clinical(trained=False, Atrial_fibrillation=1.0))
    assert (conclusion.rhythm, conclusion.source, conclusion.confidence) == ("Sinus rhythm", "rules", None)
    assert {label.score for label in conclusion.labels} == {None}
    assert any("clinical model is untrained" in warning for warning in conclusion.warnings)


def test_a_model_does_not_speak_about_a_poor_recording(sinus: EcgRecord, examination: Examination) -> None:
    poor = replace(examination, quality=replace(examination.quality, acceptable=False))
    conclusion = concluded(sinus, poor, clinical(Sinus_rhythm=1.0))
    assert conclusion.source == "rules"
    assert {label.score for label in conclusion.labels} == {None}
    assert POOR in conclusion.warnings


def test_a_feature_model_that_cannot_answer_is_a_warning(sinus: EcgRecord, examination: Examination) -> None:
    analysis = assemble(sinus, ALL, examination, {"clinical": clinical(), "features": ModelNotReady("it loads.")}, 0.0)
    assert "No features: it loads." in conclude(analysis).warnings
    assert analysis.feature_vector() is None


@pytest.mark.parametrize("include", [frozenset({"features"}), frozenset({"clinical"})])
def test_a_model_without_which_there_is_no_answer_is_an_error(
    sinus: EcgRecord, examination: Examination, include: frozenset[str]
) -> None:
    with pytest.raises(Overloaded):
        assemble(sinus, include, examination, dict.fromkeys(include, Overloaded("full")), 0.0)
    with pytest.raises(ModelNotReady):
        assemble(sinus, include, examination, {}, 0.0)


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (None, None),
        (-30, "Normal"),
        (90, "Normal"),
        (-30.1, "Left"),
        (-90, "Left"),
        (90.1, "Right"),
        (180, "Right"),
        (-90.1, "Extreme"),
    ],
)
def test_axis_deviation(degrees: float | None, expected: str | None) -> None:
    assert axis_deviation(degrees) == expected
