"""The answer of a rule (`Finding`) and a score of the model that it speaks against (`Contradiction`)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One of the 17 labels, or one of the statements beyond them, as the rules see it.

    Attributes
    ----------
    label
        Its name: of `Label` or of `Term`.
    present
        True, False, or None when the measurements do not decide.
    evidence
        A sentence with the numbers and the criterion.
    source
        Where the criterion comes from; empty for the 17 labels, whose sources stand in docs/rules.md.
    not_excluded
        What else the same measurements could be, where the finding is decided and something rare would undo it: names
        such as ``"Electronic pacemaker"``.
    """

    label: str
    present: bool | None
    evidence: str
    source: str = ""
    not_excluded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", str(self.label))  # a plain string: JSON takes no other keys


@dataclass(frozen=True)
class Contradiction:
    """A label of the model that the measurements speak against: its score there, and the sentence that says why."""

    label: str
    model: float
    evidence: str
