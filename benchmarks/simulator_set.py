"""The simulator's part of the conformance report: which recordings, and how far the measurements are from the truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from benchmarks.progress import shown
from benchmarks.results import NAMES, Plot, Section, allowed, bland_altman
from benchmarks.scoring import Errors, detection, errors
from ecg.errors import InvalidScenario
from ecg.labels import LABEL_NAMES
from ecg.pipeline import examine
from ecg.simulation import Artefact, Scenario, Simulation, simulate

#: Bias and SD allowed, in ms and degrees: IEC 60601-2-51 for its calibration signals, with a narrower QT; axis ours.
LIMITS = {
    "heart_rate": (1.0, 1.0),
    "pr_interval": (8.0, 8.0),
    "qrs_duration": (6.0, 5.0),
    "qt_interval": (10.0, 10.0),
    "qrs_axis": (3.0, 3.0),
}
UNITS = {"heart_rate": "bpm", "qrs_axis": "°"}
RATES = (40, 55, 70, 85, 105, 120, 150, 180)
#: Baseline wander (peak), muscle (SD) and mains (peak) in mV at each electrode. A lead sees about √2 times as much: the
#: last is the noise of IEC 60601-2-51, 1 mV peak to peak of wander, 25 µV of high frequencies and 50 µV of mains.
NOISES = {"none": None, "low": (0.05, 0.004, 0.005), "middle": (0.15, 0.009, 0.015), "IEC": (0.35, 0.018, 0.035)}
SHAPES = {  # QRS durations, each shape at what it means in a heart
    "normal": (80, 104),
    "monophasic": (76, 110),
    "notched": (90, 116),
    "lbbb": (140, 170),
    "rbbb": (126, 150),
    "lafb": (96, 112),
    "lpfb": (96, 112),
    "preexcited": (116, 140),
    "inferior_q": (92, 106),
    "anterior_q": (92, 106),
}
PRS, T_SHAPES, AXES = (120, 160, 185, 260), ("upright", "inverted", "biphasic", "flat"), (None, -50, 0, 60, 100)
#: Rhythms without PR, at the rates they have in a heart, and the changes that belong to them.
WITHOUT_PR: dict[str, tuple[tuple[int, ...], dict[str, object]]] = {
    "af": (RATES, {}),
    "flutter": ((50, 60, 75, 105, 150), {}),
    "junctional": ((40, 55, 70), {}),
    "avb3": ((30, 40, 50), {}),
    "vt": ((120, 150, 180), {"qrs_ms": 150.0}),
    "paced": ((55, 70, 85, 105), {"qrs_ms": 160.0}),
}
OWN_AXIS = ("lbbb", "rbbb", "lafb", "lpfb")  # the axis belongs to the shape
P_ROOM_MS = 20.0  # a P wave that begins less than this after the T wave has no onset of its own


@dataclass(frozen=True)
class Case:
    """One measured recording: truth and measured value by parameter, None where there is none."""

    name: str
    rhythm: str
    shape: str
    rate: int
    noise: str
    truth: dict[str, float | None]
    measured: dict[str, float | None]
    p_is_clear: bool
    labels: tuple[str, ...]
    findings: dict[str, bool | None]


def scenarios() -> Iterator[tuple[str, str, Scenario]]:
    """Name, noise level and scenario of every recording: each shape at 8 rates × 4 noises, and rhythms without PR.

    PR, T shape and axis go round with the count, so that every one of them meets every shape.
    """
    number = 0
    for shape, rate, noise in product(SHAPES, RATES, NOISES):
        for qrs in SHAPES[shape]:
            number += 1
            pr = 95 if shape == "preexcited" else PRS[number % 4]
            pr = min(pr, round(0.3 * 60e3 / rate) if rate > 100 else pr)
            axis = None if shape in OWN_AXIS else AXES[number % 5]
            t_shape = "discordant" if shape in ("lbbb", "rbbb") else T_SHAPES[(number // 4) % 4]
            yield from _made(
                f"{shape} {rate}/min QRS {qrs} PR {pr} T {t_shape} noise {noise}",
                noise,
                heart_rate_bpm=rate,
                pr_ms=max(pr, 80),
                qrs_ms=qrs,
                shape=shape,
                t_shape=t_shape,
                qrs_axis_deg=axis,
                qt_ms=_qt_with_room(rate, max(pr, 80), qrs),
            )
    for rhythm, (rates, changes) in WITHOUT_PR.items():
        for rate, noise in product(rates, NOISES):
            yield from _made(f"{rhythm} {rate}/min noise {noise}", noise, rhythm=rhythm, heart_rate_bpm=rate, **changes)


def _qt_with_room(rate: int, pr: float, qrs: float) -> float:
    """The usual QT, or what leaves room for the next P wave, but never less than the QRS and its T wave need."""
    rr = 60e3 / rate
    return max(min(410.0 * (rr / 1e3) ** (1 / 3), rr - pr - P_ROOM_MS), qrs + 130.0, 240.0)


def _made(name: str, noise: str, **changes: object) -> Iterator[tuple[str, str, Scenario]]:
    level = NOISES[noise]
    artefacts = () if level is None else tuple(map(Artefact, ("baseline", "muscle", "mains50"), level))
    try:
        yield name, noise, Scenario(**changes, artefacts=artefacts)
    except InvalidScenario:
        return  # a long QT does not fit a high rate


def run(every: int = 1) -> list[Case]:
    """Every so many of the recordings, measured."""
    chosen = list(scenarios())[::every]
    numbered = shown(enumerate(chosen), "recordings", len(chosen))
    return [_case(name, noise, simulate(scenario, seed)) for seed, (name, noise, scenario) in numbered]


def rows(cases: list[Case]) -> list[Errors]:
    """`Errors` of each parameter. A P wave that begins before the T wave has ended is not asked for."""
    return [errors(name, UNITS.get(name, "ms"), _pairs(name, cases), limit) for name, limit in LIMITS.items()]


def _pairs(name: str, cases: list[Case]) -> list[tuple[float | None, float | None]]:
    if name != "pr_interval":
        return [(case.truth[name], case.measured[name]) for case in cases]
    asked = [case for case in cases if case.p_is_clear or case.truth[name] is None]
    return [(case.truth[name], case.measured[name]) for case in asked]


def section(cases: list[Case]) -> Section:
    """The simulator's chapter of the report."""
    table = rows(cases)
    labels = [
        detection(label, [(label in case.labels, case.findings[label]) for case in cases])
        for label in LABEL_NAMES
        if any(label in case.labels for case in cases)
    ]
    intervals = [row for row in table if row.parameter in ("pr_interval", "qrs_duration", "qt_interval")]
    plots = [bland_altman(row, "truth") for row in intervals]
    for row in intervals:
        for axis, label, words in (("rate", "bpm", "rate"), ("qrs", "true QRS duration, ms", "QRS duration")):
            by_noise = {noise: _points(cases, row.parameter, noise, axis) for noise in NOISES}
            plots.append(Plot(f"{NAMES[row.parameter]}: error by {words}", label, "error, ms", by_noise, allowed(row)))
    return Section(
        "Simulator",
        f"{len(cases)} recordings of 10 s with exact truth: {len(SHAPES)} QRS shapes at {len(RATES)} rates from "
        f"{RATES[0]} to {RATES[-1]}/min and {len(WITHOUT_PR)} rhythms without PR, at {len(NOISES)} noise levels up to "
        "that of IEC 60601-2-51. PR is asked for where the P wave begins after the T wave has ended; QT is not asked "
        "for in flutter.",
        errors=tuple(table),
        labels=tuple(labels),
        plots=tuple(plots),
        worst=_worst(cases),
    )


