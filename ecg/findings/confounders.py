"""Confounders: while one is not excluded, the labels it affects are undecided."""

from collections.abc import Callable

from ecg.findings.evidence import Evidence
from ecg.findings.vocabulary import Label

Doubt = Callable[[Evidence], str | None]
_ATRIOVENTRICULAR = frozenset(
    {Label.SINUS_RHYTHM, Label.ACCESSORY_PATHWAY, Label.AV_BLOCK, Label.FIRST_DEGREE_AV_BLOCK}
)
_WIDE = frozenset(
    {Label.BIFASCICULAR_BLOCK, Label.RIGHT_BUNDLE_BRANCH_BLOCK, Label.LEFT_BUNDLE_BRANCH_BLOCK, Label.INFARCTION}
)


def undecidable_because(label: str, evidence: Evidence) -> str | None:
    """Why a label is not decidable whatever its own criteria say; None when they decide."""
    return next((why for find, labels in _DOUBTS if label in labels and (why := find(evidence)) is not None), None)


def _pacing(evidence: Evidence) -> str | None:
    if not evidence.pacing_open:
        return None
    width = (
        "has no clear edges" if evidence.qrs is None else f"of {evidence.qrs:.0f} ms could be a paced one, or its spike"
    )
    return f"the QRS complex {width}; spikes do not show at this bandwidth: a pacemaker is not excluded"


def _flutter(evidence: Evidence) -> str | None:
    if evidence.paced or evidence.flutter or not (evidence.may_flutter or evidence.oscillates):
        return None
    explained = 100 * (evidence.atria.flutter_fit_with_t or 0.0)
    return (
        f"a regular rhythm of {evidence.heart_rate:.0f} bpm and an atrial oscillation of "
        f"{evidence.atria.flutter_per_min:.0f}/min that explains {explained:.0f} % of the activity between the QRS "
        "complexes: flutter conducted in a fixed ratio is not excluded"
    )


_DOUBTS: tuple[tuple[Doubt, frozenset[str]], ...] = (
    (_pacing, _ATRIOVENTRICULAR | _WIDE),
    (_flutter, _ATRIOVENTRICULAR | {Label.ATRIAL_FLUTTER, Label.INFARCTION}),
)
