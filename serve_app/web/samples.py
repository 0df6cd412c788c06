"""The simulated recordings that the page offers."""

from functools import cache

import orjson

from ecg.errors import UnknownRecording
from ecg.formats.writers import wire_body
from ecg.simulation import simulate
from ecg.simulation.catalogue import SCENARIOS

#: Scenario and title by the name in the address.
SAMPLES = {
    "sinus": ("sinus", "Sinus rhythm"),
    "atrial-fibrillation": ("atrial_fibrillation", "Atrial fibrillation"),
    "left-bundle-branch-block": ("lbbb", "Left bundle branch block"),
    "inferior-infarction": ("st_elevation_inferior", "Inferior infarction"),
    "paced": ("paced_dual", "Pacemaker"),
    "noisy": ("ambulance", "Noisy, on the way to hospital"),
}


def listing() -> dict[str, list[dict[str, str]]]:
    """Name and title of every sample, JSON-ready."""
    return {"samples": [{"name": name, "title": title} for name, (_, title) in SAMPLES.items()]}


@cache
def sample(name: str) -> bytes:
    """The JSON request body of a sample. Raises `UnknownRecording` for a name that is none."""
    if name not in SAMPLES:
        raise UnknownRecording("No such sample.", "name", list(SAMPLES), name[:100])
    return orjson.dumps(wire_body(simulate(SCENARIOS[SAMPLES[name][0]]).record))
