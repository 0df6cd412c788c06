"""Confounders: what else could make the same measurements, and which findings it would undo.

A rare one is named beside the finding (`not_excluded`). A finding stays undecided (`undecidable_because`) only where
its own evidence is of two minds.
"""

from ecg.findings.evidence import Evidence
from ecg.findings.vocabulary import Label

_ATRIOVENTRICULAR = frozenset(
    {Label.SINUS_RHYTHM, Label.ACCESSORY_PATHWAY, Label.AV_BLOCK, Label.FIRST_DEGREE_AV_BLOCK}
)
_WIDE = frozenset(
    {Label.BIFASCICULAR_BLOCK, Label.RIGHT_BUNDLE_BRANCH_BLOCK, Label.LEFT_BUNDLE_BRANCH_BLOCK, Label.INFARCTION}
)
_PACED = _ATRIOVENTRICULAR | _WIDE
#: A long or short PR is not claimed while it may be that of a flutter wave.
_CLAIMS_OF_PR = frozenset({Label.ACCESSORY_PATHWAY, Label.AV_BLOCK, Label.FIRST_DEGREE_AV_BLOCK})
_OPEN_IN_FLUTTER = frozenset({Label.ATRIAL_FLUTTER, Label.INFARCTION})
_FLUTTER = _ATRIOVENTRICULAR | {Label.INFARCTION}


def undecidable_because(label: str, evidence: Evidence) -> str | None:
    """Why a label is not decidable whatever its own criteria say; None when they decide."""
    if label in _PACED and evidence.may_be_paced and evidence.pr is None:
        width = "has no clear edges" if evidence.qrs is None else f"of {evidence.qrs:.0f} ms could be a paced one"
        return (
            f"a regular rhythm without P waves whose QRS complex {width}; spikes do not show at this bandwidth: "
            "a pacemaker is not excluded"
        )
    if evidence.paced or evidence.flutter:
        return None
    flutters = evidence.oscillates and label in _FLUTTER | {Label.ATRIAL_FLUTTER}
    return _oscillation(evidence) if flutters or (evidence.may_flutter and label in _OPEN_IN_FLUTTER) else None


def not_excluded(label: str, evidence: Evidence) -> tuple[str, ...]:
    """Names of what would undo a decided finding and is not excluded by the measurements."""
    named: list[str] = []
    if label in _PACED and evidence.may_be_paced:
        named.append(Label.PACEMAKER.value)
    if label in _FLUTTER and evidence.may_flutter and not (evidence.paced or evidence.flutter):
        named.append(Label.ATRIAL_FLUTTER.value)
    return tuple(named)


def not_claimed_because(label: str, evidence: Evidence) -> str | None:
    """Why a label is not called present though its criteria are met; None when it is."""
    flutters = evidence.may_flutter and not (evidence.paced or evidence.flutter)
    return _oscillation(evidence) if flutters and label in _CLAIMS_OF_PR else None


def _oscillation(evidence: Evidence) -> str:
    explained = 100 * (evidence.atria.flutter_fit_with_t or 0.0)
    return (
        f"a regular rhythm of {evidence.heart_rate:.0f} bpm and an atrial oscillation of "
        f"{evidence.atria.flutter_per_min:.0f}/min that explains {explained:.0f} % of the activity between the QRS "
        "complexes: flutter conducted in a fixed ratio is not excluded"
    )
