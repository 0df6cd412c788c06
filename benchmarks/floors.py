"""The simulator set's figures may only get better: floors.json holds the worst that is allowed, by figure."""

import json
import math
from pathlib import Path

from benchmarks.simulator_set import Case, rows
from ecg.simulation.render import VERSION

PATH = Path(__file__).parent / "floors.json"


def figures(cases: list[Case]) -> dict[str, float]:
    """Every figure that has a floor, smaller is better: |bias|, SD, missed and invented of each parameter.

    Rounded up to a tenth, so that another processor's last digits do not count as a breach.
    """
    found: dict[str, float] = {}
    for row in rows(cases):
        found[f"{row.parameter}.bias"] = _up(abs(row.bias))
        found[f"{row.parameter}.sd"] = _up(row.sd)
        found[f"{row.parameter}.missed"] = row.missed
        found[f"{row.parameter}.invented"] = row.invented
    return found


def breaches(found: dict[str, float], kind: str) -> list[str]:
    """Sentences about figures that are worse than their floor; `kind` is ``"whole"`` or ``"reduced"``.

    A simulator that draws other recordings needs floors of its own: they are kept by its version.
    """
    allowed = _read().get(f"{kind}, simulator {VERSION}")
    if allowed is None:
        return [f"no floors for the {kind} set of simulator version {VERSION}: run with --raise-floors"]
    return [f"{name} is {found[name]:g}, floor {floor:g}" for name, floor in allowed.items() if found[name] > floor]


def raise_to(found: dict[str, float], kind: str) -> None:
    """Write each figure that is better than its floor."""
    table = _read()
    key = f"{kind}, simulator {VERSION}"
    table[key] = {name: min(value, table.get(key, {}).get(name, math.inf)) for name, value in found.items()}
    PATH.write_text(json.dumps(table, indent=1) + "\n")


def _read() -> dict[str, dict[str, float]]:
    return json.loads(PATH.read_text()) if PATH.exists() else {}


def _up(value: float) -> float:
    return math.ceil(value * 10) / 10
