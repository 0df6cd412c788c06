"""What the measurements say about the 17 ECG-FM labels: present, absent or not decidable, each with its evidence."""

from dataclasses import dataclass

from ecg.labels import LABEL_NAMES
from ecg.measure import Measurements
from ecg.quality import Quality


@dataclass(frozen=True)
class Finding:
    """One label as the rules see it.

    `present` is True, False, or None when the measurements do not decide; `evidence` is a sentence with the numbers
    and the criterion.
    """

    label: str
    present: bool | None
    evidence: str


@dataclass(frozen=True)
class Contradiction:
    """A label of the model that the measurements speak against."""

    label: str
    model: float
    evidence: str


def find(measurements: Measurements, quality: Quality) -> tuple[Finding, ...]:
    """The 17 labels in the order of `ecg.labels.LABELS`; none is decided on a recording of poor quality."""
    if not quality.acceptable:
        return tuple(Finding(name, None, "the recording is of poor quality") for name in LABEL_NAMES)
    rate = measurements.heart_rate.value
    decided = {}
    if rate is not None:
        decided["Tachycardia"] = Finding("Tachycardia", rate > 100, f"heart rate {rate:.0f} bpm; criterion > 100 bpm")
        decided["Bradycardia"] = Finding("Bradycardia", rate < 60, f"heart rate {rate:.0f} bpm; criterion < 60 bpm")
    return tuple(decided.get(name, Finding(name, None, "not decidable from the measurements")) for name in LABEL_NAMES)


def contradictions(scores: dict[str, float], findings: tuple[Finding, ...]) -> tuple[Contradiction, ...]:
    """Labels on which a trained model (score by label name) and a decided rule disagree."""
    return tuple(
        Contradiction(finding.label, scores[finding.label], finding.evidence)
        for finding in findings
        if finding.present is not None and (scores[finding.label] >= 0.5) != finding.present
    )
