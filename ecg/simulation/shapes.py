"""Waves as dipoles with compact support, and the leads a dipole is seen in.

A wave is a sum of parts. Each part is a fixed heart vector times a bump that is exactly zero outside its support, so
the onset and offset of a wave are known exactly: they are the first and the last end of its parts. Vectors are
(left, foot, back) in mV as seen in the frontal leads.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import gamma

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Below this projection (mV, one step of a usual 12-bit recorder) a part does not count as seen in a lead.
VISIBLE_MV = 0.005
Powers = tuple[float, float]
# A bump is sin**power on either side of its peak, rising and falling. A wave ends where it leaves the level, exactly;
# with these powers it is as steep beside its ends as the waves of LUDB are beside the marks of programs in use:
# docs/decisions/0004 has the comparison.
QRS_POWERS: Powers = (2.0, 2.0)
P_POWERS: Powers = (1.4, 1.4)
T_POWERS: Powers = (4.0, 2.0)
ST_POWERS: Powers = (3.0, 2.0)

# Seen from the dipole (left, foot, back): the ideal Einthoven triangle for I and II, so that the frontal axis is exact;
# precordial rows after Dower (J Electrocardiol 1980;13:175), with larger foot coefficients in V4 to V6, which lie
# below the heart: a vertical axis keeps its R there.
ROWS = {
    "I": (1.0, 0.0, 0.0),
    "II": (0.5, np.sqrt(3) / 2, 0.0),
    "V1": (-0.55, 0.10, -0.95),
    "V2": (0.05, 0.15, -1.40),
    "V3": (0.70, 0.20, -1.20),
    "V4": (1.15, 0.30, -0.60),
    "V5": (1.15, 0.35, -0.10),
    "V6": (0.90, 0.30, 0.20),
}
ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")


def electrode_matrix() -> Floats:
    """Potential of each of `ELECTRODES` against Wilson's central terminal, per mV of dipole, float64 [9, 3]."""
    lead_i, lead_ii = np.array(ROWS["I"]), np.array(ROWS["II"])
    right = -(lead_i + lead_ii) / 3
    return np.stack([right, right + lead_i, right + lead_ii, *(np.array(ROWS[f"V{n}"]) for n in range(1, 7))])


def lead_matrix() -> Floats:
    """The twelve standard leads from the potentials of `ELECTRODES`, float64 [12, 9]: Einthoven, Goldberger, Wilson."""
    limb = np.eye(3, 9)
    right, left, foot = limb
    centre = limb.mean(axis=0)
    rows = [left - right, foot - right, foot - left]
    rows += [electrode * 1.5 - centre * 1.5 for electrode in limb]
    return np.stack([*rows, *(np.eye(9)[3 + n] - centre for n in range(6))])


@dataclass(frozen=True)
class Part:
    """One bump of a wave: support and peak as fractions of the wave's length, the heart vector at the peak, powers."""

    start: float
    peak: float
    end: float
    left: float
    foot: float
    back: float
    powers: Powers = QRS_POWERS

    @property
    def vector(self) -> Floats:
        """(left, foot, back), float64 [3]."""
        return np.array((self.left, self.foot, self.back))


Wave = tuple[Part, ...]


Support = tuple[float, float, float, float]


def bump(t: Floats, support: Support, powers: Powers) -> Floats:
    """Values in 0..1 at times `t` for (start, full, fading, end): 1 from full to fading, exactly 0 outside."""
    start, full, fading, end = support
    rise, fall = powers
    rising = np.sin(np.pi / 2 * np.clip((t - start) / (full - start), 0.0, 1.0)) ** rise
    falling = np.sin(np.pi / 2 * np.clip((end - t) / (end - fading), 0.0, 1.0)) ** fall
    shape: Floats = np.minimum(rising, falling)
    return shape


