"""The simulator's part of the conformance report: which recordings, and how far the measurements are from the truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from ecg.errors import InvalidScenario
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
RATES = (40, 55, 70, 85, 100, 120, 150, 180)
#: Baseline wander (peak), muscle (SD) and mains (peak) in mV; the last is the noise of IEC 60601-2-51: 1 mV peak to
#: peak of wander, 25 µV of high frequencies and 50 µV of mains.
NOISES = {"none": None, "low": (0.1, 0.005, 0.005), "middle": (0.25, 0.012, 0.02), "IEC": (0.5, 0.025, 0.05)}
SHAPES = {  # QRS durations, each shape at what it means in a heart
    "normal": (80, 104), "monophasic": (76, 110), "notched": (90, 116), "lbbb": (140, 170), "rbbb": (126, 150),
    "lafb": (96, 112), "lpfb": (96, 112), "preexcited": (116, 140), "inferior_q": (92, 106), "anterior_q": (92, 106),
}  # fmt: skip
PRS, T_SHAPES, AXES = (120, 160, 200, 260), ("upright", "inverted", "biphasic", "flat"), (None, -50, 0, 60, 100)
WITHOUT_PR = ("af", "flutter", "junctional", "avb3", "vt", "paced")
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
    """Name, noise level and scenario of every recording: each shape and each rhythm without PR, at 8 rates × 4 noises.

    PR, T shape and axis go round with the count, so that every one of them meets every shape.
    """
    number = 0
    for shape, rate, noise in product(SHAPES, RATES, NOISES):
        for qrs in SHAPES[shape]:
            number += 1
            pr = min(PRS[number % 4], 110) if shape == "preexcited" else PRS[number % 4]
            pr = min(pr, round(0.3 * 60e3 / rate) if rate > 100 else pr)
            axis = None if shape in ("lafb", "lpfb") else AXES[number % 5]
            t_shape = "discordant" if shape in ("lbbb", "rbbb") else T_SHAPES[(number // 4) % 4]
            yield from _made(
                f"{shape} {rate}/min QRS {qrs} PR {pr} T {t_shape} noise {noise}",
                noise,
                heart_rate_bpm=rate, pr_ms=max(pr, 80), qrs_ms=qrs, shape=shape, t_shape=t_shape, qrs_axis_deg=axis,
                qt_ms=_qt_with_room(rate, max(pr, 80), qrs),
            )  # fmt: skip
    for rhythm, rate, noise in product(WITHOUT_PR, RATES, NOISES):
        yield from _made(f"{rhythm} {rate}/min noise {noise}", noise, rhythm=rhythm, heart_rate_bpm=rate)


def _qt_with_room(rate: int, pr: float, qrs: float) -> float:
    """The usual QT, or what leaves room for the next P wave, but never less than the QRS and its T wave need."""
    rr = 60e3 / rate
    return max(min(410.0 * (rr / 1e3) ** (1 / 3), rr - pr - P_ROOM_MS), qrs + 130.0)


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
    return [_case(name, noise, simulate(scenario, seed)) for seed, (name, noise, scenario) in enumerate(chosen)]


def _case(name: str, noise: str, made: Simulation) -> Case:
    scenario, truth = made.truth.scenario, made.truth
    examination = examine(made.record)
    measured = {parameter: getattr(examination.measurements, parameter).value for parameter in LIMITS}
    dominant = [beat for beat in truth.beats if beat.p_on_s is not None]
    ends = [beat.t_off_s for beat in truth.beats if beat.t_off_s is not None]
    room = [1e3 * (beat.p_on_s - max((end for end in ends if end < beat.qrs_on_s), default=-1.0)) for beat in dominant]
    conducted = scenario.rhythm == "sinus"
    return Case(
        name, scenario.rhythm, scenario.shape, round(scenario.heart_rate_bpm), noise,
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
    )  # fmt: skip


def _labels(made: Simulation) -> tuple[str, ...]:
    """What the scenario is, of the 17 labels."""
    scenario, rate = made.truth.scenario, made.truth.heart_rate_bpm or 0.0
    labels = ["Tachycardia"] if rate > 100 else ["Bradycardia"] if rate < 60 else []
    by_rhythm = {
        "af": ["Atrial fibrillation"], "flutter": ["Atrial flutter"], "avb3": ["Atrioventricular block"],
        "vt": ["Ventricular tachycardia"] if rate > 100 else [], "paced": ["Electronic pacemaker"],
        "sinus": ["Sinus rhythm"],
    }  # fmt: skip
    labels += by_rhythm.get(scenario.rhythm, [])
    if scenario.rhythm == "sinus":
        if scenario.pr_ms > 200:
            labels += ["Atrioventricular block", "1st degree atrioventricular block"]
        by_shape = {
            "lbbb": "Left bundle branch block", "rbbb": "Right bundle branch block",
            "preexcited": "Accessory pathway conduction", "inferior_q": "Infarction", "anterior_q": "Infarction",
        }  # fmt: skip
        labels += [by_shape[scenario.shape]] if scenario.shape in by_shape else []
    return tuple(labels)
