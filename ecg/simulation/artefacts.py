"""Disturbances, where they arise: at the electrodes, so that every lead shows them as the circuit makes it."""

import numpy as np
from numpy.typing import NDArray

from ecg.leads import STANDARD_LEADS
from ecg.simulation.scenario import Artefact
from ecg.simulation.shapes import ELECTRODES, Floats

Samples = NDArray[np.float32]
# The recorder stores I, II and V1 to V6; these see the electrode directly, the other limb leads through I and II.
CHANNELS = {"RA": ("I", "II"), "LA": ("I",), "LL": ("II",)} | {f"V{n}": (f"V{n}",) for n in range(1, 7)}


def exchange(electrodes: Samples, artefacts: tuple[Artefact, ...]) -> Samples:
    """Potentials [electrode, sample] with the wires of each reversal exchanged."""
    order = list(range(len(ELECTRODES)))
    for artefact in artefacts:
        if artefact.kind == "reversal" and artefact.at is not None:
            a, b = (ELECTRODES.index(name) for name in artefact.at.split("/"))
            order[a], order[b] = order[b], order[a]
    return electrodes if order == sorted(order) else electrodes[order]


def disturb_electrodes(electrodes: Samples, fs_hz: float, artefact: Artefact, rng: np.random.Generator) -> None:
    """Add one disturbance to the potentials [electrode, sample], in place."""
    span = _span(artefact, fs_hz, electrodes.shape[1])
    if span.start == span.stop:
        return
    for index, name in enumerate(ELECTRODES):
        # drawn for every electrode, so that where an artefact acts does not change what it looks like
        noise = _noise(artefact, span.stop - span.start, fs_hz, rng)
        if noise is not None and artefact.at in (None, name):
            electrodes[index, span] += noise


def disturb_channels(leads: Samples, fs_hz: float, artefact: Artefact) -> None:
    """Apply what the recorder does to its channels (lead off, clipping, missing samples) to [12, sample], in place."""
    if artefact.kind not in ("lead_off", "missing", "clip"):
        return
    span = _span(artefact, fs_hz, leads.shape[1])
    names = CHANNELS[artefact.at] if artefact.at else tuple(name for group in CHANNELS.values() for name in group)
    for index in {STANDARD_LEADS.index(name) for name in names}:
        match artefact.kind:
            case "lead_off":
                leads[index, span] = 0.0
            case "missing":
                leads[index, span] = np.nan
            case _:
                leads[index, span] = np.clip(leads[index, span], -artefact.level_mv, artefact.level_mv)


def _span(artefact: Artefact, fs_hz: float, n_samples: int) -> slice:
    end = n_samples if artefact.end_s is None else min(n_samples, round(artefact.end_s * fs_hz))
    return slice(min(end, round(artefact.start_s * fs_hz)), end)


def _noise(artefact: Artefact, n: int, fs_hz: float, rng: np.random.Generator) -> Samples | None:
    t = np.arange(n) / fs_hz
    match artefact.kind:
        case "baseline":
            shape = _sines(t, rng.uniform(0.05, 0.45, 4), rng)
        case "mains50" | "mains60":
            hz = 50.0 if artefact.kind == "mains50" else 60.0
            phase = rng.normal(0.0, 0.3)  # all electrodes hang on the same mains, through unequal impedances
            shape = rng.uniform(0.3, 1.0) * np.sin(2 * np.pi * hz * t + phase)
        case "muscle":
            from scipy.signal import butter, sosfilt  # 50 MB and a second that no other disturbance needs

            high = min(180.0, 0.45 * fs_hz)
            white = rng.standard_normal(n)
            shape = sosfilt(butter(2, (min(20.0, high / 2), high), "bandpass", fs=fs_hz, output="sos"), white)
            # A piece shorter than its slowest wave, above all a single sample, has no deviation about its own mean.
            size = np.std(shape) if n > fs_hz / 20.0 else np.sqrt(np.mean(shape**2))
            shape /= max(float(size), 1e-9)
        case "motion":
            shape = _transients(t, rng)
        case "spikes":
            shape = np.zeros(n)
            at = rng.integers(0, n, max(1, int(n / fs_hz)))
            shape[at] = rng.choice((-1.0, 1.0), at.size)
        case _:
            return None
    # a lead is the difference of electrodes: on all of them, the level is the one that shows in the limb leads
    level_mv = artefact.level_mv if artefact.at else artefact.level_mv / np.sqrt(2)
    return (level_mv * shape).astype(np.float32)


def _sines(t: Floats, frequencies: Floats, rng: np.random.Generator) -> Floats:
    """A sum of slow sines, largest value 1 or a little less."""
    total = np.zeros(t.size)
    for hz in frequencies:
        total += np.sin(2 * np.pi * (hz * t + rng.uniform()))
    peak: Floats = total / frequencies.size**0.75
    return peak


def _transients(t: Floats, rng: np.random.Generator) -> Floats:
    """An electrode that is pushed every two seconds or so: a quick shift that decays."""
    total = np.zeros(t.size)
    at = rng.exponential(1.0)
    while at < t[-1]:
        after = t - at
        rise, decay = rng.uniform(0.02, 0.08), rng.uniform(0.15, 0.6)
        pulse = np.where(
            after > 0, (1 - np.exp(-np.maximum(after, 0) / rise)) * np.exp(-np.maximum(after, 0) / decay), 0
        )
        total += rng.uniform(0.5, 1.3) * rng.choice((-1.0, 1.0)) * pulse
        at += rng.exponential(2.0) + 0.3
    return total
