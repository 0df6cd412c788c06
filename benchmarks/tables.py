"""The report as tables on the terminal."""

from rich.console import Console
from rich.table import Table

from benchmarks.results import NAMES, Report, Section
from benchmarks.scoring import BeatMatch, Detection, Errors


def show(report: Report, console: Console) -> None:
    for section in report.sections:
        console.rule(section.title)
        console.print(section.intro, style="dim")
        if section.errors:
            columns = (
                "parameter",
                "unit",
                "n",
                "missed",
                "invented",
                "bias",
                "SD",
                "|e| p75",
                "|e| p95",
                "allowed",
                "",
            )
            _print(console, columns, [error_cells(row) for row in section.errors])
        if section.beats:
            columns = ("set", "records", "beats", "missed", "invented", "sensitivity", "PPV", "F1")
            _print(console, columns, [beat_cells(name, row) for name, row in section.beats.items()])
        if section.labels:
            columns = ("label", "pos", "found", "missed", "open", "sens.", "neg", "false", "open", "spec.")
            _print(console, columns, [label_cells(row) for row in section.labels])
        for name, value, demand in section.counts:
            console.print(f"{name}: {value} (demanded {demand})")
        _worst(section, console)


def _print(console: Console, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(*columns)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _worst(section: Section, console: Console) -> None:
    for name, what in section.worst[:10]:
        console.print(f"  {name}: {what}", style="dim")


def error_cells(row: Errors) -> tuple[str, ...]:
    digits = 2 if row.unit == "bpm" else 1
    allowed = "" if row.limit is None else f"{row.limit[0]:g}/{row.limit[1]:g}"
    verdict = {None: "", True: "within", False: "outside"}[row.within]
    numbers = (
        f"{row.bias:+.{digits}f}",
        *(f"{v:.{digits}f}" for v in (row.sd, row.percentile(75), row.percentile(95))),
    )
    return (NAMES[row.parameter], row.unit, str(row.n), str(row.missed), str(row.invented), *numbers, allowed, verdict)


def beat_cells(name: str, row: BeatMatch) -> tuple[str, ...]:
    counts = (row.records, row.matched + row.missed, row.missed, row.invented)
    return (name, *map(str, counts), f"{100 * row.sensitivity:.2f} %", f"{100 * row.ppv:.2f} %", f"{row.f1:.4f}")


def label_cells(row: Detection) -> tuple[str, ...]:
    sensitivity = "" if row.sensitivity is None else f"{row.sensitivity:.2f}"
    specificity = "" if row.specificity is None else f"{row.specificity:.3f}"
    return (
        row.label,
        str(row.positives),
        str(row.found),
        str(row.missed),
        str(row.open_positive),
        sensitivity,
        str(row.negatives),
        str(row.false),
        str(row.open_negative),
        specificity,
    )
