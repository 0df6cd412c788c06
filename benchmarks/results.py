"""The report as data: sections of tables and scatter plots."""

from dataclasses import dataclass, field
from datetime import datetime

from benchmarks.scoring import BeatMatch, Detection, Errors


@dataclass(frozen=True)
class Plot:
    """A scatter of errors: x and y by group, dashed lines at the allowed bounds, and lines at bias and bias ± 1.96 SD
    where `agreement` (bias, SD) is given.
    """

    title: str
    x_label: str
    y_label: str
    groups: dict[str, tuple[tuple[float, float], ...]]
    bounds: tuple[float, float] | None
    agreement: tuple[float, float] | None = None


NAMES = {
    "heart_rate": "Heart rate",
    "pr_interval": "PR interval",
    "qrs_duration": "QRS duration",
    "qt_interval": "QT interval",
    "qrs_axis": "QRS axis",
    "qrs_onset": "QRS onset",
    "qrs_offset": "QRS offset",
    "t_end": "T end",
}


@dataclass(frozen=True)
class Section:
    """One set of recordings.

    `beats` are by set; `counts` are further figures as (name, value, demand); `worst` names recordings to look at;
    `figures` are those with a floor, by name, smaller is better.
    """

    title: str
    intro: str
    errors: tuple[Errors, ...] = ()
    labels: tuple[Detection, ...] = ()
    beats: dict[str, BeatMatch] = field(default_factory=dict)
    counts: tuple[tuple[str, str, str], ...] = ()
    plots: tuple[Plot, ...] = ()
    worst: tuple[tuple[str, str], ...] = ()
    figures: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        return {
            "title": self.title,
            "errors": [row.to_dict() for row in self.errors],
            "labels": [row.to_dict() for row in self.labels],
            "beats": {name: row.to_dict() for name, row in self.beats.items()},
            "counts": [{"name": name, "value": value, "demand": demand} for name, value, demand in self.counts],
            "worst": [{"recording": name, "error": error} for name, error in self.worst],
        }


@dataclass(frozen=True)
class Report:
    """Everything that was measured, with the version that measured it and the CPU seconds it took."""

    version: str
    made: datetime
    cpu_s: float
    sections: tuple[Section, ...]

    def to_dict(self) -> dict[str, object]:
        return {
            "version": self.version,
            "made": self.made.isoformat(timespec="seconds"),
            "cpu_s": round(self.cpu_s, 1),
            "sections": [section.to_dict() for section in self.sections],
        }


def allowed(row: Errors) -> tuple[float, float] | None:
    """Between these, 95 % of the errors of a just allowed measurement lie."""
    if row.limit is None:
        return None
    reach = row.limit[0] + 1.96 * row.limit[1]
    return (-reach, reach)


def bland_altman(row: Errors, against: str) -> Plot:
    """Error against reference, with bias and limits of agreement."""
    title = f"{NAMES[row.parameter]}: error against {against}"
    labels = (f"reference, {row.unit}", f"measured − reference, {row.unit}")
    return Plot(title, *labels, {"": row.pairs}, allowed(row), (row.bias, row.sd))
