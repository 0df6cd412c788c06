"""When atria and ventricles are activated: the beats of a scenario, before any sample is drawn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, get_args

import numpy as np

from ecg.simulation.scenario import Scenario

BeatKind = Literal["N", "A", "V", "/"]  # WFDB codes: normal, atrial premature, ventricular, paced
KINDS: tuple[BeatKind, ...] = get_args(BeatKind)
PAD_S = 2.5  # rhythm runs this long before and after the recording, so that no wave starts or ends at its edge
FLUTTER_PER_MIN = 300.0


@dataclass(frozen=True)
class Beat:
    """One ventricular activation at `qrs_on_s`; `p_on_s` is None without a P wave that belongs to it."""

    kind: BeatKind
    qrs_on_s: float
    p_on_s: float | None = None


@dataclass(frozen=True)
class Schedule:
    """All activations from `PAD_S` before to `PAD_S` after the recording, and what the atria do besides."""

    beats: tuple[Beat, ...]
    lone_p_s: tuple[float, ...] = ()  # onsets of P waves that no beat follows
    atrial_spikes_s: tuple[float, ...] = ()
    ventricular_spikes_s: tuple[float, ...] = ()
    flutter_hz: float | None = field(default=None)


def plan(scenario: Scenario, rng: np.random.Generator) -> Schedule:
    """The activations of `scenario`, deterministic for a given state of `rng`."""
    pr = scenario.pr_ms / 1e3
    match scenario.rhythm:
        case "wenckebach" | "mobitz2":
            return _second_degree(scenario)
        case "avb3" | "vt":
            kind: BeatKind = "V" if scenario.rhythm == "vt" else "N"
            beats = tuple(Beat(kind, at) for at in _regular(scenario, scenario.heart_rate_bpm))
            lone = tuple(at + 0.11 for at in _regular(scenario, scenario.atrial_rate_bpm))
            return Schedule(beats, lone)
        case "paced" | "paced_dual":
            on = _regular(scenario, scenario.heart_rate_bpm)
            dual = scenario.rhythm == "paced_dual"
            beats = tuple(Beat("/", at, at - pr if dual else None) for at in on)
            return Schedule(beats, (), tuple(at - pr for at in on) if dual else (), tuple(on))
        case "af":
            # RR without memory, coefficient of variation 0.2, never under the AV node's refractory time
            mean = 60.0 / scenario.heart_rate_bpm
            shortest = max(0.26, 0.6 * mean)
            return Schedule(
                tuple(Beat("N", at) for at in _walk(scenario, lambda _: max(shortest, rng.normal(mean, 0.2 * mean))))
            )
        case "flutter":
            ratio = max(1, round(FLUTTER_PER_MIN / scenario.heart_rate_bpm))
            flutter_hz = scenario.heart_rate_bpm * ratio / 60.0
            beats = tuple(Beat("N", at) for at in _regular(scenario, scenario.heart_rate_bpm))
            return Schedule(beats, flutter_hz=flutter_hz)
        case _:
            return Schedule(_conducted(scenario, rng))


def _conducted(scenario: Scenario, rng: np.random.Generator) -> tuple[Beat, ...]:
    """Sinus or junctional beats, every so many of them replaced by an ectopic one."""
    mean, sd, pr = 60.0 / scenario.heart_rate_bpm, scenario.rr_sd_ms / 1e3, scenario.pr_ms / 1e3

    def interval(at: float) -> float:
        respiratory = sd * np.sin(2 * np.pi * 0.25 * at)  # its standard deviation is sd / √2, as the other half's
        return float(np.clip(mean + respiratory + rng.normal(0.0, sd / np.sqrt(2)), 0.7 * mean, 1.5 * mean))

    beats: list[Beat] = []
    at = -PAD_S
    for index in count(1):
        if at > scenario.duration_s + PAD_S:
            return tuple(beats)
        p_on = None if scenario.rhythm == "junctional" else at - pr
        following = at + interval(at)
        if scenario.ectopy is None or index % scenario.ectopic_every:
            beats.append(Beat("N", at, p_on))
            at = following
            continue
        early = beats[-1].qrs_on_s + 0.66 * (at - beats[-1].qrs_on_s)
        if scenario.ectopy == "pvc":
            beats.append(Beat("V", early))
            at = following  # the sinus beat that was due is lost: full compensatory pause
        else:
            beats.append(Beat("A", early, early - pr))
            at = early + 1.08 * mean  # the sinus node is reset
    raise AssertionError("unreachable")


def _second_degree(scenario: Scenario) -> Schedule:
    pr, every = scenario.pr_ms / 1e3, scenario.conduction
    cycle = 60.0 / scenario.heart_rate_bpm
    beats, lone = [], []
    for index, p_on in enumerate(_regular(scenario, scenario.heart_rate_bpm)):
        place = index % every
        if place == every - 1:
            lone.append(p_on)
            continue
        # Wenckebach: PR grows by less each time, so that RR shortens before the pause
        longer = (
            sum(0.4 * cycle * 0.25 / step for step in range(1, place + 1)) if scenario.rhythm == "wenckebach" else 0
        )
        beats.append(Beat("N", p_on + pr + longer, p_on))
    return Schedule(tuple(beats), tuple(lone))


def _regular(scenario: Scenario, per_minute: float) -> list[float]:
    return list(_walk(scenario, lambda _: 60.0 / per_minute))


def _walk(scenario: Scenario, interval: Callable[[float], float]) -> Iterator[float]:
    at = -PAD_S
    while at <= scenario.duration_s + PAD_S:
        yield at
        at += interval(at)
