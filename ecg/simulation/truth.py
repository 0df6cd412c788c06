"""What is known exactly about a simulated recording."""

from dataclasses import asdict, dataclass
from typing import Any

from ecg.simulation.rhythm import BeatKind
from ecg.simulation.scenario import Scenario


@dataclass(frozen=True)
class BeatTruth:
    """One beat: marks in seconds from the first sample; P marks are None without a P wave of its own."""

    kind: BeatKind
    r_s: float
    p_on_s: float | None
    p_off_s: float | None
    qrs_on_s: float
    qrs_off_s: float
    t_on_s: float | None
    t_off_s: float | None


Span = tuple[float, float]


@dataclass(frozen=True)
class LeadSpans:
    """Where the waves of one beat kind are seen in one lead, as fractions of the wave over all leads; None: unseen."""

    kind: BeatKind
    lead: str
    p: Span | None
    qrs: Span | None
    t: Span | None


@dataclass(frozen=True)
class Truth:
    """Everything that is exact about a recording.

    Attributes
    ----------
    scenario, seed, version
        What it was made from; equal ones give equal samples.
    beats
        Those whose R lies in the recording, in order. A mark may lie outside it.
    lone_p_s
        Onsets of P waves that no beat follows.
    spikes_s
        Onsets of pacemaker spikes.
    lead_spans
        See `lead_marks`.
    heart_rate_bpm
        60 over the mean RR of `beats`; None under two beats.
    pr_ms, qrs_ms, qt_ms
        Of the dominant beats (mean); PR None without P waves that conduct.
    p_axis_deg, qrs_axis_deg, t_axis_deg
        Frontal axes of the dominant beat by net area (lead I against 2/√3 aVF), as the heart has them: a lead
        reversal does not change them.
    """

    scenario: Scenario
    seed: int
    version: int
    beats: tuple[BeatTruth, ...]
    lone_p_s: tuple[float, ...]
    spikes_s: tuple[float, ...]
    lead_spans: tuple[LeadSpans, ...]
    heart_rate_bpm: float | None
    pr_ms: float | None
    qrs_ms: float
    qt_ms: float
    p_axis_deg: float | None
    qrs_axis_deg: float
    t_axis_deg: float

    @property
    def lead_reversal(self) -> str | None:
        """The electrodes that are exchanged, such as ``"LA/RA"``, or None."""
        return next((a.at for a in self.scenario.artefacts if a.kind == "reversal"), None)

    def lead_marks(self, lead: str) -> tuple[BeatTruth | None, ...]:
        """Per beat the marks as seen in one lead; None for a beat whose QRS, and mark pairs None whose wave, is unseen.

        R stays the time over all leads. Lead reversals and artefacts are not applied.
        """
        spans = {s.kind: s for s in self.lead_spans if s.lead == lead}
        return tuple(_in_lead(beat, spans[beat.kind]) for beat in self.beats)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with the reversal spelled out."""
        return asdict(self) | {"lead_reversal": self.lead_reversal}


def _in_lead(beat: BeatTruth, spans: LeadSpans) -> BeatTruth | None:
    qrs = _within(beat.qrs_on_s, beat.qrs_off_s, spans.qrs)
    if qrs[0] is None or qrs[1] is None:
        return None
    p = _within(beat.p_on_s, beat.p_off_s, spans.p)
    t = _within(beat.t_on_s, beat.t_off_s, spans.t)
    return BeatTruth(beat.kind, beat.r_s, p[0], p[1], qrs[0], qrs[1], t[0], t[1])


def _within(on: float | None, off: float | None, span: Span | None) -> tuple[float | None, float | None]:
    if on is None or off is None or span is None:
        return None, None
    return on + span[0] * (off - on), on + span[1] * (off - on)