def _points(cases: list[Case], parameter: str, noise: str, axis: str) -> tuple[tuple[float, float], ...]:
    found = []
    for case in cases:
        truth, measured = case.truth[parameter], case.measured[parameter]
        x = case.rate if axis == "rate" else case.truth["qrs_duration"]
        asked = case.noise == noise and (parameter != "pr_interval" or case.p_is_clear)
        if asked and truth is not None and measured is not None and x is not None:
            found.append((float(x), measured - truth))
    return tuple(found)


def _worst(cases: list[Case]) -> tuple[tuple[str, str], ...]:
    """Missed and invented values first, then the largest errors in units of the allowed SD."""
    odd: list[tuple[float, str, str]] = []
    for case in cases:
        for name, (_, sd) in LIMITS.items():
            truth, measured = case.truth[name], case.measured[name]
            if truth is None and measured is not None and name == "pr_interval":
                odd.append((1e3, case.name, f"{name} invented: {measured:.0f}"))
            elif truth is not None and measured is None and (name != "pr_interval" or case.p_is_clear):
                odd.append((999.0, case.name, f"{name} missed, true {truth:.0f}"))
            elif truth is not None and measured is not None and (name != "pr_interval" or case.p_is_clear):
                error = (measured - truth + 180) % 360 - 180 if name == "qrs_axis" else measured - truth
                odd.append((abs(error) / sd, case.name, f"{name} {error:+.1f} {UNITS.get(name, 'ms')}"))
    return tuple((name, what) for _, name, what in sorted(odd, reverse=True)[:40])