def sample(wave: Wave, fraction: Floats) -> Floats:
    """Heart vector of a wave at fractions of its length, float64 [3, len(fraction)]."""
    total = np.zeros((3, fraction.size))
    for part in wave:
        support = (part.start, part.peak, part.peak, part.end)
        total += part.vector[:, None] * bump(fraction, support, part.powers)
    return total


def net_area(wave: Wave) -> Floats:
    """Integral of the heart vector over the wave, float64 [3], per unit of its length."""
    vectors = [
        ((part.peak - part.start) * _flank_area(part.powers[0]) + (part.end - part.peak) * _flank_area(part.powers[1]))
        * part.vector
        for part in wave
    ]
    total: Floats = np.sum(vectors, axis=0)
    return total


def _flank_area(power: float) -> float:
    """The integral of sin(pi u / 2)**power over 0..1."""
    return float(gamma((power + 1) / 2) / (np.sqrt(np.pi) * gamma(power / 2 + 1)))


def frontal_axis_deg(wave: Wave) -> float:
    """Frontal axis of the net area in degrees, -180..180, 0 is lead I and 90 is aVF."""
    left, foot, _ = net_area(wave)
    return float(np.degrees(np.arctan2(foot, left)))


def turned(wave: Wave, axis_deg: float | None) -> Wave:
    """The wave rotated in the frontal plane until its net area points to `axis_deg`; unchanged for None."""
    if axis_deg is None:
        return wave
    angle = np.radians(axis_deg - frontal_axis_deg(wave))
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return tuple(replace(p, left=cos * p.left - sin * p.foot, foot=sin * p.left + cos * p.foot) for p in wave)


def scaled(wave: Wave, factor: float) -> Wave:
    """The wave with every heart vector multiplied by `factor`."""
    return tuple(replace(p, left=factor * p.left, foot=factor * p.foot, back=factor * p.back) for p in wave)


@lru_cache(maxsize=256)
def peak_fraction(wave: Wave) -> float:
    """Where the heart vector is longest, as a fraction of the wave."""
    fraction = np.linspace(0.0, 1.0, 2001)
    return float(fraction[np.argmax(np.linalg.norm(sample(wave, fraction), axis=0))])


def seen_in(wave: Wave, row: Floats) -> tuple[float, float] | None:
    """Onset and offset in a lead as fractions of the wave, from the parts seen there; None when none is."""
    seen = [part for part in wave if abs(float(row @ part.vector)) >= VISIBLE_MV]
    return (min(part.start for part in seen), max(part.end for part in seen)) if seen else None


