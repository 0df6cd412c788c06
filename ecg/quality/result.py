"""`Quality`: how far a recording can be trusted, and why."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Grade = Literal["Excellent", "Good", "Fair", "Poor"]
GRADES: tuple[Grade, ...] = ("Excellent", "Good", "Fair", "Poor")  # best first
CauseCode = Literal[
    "too_short",
    "missing_samples",
    "flat",
    "saturated",
    "clipped",
    "outlying",
    "baseline_wander",
    "motion",
    "mains",
    "muscle_noise",
    "spikes",
    "no_qrs",
    "limb_leads_inconsistent",
    "beat_detectors_disagree",
    "limb_lead_reversal",
    "precordial_order",
    "inverted",
    "implausible_amplitude",
    "too_few_beats",
    "identical_leads",
]


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong.

    `code` is stable; `lead` is None for the whole recording, and the pair of electrodes of a reversal; `figure` is
    what was measured, in `unit`; `grade` is the best grade that this cause leaves possible.
    """

    code: CauseCode
    lead: str | None
    figure: float
    unit: str
    grade: Grade


@dataclass(frozen=True)
class LeadQuality:
    """Grade of one lead and what lowered it, the worst first."""

    lead: str
    grade: Grade
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Quality:
    """Grade of a recording.

    Attributes
    ----------
    grade
        Excellent, Good, Fair or Poor.
    acceptable
        Whether a clinician could report the recording; False for Poor.
    causes
        Everything found, worst first. Excellent leaves room for minor findings in fewer than a quarter of the leads.
    per_lead
        In the order of the record's leads.
    lead_reversal
        Electrodes that seem exchanged: ``"LA/RA"``, ``"RA/LL"``, ``"LA/LL"``, or a precordial pair such as ``"V1/V2"``;
        ``"V1/-V1"`` for a lead turned over, ``"all leads"`` when all are; None if none.
    possible_reversal
        The same where the waves do not agree on it, as when the P wave alone says so: it may be a rhythm from
        another focus. Never beside a `lead_reversal`.
    """

    grade: Grade
    acceptable: bool
    causes: tuple[Cause, ...]
    per_lead: tuple[LeadQuality, ...]
    lead_reversal: str | None = None
    possible_reversal: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `per_lead` keyed by lead name."""
        per_lead = {
            lead.lead: {"grade": lead.grade, "causes": [asdict(c) for c in lead.causes]} for lead in self.per_lead
        }
        return asdict(self) | {"per_lead": per_lead}


def worst(grades: list[Grade]) -> Grade:
    """The lowest of the grades; Excellent for none."""
    return max(grades, key=GRADES.index, default="Excellent")
