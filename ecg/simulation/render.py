"""`simulate`: samples and truth of a scenario."""

from dataclasses import dataclass

import numpy as np

from ecg.leads import STANDARD_LEADS, derive_lead
from ecg.record import EcgRecord
from ecg.simulation import shapes
from ecg.simulation.artefacts import Samples, disturb_channels, disturb_electrodes, exchange
from ecg.simulation.rhythm import KINDS, Beat, BeatKind, Schedule, plan
from ecg.simulation.scenario import Scenario
from ecg.simulation.shapes import Floats, Wave
from ecg.simulation.truth import BeatTruth, LeadSpans, Truth

VERSION = 4  # equal scenario, seed and version give equal samples
SPIKE_S = 0.002
SPIKE_LEAD_S = 0.004  # from the ventricular spike to the first depolarisation


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated recording and what is exactly known about it."""

    record: EcgRecord
    truth: Truth


@dataclass(frozen=True)
class _Morphology:
    """The waves of one kind of beat; lengths in seconds."""

    p: Wave
    p_s: float
    qrs: Wave
    qrs_s: float
    t: Wave
    qt_s: float

    def r_s(self) -> float:
        return self.qrs_s * shapes.peak_fraction(self.qrs)


def simulate(scenario: Scenario | None = None, seed: int = 0) -> Simulation:
    """A 12-lead recording of `scenario` in mV with its exact truth; the same for the same arguments.

    Parameters
    ----------
    scenario
        What to simulate; None is normal sinus rhythm. Named ones are in `ecg.simulation.SCENARIOS`.
    seed
        Of everything random: RR, fibrillation, artefacts.

    Returns
    -------
    Simulation
        `record`: float32 [12, duration × fs], standard lead order; `truth`.
    """
    scenario = scenario or Scenario()
    schedule = plan(scenario, np.random.default_rng([seed, 0]))
    kinds = {beat.kind for beat in schedule.beats}
    morphologies = {kind: _morphology(scenario, kind) for kind in KINDS if kind in kinds}
    n = round(scenario.duration_s * scenario.fs_hz)
    dipole = np.zeros((3, n), dtype=np.float32)
    beats = _draw_beats(dipole, scenario, schedule, morphologies)
    _draw_atria(dipole, scenario, schedule, np.random.default_rng([seed, 1]))
    _draw_spikes(dipole, scenario.fs_hz, schedule)
    return Simulation(
        EcgRecord(_leads(dipole, scenario, seed), STANDARD_LEADS, scenario.fs_hz, "mV", format="simulation"),
        _truth(scenario, seed, schedule, beats, morphologies),
    )


def _morphology(scenario: Scenario, kind: BeatKind) -> _Morphology:
    qrs_s, qt_s = scenario.qrs_ms / 1e3, scenario.qt_duration_ms / 1e3
    shape = {"V": "pvc", "/": "paced"}.get(kind, scenario.shape)
    if kind == "V" and scenario.rhythm != "vt":
        widened = max(0.150, qrs_s)
        qrs_s, qt_s = widened, qt_s + widened - qrs_s
    qrs = shapes.turned(shapes.QRS_SHAPES[shape], scenario.qrs_axis_deg if kind in "NA" else None)
    if kind in "V/" or scenario.t_shape == "discordant":
        t = _discordant(qrs)
    else:
        t = shapes.turned(shapes.T_SHAPES[scenario.t_shape], scenario.t_axis_deg)
    p = shapes.P_WAVES["ectopic" if kind == "A" else "sinus"]
    p = shapes.turned(p, scenario.p_axis_deg if kind != "A" else None)
    k = scenario.amplitude
    return _Morphology(
        shapes.scaled(p, k), scenario.p_duration_ms / 1e3, shapes.scaled(qrs, k), qrs_s, shapes.scaled(t, k), qt_s
    )


def _discordant(qrs: Wave) -> Wave:
    """A T wave that points away from the net QRS vector, as after an abnormal depolarisation."""
    away = -shapes.net_area(qrs)
    left, foot, back = (0.45 * away / np.linalg.norm(away)).tolist()
    return (shapes.Part(0.0, 0.62, 1.0, left, foot, back, shapes.T_POWERS),)


def _draw_beats(
    dipole: Samples, scenario: Scenario, schedule: Schedule, morphologies: dict[BeatKind, _Morphology]
) -> list[BeatTruth]:
    """Add every beat to the dipole [3, sample]; the truth of those whose R lies in the recording."""
    truths = []
    following: list[Beat | None] = [*schedule.beats[1:], None]
    for beat, after in zip(schedule.beats, following, strict=True):
        shape = morphologies[beat.kind]
        on, j = beat.qrs_on_s, beat.qrs_on_s + shape.qrs_s
        # the T wave of a beat that is followed early ends before the next QRS, as a shorter RR shortens QT
        room = after.qrs_on_s - on - 0.02 if after else shape.qt_s
        t_off = on + max(min(shape.qt_s, room), shape.qrs_s + 0.12)
        t_on = j + 0.14 * (t_off - j)
        if beat.p_on_s is not None:
            _add_wave(dipole, scenario.fs_hz, shape.p, beat.p_on_s, beat.p_on_s + shape.p_s)
        _add_wave(dipole, scenario.fs_hz, shape.qrs, on, j)
        _add_wave(dipole, scenario.fs_hz, shape.t, t_on, t_off)
        if scenario.st_mv and beat.kind in "NA":
            vector = scenario.st_mv * np.array(shapes.ST_VECTORS[scenario.st_territory])
            support = (j - 0.4 * shape.qrs_s, j, t_on, t_off)
            _add(dipole, scenario.fs_hz, vector, support, shapes.ST_POWERS)
        if 0.0 <= (r := on + shape.r_s()) < scenario.duration_s:
            p_off = None if beat.p_on_s is None else beat.p_on_s + shape.p_s
            truths.append(BeatTruth(beat.kind, r, beat.p_on_s, p_off, on, j, t_on, t_off))
    sinus = _morphology(scenario, "N")
    for at in schedule.lone_p_s:
        _add_wave(dipole, scenario.fs_hz, sinus.p, at, at + sinus.p_s)
    return truths


def _add_wave(dipole: Samples, fs_hz: float, wave: Wave, on: float, off: float) -> None:
    for part in wave:
        start, peak, end = (on + fraction * (off - on) for fraction in (part.start, part.peak, part.end))
        _add(dipole, fs_hz, part.vector, (start, peak, peak, end), part.powers)


def _add(dipole: Samples, fs_hz: float, vector: Floats, support: shapes.Support, powers: shapes.Powers) -> None:
    first = max(0, int(np.floor(support[0] * fs_hz)))
    last = min(dipole.shape[1], int(np.ceil(support[3] * fs_hz)) + 1)
    if first < last:
        shape = shapes.bump(np.arange(first, last) / fs_hz, support, powers)
        dipole[:, first:last] += (vector[:, None] * shape).astype(np.float32)


def _draw_atria(dipole: Samples, scenario: Scenario, schedule: Schedule, rng: np.random.Generator) -> None:
    """Add fibrillation or flutter waves."""
    t = np.arange(dipole.shape[1]) / scenario.fs_hz
    if schedule.flutter_hz is not None:
        turns = schedule.flutter_hz * t + rng.uniform()  # how long the AV node takes to conduct a wave differs
        saw = sum(np.sin(2 * np.pi * k * turns) / k for k in range(1, 5))
        dipole += (scenario.amplitude * np.outer((0.01, 0.085, -0.04), saw)).astype(np.float32)
    if scenario.rhythm == "af":
        for vector in ((-0.03, 0.055, -0.045), (0.02, -0.03, -0.015)):
            # a wavelet whose frequency and size wander over a second or so
            knots = np.arange(0.0, scenario.duration_s + 2.0, 0.7)
            hz = np.interp(t, knots, rng.uniform(4.5, 8.5, knots.size))
            size = np.interp(t, knots, rng.uniform(0.4, 1.2, knots.size))
            phase = 2 * np.pi * (np.cumsum(hz) / scenario.fs_hz + rng.uniform())
            wavelet = size * (np.sin(phase) + 0.35 * np.sin(2 * phase + 1.0))
            dipole += (scenario.amplitude * np.outer(vector, wavelet)).astype(np.float32)


def _draw_spikes(dipole: Samples, fs_hz: float, schedule: Schedule) -> None:
    """Add pacemaker spikes of `SPIKE_S`, averaged over each sampling interval as an anti-alias filter does."""
    spikes = [(at - SPIKE_LEAD_S, (0.5, 1.6, 0.9)) for at in schedule.ventricular_spikes_s]
    spikes += [(at - SPIKE_LEAD_S, (0.3, 0.7, -0.2)) for at in schedule.atrial_spikes_s]
    for on, vector in spikes:
        first = max(0, int(np.floor(on * fs_hz)) - 1)
        edges = (np.arange(first, min(dipole.shape[1], first + int(SPIKE_S * fs_hz) + 5)) - 0.5) / fs_hz
        covered = np.clip(np.minimum(edges + 1 / fs_hz, on + SPIKE_S) - np.maximum(edges, on), 0, None) * fs_hz
        dipole[:, first : first + edges.size] += np.outer(vector, covered).astype(np.float32)


def _leads(dipole: Samples, scenario: Scenario, seed: int) -> Samples:
    """The twelve leads, float32 [12, sample], through electrodes, artefacts and recorder."""
    electrodes = exchange(shapes.electrode_matrix().astype(np.float32) @ dipole, scenario.artefacts)
    for index, artefact in enumerate(scenario.artefacts):
        disturb_electrodes(electrodes, scenario.fs_hz, artefact, np.random.default_rng([seed, 2, index]))
    leads: Samples = shapes.lead_matrix().astype(np.float32) @ electrodes
    for artefact in scenario.artefacts:
        disturb_channels(leads, scenario.fs_hz, artefact)
    for index, name in enumerate(STANDARD_LEADS[2:6], start=2):
        leads[index] = derive_lead(name, leads[0], leads[1])
    return leads


def _truth(
    scenario: Scenario,
    seed: int,
    schedule: Schedule,
    beats: list[BeatTruth],
    morphologies: dict[BeatKind, _Morphology],
) -> Truth:
    kinds = [beat.kind for beat in schedule.beats]
    dominant = max(KINDS, key=kinds.count)  # the first of equals: the sinus beat in bigeminy
    shape = morphologies[dominant]
    own = [beat for beat in beats if beat.kind == dominant]
    conducted = [1e3 * (beat.qrs_on_s - beat.p_on_s) for beat in own if beat.p_on_s is not None]
    qts = [1e3 * (beat.t_off_s - beat.qrs_on_s) for beat in own if beat.t_off_s is not None]
    rate = 60.0 * (len(beats) - 1) / (beats[-1].r_s - beats[0].r_s) if len(beats) > 1 else None
    rows = shapes.lead_matrix() @ shapes.electrode_matrix()
    spans = [
        LeadSpans(kind, lead, shapes.seen_in(m.p, row), shapes.seen_in(m.qrs, row), shapes.seen_in(m.t, row))
        for kind, m in morphologies.items()
        for lead, row in zip(STANDARD_LEADS, rows, strict=True)
    ]
    spikes = sorted(at - SPIKE_LEAD_S for at in (*schedule.ventricular_spikes_s, *schedule.atrial_spikes_s))
    return Truth(
        scenario=scenario,
        seed=seed,
        version=VERSION,
        beats=tuple(beats),
        lone_p_s=tuple(at for at in schedule.lone_p_s if 0 <= at < scenario.duration_s),
        spikes_s=tuple(at for at in spikes if 0 <= at < scenario.duration_s),
        lead_spans=tuple(spans),
        heart_rate_bpm=rate,
        pr_ms=round(float(np.mean(conducted)), 6) if conducted else None,
        qrs_ms=round(1e3 * shape.qrs_s, 6),
        qt_ms=round(float(np.mean(qts)) if qts else 1e3 * shape.qt_s, 6),
        p_axis_deg=shapes.frontal_axis_deg(shape.p) if conducted or schedule.lone_p_s else None,
        qrs_axis_deg=shapes.frontal_axis_deg(shape.qrs),
        t_axis_deg=shapes.frontal_axis_deg(shape.t),
    )