def _case(name: str, noise: str, made: Simulation) -> Case:
    scenario, truth = made.truth.scenario, made.truth
    examination = examine(made.record)
    measured = {parameter: getattr(examination.measurements, parameter).value for parameter in LIMITS}
    dominant = [beat for beat in truth.beats if beat.p_on_s is not None]
    ends = [beat.t_off_s for beat in truth.beats if beat.t_off_s is not None]
    room = [1e3 * (beat.p_on_s - max((end for end in ends if end < beat.qrs_on_s), default=-1.0)) for beat in dominant]
    conducted = scenario.rhythm == "sinus"
    return Case(
        name,
        scenario.rhythm,
        scenario.shape,
        round(scenario.heart_rate_bpm),
        noise,
        {
            "heart_rate": truth.heart_rate_bpm,
            "pr_interval": truth.pr_ms if conducted else None,
            "qrs_duration": truth.qrs_ms,
            "qt_interval": truth.qt_ms if scenario.rhythm != "flutter" else None,  # the waves hide the end of T
            "qrs_axis": truth.qrs_axis_deg,
        },
        measured,
        bool(room) and min(room) >= 0.9 * P_ROOM_MS,
        _labels(made),
        {finding.label: finding.present for finding in examination.findings},
    )


def _labels(made: Simulation) -> tuple[str, ...]:
    """What the scenario is, of the 17 labels."""
    scenario, rate = made.truth.scenario, made.truth.heart_rate_bpm or 0.0
    labels = ["Tachycardia"] if rate > 100 else ["Bradycardia"] if rate < 60 else []
    by_rhythm = {
        "af": ["Atrial fibrillation"],
        "flutter": ["Atrial flutter"],
        "avb3": ["Atrioventricular block"],
        "vt": ["Ventricular tachycardia"] if rate > 100 else [],
        "paced": ["Electronic pacemaker"],
        "sinus": ["Sinus rhythm"],
    }
    labels += by_rhythm.get(scenario.rhythm, [])
    if scenario.rhythm == "sinus":
        if scenario.pr_ms > 200:
            labels += ["Atrioventricular block", "1st degree atrioventricular block"]
        by_shape = {
            "lbbb": "Left bundle branch block",
            "rbbb": "Right bundle branch block",
            "preexcited": "Accessory pathway conduction",
            "inferior_q": "Infarction",
            "anterior_q": "Infarction",
        }
        labels += [by_shape[scenario.shape]] if scenario.shape in by_shape else []
    return tuple(labels)