P_WAVES: dict[str, Wave] = {
    "sinus": (
        Part(0.0, 0.50, 0.84, 0.05, 0.10, -0.06, P_POWERS),
        Part(0.37, 0.72, 1.0, 0.07, 0.03, 0.05, P_POWERS),
    ),
    "ectopic": (
        Part(0.0, 0.50, 0.84, 0.04, -0.08, -0.04, P_POWERS),
        Part(0.37, 0.72, 1.0, 0.04, -0.03, 0.05, P_POWERS),
    ),
}
QRS_SHAPES: dict[str, Wave] = {
    # septum to the right and front, free wall to the left, base to the back
    "normal": (
        Part(0.00, 0.34, 0.52, -0.10, -0.02, -0.22),
        Part(0.16, 0.47, 0.80, 0.99, 0.79, 0.30),
        Part(0.48, 0.65, 1.00, -0.16, -0.14, 0.36),
    ),
    "monophasic": (
        Part(0.00, 0.55, 1.00, 0.37, 0.29, 0.15),
        Part(0.25, 0.46, 0.74, 0.54, 0.42, 0.21),
    ),
    "notched": (
        Part(0.00, 0.39, 0.89, 0.15, 0.12, 0.03),
        Part(0.24, 0.43, 0.59, 0.60, 0.49, 0.15),
        Part(0.42, 0.59, 0.79, 0.49, 0.37, 0.28),
        Part(0.11, 0.73, 1.00, 0.12, 0.09, 0.07),
    ),
    "lbbb": (
        Part(0.00, 0.30, 0.53, 0.23, 0.09, -0.09),
        Part(0.13, 0.44, 0.77, 1.02, 0.38, 1.08),
        Part(0.32, 0.69, 1.00, 0.58, 0.12, 0.54),
    ),
    "rbbb": (
        Part(0.00, 0.21, 0.34, -0.08, -0.02, -0.17),
        Part(0.17, 0.35, 0.53, 1.00, 0.70, 0.30),
        Part(0.31, 0.48, 0.68, -0.09, -0.09, 0.24),
        Part(0.43, 0.75, 1.00, -0.41, 0.04, -0.51),
    ),
    "lafb": (
        Part(0.00, 0.36, 0.50, -0.13, 0.23, -0.18),
        Part(0.20, 0.49, 0.77, 0.87, -0.62, 0.21),
        Part(0.42, 0.65, 1.00, 0.07, -0.39, 0.32),
    ),
    "lpfb": (
        Part(0.00, 0.36, 0.48, 0.11, -0.15, -0.20),
        Part(0.18, 0.47, 0.77, 0.10, 1.15, 0.32),
        Part(0.42, 0.61, 1.00, -0.38, 0.24, 0.31),
    ),
    # the delta wave: slow, to the left and front, before the rest
    "preexcited": (
        Part(0.00, 0.49, 0.77, 0.32, 0.21, -0.32),
        Part(0.30, 0.54, 0.89, 0.91, 0.70, 0.05),
        Part(0.52, 0.71, 1.00, -0.08, -0.10, 0.34),
    ),
    "inferior_q": (
        Part(0.00, 0.25, 0.50, 0.02, -0.10, -0.04),
        Part(0.17, 0.35, 0.50, 0.08, -0.34, -0.15),
        Part(0.21, 0.48, 0.79, 0.85, 0.55, 0.30),
        Part(0.46, 0.67, 1.00, -0.07, -0.01, 0.31),
    ),
    "anterior_q": (
        Part(0.00, 0.29, 0.68, 0.01, 0.02, 0.12),
        Part(0.16, 0.42, 0.69, 0.05, 0.07, 0.38),
        Part(0.26, 0.48, 0.80, 0.63, 0.63, 0.63),
        Part(0.37, 0.65, 1.00, -0.06, -0.09, 0.29),
    ),
    # from the right ventricle: late to the left, up for pacing at the apex, down for the outflow tract
    "pvc": (
        Part(0.00, 0.30, 0.69, 0.37, 0.68, 0.37),
        Part(0.18, 0.47, 0.87, 0.89, 1.31, 1.13),
        Part(0.50, 0.76, 1.00, 0.32, 0.32, 0.43),
    ),
    "paced": (
        Part(0.00, 0.30, 0.66, 0.38, -0.43, 0.48),
        Part(0.18, 0.47, 0.84, 0.60, -1.01, 1.13),
        Part(0.46, 0.74, 1.00, 0.27, -0.36, 0.45),
    ),
}
T_SHAPES: dict[str, Wave] = {
    "upright": (Part(0.0, 0.62, 1.0, 0.27, 0.22, -0.22, T_POWERS),),
    "inverted": (Part(0.0, 0.62, 1.0, -0.24, -0.18, 0.16, T_POWERS),),
    "biphasic": (
        Part(0.0, 0.36, 0.62, 0.18, 0.14, -0.22, T_POWERS),
        Part(0.46, 0.74, 1.0, -0.16, -0.12, 0.20, T_POWERS),
    ),
    "flat": (Part(0.0, 0.62, 1.0, 0.07, 0.06, -0.05, T_POWERS),),
}
# ST shift of 1 mV in the leads that face the territory
ST_VECTORS = {
    "anterior": (0.20, 0.0, -0.75),
    "inferior": (-0.10, 1.0, 0.20),
    "lateral": (0.85, -0.25, 0.10),
    "global": (0.60, 0.60, -0.30),
}
