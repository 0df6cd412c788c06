"""Known-truth 12-lead recordings: sample data, load generator and calibration set."""

from ecg.simulation.catalogue import SCENARIOS
from ecg.simulation.render import Simulation, simulate
from ecg.simulation.scenario import Artefact, Scenario
from ecg.simulation.truth import BeatTruth, Truth

__all__ = ["SCENARIOS", "Artefact", "BeatTruth", "Scenario", "Simulation", "Truth", "simulate"]
