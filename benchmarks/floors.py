"""Figures of the conformance report may only get better: floors.json holds the worst that is allowed, by figure.

The kinds are ``"whole"`` and ``"reduced"`` for the simulator sets, ``"reference"`` for the reference recordings.
"""

import json
import math
from pathlib import Path

from benchmarks.simulator_set import Case, rows

PATH = Path(__file__).parent / "floors.json"


def figures(cases: list[Case]) -> dict[str, float]:
    """Every figure of the simulator set that has a floor, smaller is better.

    |bias|, SD, missed and invented of each parameter.

    Bias and SD are rounded up, to a tenth of a beat per minute or half a millisecond or degree, so that neither another
    processor's last digits nor a redrawn wave counts as a breach.
    """
    found: dict[str, float] = {}
    for row in rows(cases):
        step = 0.1 if row.unit == "bpm" else 0.5
        found[f"{row.parameter}.bias"] = _up(abs(row.bias), step)
        found[f"{row.parameter}.sd"] = _up(row.sd, step)
        found[f"{row.parameter}.missed"] = row.missed
        found[f"{row.parameter}.invented"] = row.invented
    return found


def breaches(found: dict[str, float], kind: str) -> list[str]:
    """Sentences about figures that are worse than their floor; `kind` is one of the module's."""
    allowed = _read().get(kind)
    if allowed is None:
        return [f"no floors for the {kind} set: run with --raise-floors"]
    both = [(name, found[name], floor) for name, floor in allowed.items() if name in found]
    return [f"{name} is {value:g}, floor {floor:g}" for name, value, floor in both if value > floor]


def raise_to(found: dict[str, float], kind: str) -> None:
    """Write each figure that is better than its floor."""
    table = _read()
    allowed = table.get(kind, {})
    table[kind] = {name: min(value, allowed.get(name, math.inf)) for name, value in found.items()}
    PATH.write_text(json.dumps(table, indent=1) + "\n")


def _read() -> dict[str, dict[str, float]]:
    return json.loads(PATH.read_text()) if PATH.exists() else {}


def _up(value: float, step: float) -> float:
    return round(math.ceil(value / step - 1e-9) * step, 1)
