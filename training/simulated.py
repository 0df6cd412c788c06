"""Simulated recordings for training: a wide random draw of scenarios, and the labels that are true of them."""

import numpy as np
from numpy.typing import NDArray

from ecg.errors import InvalidScenario
from ecg.labels import LABEL_NAMES
from ecg.leads import INDEPENDENT_LEADS, STANDARD_LEADS, derive_lead
from ecg.simulation import Artefact, Scenario, Simulation, simulate

#: How often each kind of recording is drawn.
_KINDS = {
    "plain": 0.30,
    "first_degree": 0.09,
    "second_degree": 0.03,
    "third_degree": 0.03,
    "af": 0.14,
    "flutter": 0.05,
    "rbbb": 0.08,
    "lbbb": 0.08,
    "fascicular": 0.03,
    "preexcited": 0.03,
    "infarct": 0.08,
    "paced": 0.04,
    "vt": 0.03,
    "svt": 0.04,
}
_NORMAL_SHAPES = ("normal", "normal", "normal", "notched", "monophasic")


def draw(seed: int) -> tuple[Simulation, NDArray[np.float32]]:
    """Recording number `seed` of the training set, 10 s at 500 Hz, and its labels, float32 [17].

    A label is NaN where the simulated condition lies between yes and no, or where readers would differ.
    """
    rng = np.random.default_rng([seed, 77])
    for _ in range(200):
        kind = str(rng.choice(list(_KINDS), p=np.array(list(_KINDS.values())) / sum(_KINDS.values())))
        try:
            scenario, poor = _scenario(kind, rng)
        except InvalidScenario:  # a pair of intervals that do not fit into the beat: draw again
            continue
        made = simulate(scenario, seed)
        return made, _labels(made, kind, poor)
    raise AssertionError("no scenario fits")


def varied(simulation: Simulation, seed: int) -> NDArray[np.float32]:
    """The twelve leads seen by electrodes that lie a little elsewhere, float32 [12, sample].

    Each of the eight independent leads takes up a random part of its neighbours; the other four are derived.
    """
    rng = np.random.default_rng([seed, 78])
    independent = [STANDARD_LEADS.index(lead) for lead in INDEPENDENT_LEADS]
    mix = np.eye(8) * rng.lognormal(0.0, 0.25, 8) + rng.normal(0.0, 0.12, (8, 8))
    leads = np.empty_like(simulation.record.signal)
    leads[independent] = (mix @ simulation.record.signal[independent]).astype(np.float32)
    for name in ("III", "aVR", "aVL", "aVF"):
        leads[STANDARD_LEADS.index(name)] = derive_lead(name, leads[0], leads[1])
    return leads


def _scenario(kind: str, rng: np.random.Generator) -> tuple[Scenario, bool]:
    rate = _rate(rng)
    fields: dict[str, object] = {
        "heart_rate_bpm": rate,
        "rr_sd_ms": min(float(rng.gamma(2.0, 15.0)), 0.12 * 60e3 / rate),
        "pr_ms": rng.uniform(120, 190),
        "p_ms": rng.uniform(80, 118),
        "qrs_ms": rng.uniform(72, 108),
        "shape": str(rng.choice(_NORMAL_SHAPES)),
        "t_shape": str(rng.choice(["upright", "flat", "inverted", "biphasic"], p=[0.7, 0.12, 0.1, 0.08])),
        "qrs_axis_deg": float(np.clip(rng.normal(40, 35), -60, 120)),
        "p_axis_deg": float(np.clip(rng.normal(50, 20), -10, 90)),
        "amplitude": rng.lognormal(0.0, 0.35),
    }
    if rng.random() < 0.15:
        fields |= {"st_mv": rng.normal(0, 0.12), "st_territory": str(rng.choice(["anterior", "inferior", "lateral"]))}
    if kind in ("plain", "first_degree", "rbbb", "lbbb", "infarct") and rng.random() < 0.28:
        fields |= {"ectopy": str(rng.choice(["pvc", "pac"], p=[0.7, 0.3])), "ectopic_every": int(rng.integers(2, 11))}
    fields |= _own(kind, rng)
    artefacts, poor = _artefacts(rng)
    return Scenario(**fields, artefacts=artefacts), poor  # type: ignore[arg-type]


def _rate(rng: np.random.Generator) -> float:
    slow, fast = rng.uniform(34, 60), rng.uniform(100, 165)
    return float(rng.choice([float(np.clip(rng.normal(75, 14), 45, 110)), slow, fast], p=[0.66, 0.16, 0.18]))


Fields = dict[str, object]


def _own(kind: str, rng: np.random.Generator) -> Fields:
    """What makes a scenario one of its kind."""
    wide: Fields = {"qrs_ms": rng.uniform(122, 172), "t_shape": "discordant"}
    if kind in ("rbbb", "lbbb", "fascicular", "preexcited", "infarct"):
        return _shaped(kind, wide, rng)
    if kind in ("af", "flutter", "paced", "vt", "svt"):
        return _driven(kind, wide, rng)
    match kind:
        case "first_degree":
            return {"pr_ms": rng.uniform(205, 340), "heart_rate_bpm": rng.uniform(45, 95)}
        case "second_degree":
            rhythm = str(rng.choice(["wenckebach", "mobitz2"]))
            return {"rhythm": rhythm, "heart_rate_bpm": rng.uniform(60, 100), "conduction": int(rng.integers(2, 6))}
        case "third_degree":
            return {"rhythm": "avb3", "heart_rate_bpm": rng.uniform(26, 52), "atrial_rate_bpm": rng.uniform(65, 110)}
        case _:
            return {}


