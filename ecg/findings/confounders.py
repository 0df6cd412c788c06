"""What can make a whole recording ambiguous: while it is not excluded, the labels that hang on it are left open."""

from collections.abc import Callable

from ecg.findings.evidence import Evidence

Doubt = Callable[[Evidence], str | None]
_ATRIOVENTRICULAR = frozenset(
    {"Sinus rhythm", "Accessory pathway conduction", "Atrioventricular block", "1st degree atrioventricular block"}
)
_WIDE = frozenset({
    "Bifascicular block", "Right bundle branch block", "Left bundle branch block", "Infarction",
})  # fmt: skip


def doubt(label: str, e: Evidence) -> str | None:
    """Why a label is not decidable whatever its own criteria say; None when they decide."""
    return next((why for find, labels in _DOUBTS if label in labels and (why := find(e)) is not None), None)


def _pacing(e: Evidence) -> str | None:
    if not e.pacing_open:
        return None
    width = "has no clear edges" if e.qrs is None else f"of {e.qrs:.0f} ms could be a paced one, or its spike"
    return f"the QRS complex {width}; spikes do not show at this bandwidth: a pacemaker is not excluded"


def _flutter(e: Evidence) -> str | None:
    if e.paced or e.flutter or not (e.may_flutter or e.oscillates):
        return None
    return (
        f"a regular rhythm of {e.heart_rate:.0f} bpm and an atrial oscillation of {e.atria.flutter_per_min:.0f}/min "
        f"that explains {100 * (e.atria.flutter_fit_with_t or 0.0):.0f} % of the activity between the QRS complexes: "
        "flutter conducted in a fixed ratio is not excluded"
    )


_DOUBTS: tuple[tuple[Doubt, frozenset[str]], ...] = (
    (_pacing, _ATRIOVENTRICULAR | _WIDE),
    (_flutter, _ATRIOVENTRICULAR | {"Atrial flutter", "Infarction"}),
)