def _shaped(kind: str, wide: Fields, rng: np.random.Generator) -> Fields:
    """Ventricles that are activated in another order, or lack a part."""
    match kind:
        case "rbbb" | "lbbb":
            axis = rng.uniform(-80, 130) if kind == "rbbb" else rng.uniform(-70, 60)
            return {**wide, "shape": kind, "qrs_axis_deg": float(axis), "heart_rate_bpm": rng.uniform(50, 105)}
        case "fascicular":
            left = rng.random() < 0.7
            return {"shape": "lafb" if left else "lpfb", "qrs_axis_deg": None, "qrs_ms": rng.uniform(88, 116)}
        case "preexcited":
            pr = rng.uniform(82, 118)
            return {**wide, "shape": "preexcited", "pr_ms": pr, "p_ms": min(78.0, pr), "qrs_ms": rng.uniform(112, 150)}
        case _:
            return {"shape": str(rng.choice(["inferior_q", "anterior_q"])), "qrs_ms": rng.uniform(82, 112)}


def _driven(kind: str, wide: Fields, rng: np.random.Generator) -> Fields:
    """Rhythms that the sinus node does not lead."""
    match kind:
        case "af" | "flutter":
            extra = wide | {"shape": str(rng.choice(["lbbb", "rbbb"]))} if rng.random() < 0.15 else {}
            ratio = int(rng.integers(2, 5))
            rate = rng.uniform(48, 155) if kind == "af" else 300 / ratio * rng.uniform(0.85, 1.1)
            return {"rhythm": kind, "heart_rate_bpm": float(rate), **extra}
        case "paced":
            rhythm = str(rng.choice(["paced", "paced_dual"]))
            return {"rhythm": rhythm, **wide, "qrs_ms": rng.uniform(140, 190), "heart_rate_bpm": rng.uniform(55, 95)}
        case "vt":
            return {"rhythm": "vt", "heart_rate_bpm": rng.uniform(110, 210), "qrs_ms": rng.uniform(130, 170)}
        case _:
            extra = wide | {"shape": str(rng.choice(["lbbb", "rbbb"]))} if rng.random() < 0.4 else {}
            return {"rhythm": "junctional", "heart_rate_bpm": rng.uniform(125, 205), "rr_sd_ms": 3.0, **extra}


def _artefacts(rng: np.random.Generator) -> tuple[tuple[Artefact, ...], bool]:
    """Recording faults that augmentation does not make, and whether they spoil the recording."""
    if rng.random() < 0.04:
        kind = str(rng.choice(["motion", "muscle"]))
        level = rng.uniform(2, 6) if kind == "motion" else rng.uniform(0.4, 1.2)
        places = (None,) if kind == "muscle" else ("LA", "RA", "V2", "V5")
        return tuple(Artefact(kind, float(level), at) for at in places), True  # type: ignore[arg-type]
    if rng.random() < 0.12:
        return (Artefact("lead_off", at=str(rng.choice([f"V{n}" for n in range(1, 7)]))),), False
    return (), False


def _labels(made: Simulation, kind: str, poor: bool) -> NDArray[np.float32]:
    scenario, truth, unknown = made.truth.scenario, made.truth, np.nan
    rate, rhythm = truth.heart_rate_bpm or 0.0, scenario.rhythm
    own_beats = rhythm in ("sinus", "junctional")
    ventricular = rhythm in ("vt", "paced", "paced_dual")

    def between(value: float, low: float, high: float) -> float:
        return 0.0 if value < low else 1.0 if value >= high else unknown

    first = between(truth.pr_ms or 0.0, 190, 213) if rhythm == "sinus" else 0.0
    irregular = rhythm in ("af", "flutter")
    fast, slow = between(rate, 97, 104), 1.0 - between(rate, 48, 62)
    right = between(scenario.qrs_ms, 118, 126) if scenario.shape == "rbbb" else 0.0
    values = {
        "Poor data quality": float(poor),
        "Sinus rhythm": unknown
        if kind in ("second_degree", "third_degree") or rhythm == "paced_dual"
        else float(rhythm == "sinus"),
        "Premature ventricular contraction": unknown
        if ventricular
        else float(rhythm == "sinus" and any(beat.kind == "V" for beat in truth.beats)),
        "Tachycardia": unknown if irregular and fast != 0 else fast,
        "Bradycardia": unknown if not own_beats and slow != 0 else slow,
        "Ventricular tachycardia": float(rhythm == "vt"),
        "Supraventricular tachycardia with aberrancy": float(kind == "svt" and scenario.shape in ("rbbb", "lbbb")),
        "Atrial fibrillation": float(rhythm == "af"),
        "Atrial flutter": float(rhythm == "flutter"),
        "Accessory pathway conduction": float(kind == "preexcited"),
        "Atrioventricular block": 1.0 if kind in ("second_degree", "third_degree") else first,
        "1st degree atrioventricular block": unknown if kind == "second_degree" else first,
        "Bifascicular block": 0.0 if right == 0 else _bifascicular(truth.qrs_axis_deg, right),
        "Right bundle branch block": unknown if ventricular else right,
        "Left bundle branch block": unknown
        if ventricular
        else between(scenario.qrs_ms, 120, 130)
        if scenario.shape == "lbbb"
        else 0.0,
        "Infarction": 1.0 if kind == "infarct" else unknown if scenario.st_mv or scenario.shape == "lbbb" else 0.0,
        "Electronic pacemaker": float(rhythm.startswith("paced")),
    }
    labels = np.array([values[name] for name in LABEL_NAMES], dtype=np.float32)
    if poor:  # what nobody could read is not to be learnt
        labels[1:] = np.nan
    return labels


def _bifascicular(axis_deg: float, right: float) -> float:
    if np.isnan(right):
        return right
    return 1.0 if axis_deg < -45 or axis_deg > 110 else 0.0 if -25 < axis_deg < 90 else np.nan
