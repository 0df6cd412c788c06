"""Statements beyond the 17 labels: ST and QT, voltages, axis, incomplete blocks, hemiblocks, early beats, pauses.

Each is present, absent or open, with the measured numbers, the criterion and its source. Limits that depend on sex or
age are applied as they are known; where they are not, the answer is open between the limits of the groups.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ecg.findings.conduction import left_pattern, right_pattern
from ecg.findings.evidence import Evidence
from ecg.findings.finding import Finding
from ecg.findings.limits import CONDUCTION, STATEMENTS
from ecg.findings.rhythm import fibrillates
from ecg.findings.vocabulary import Term
from ecg.measurement.intervals import Measurements
from ecg.record import EcgRecord

Sex = Literal["male", "female"]

_UNIVERSAL = "Fourth universal definition of myocardial infarction, 2018"
_PART_III = "AHA/ACCF/HRS part III, 2009"
_PART_IV = "AHA/ACCF/HRS part IV, 2009"
_PART_V = "AHA/ACCF/HRS part V, 2009"
#: Leads that face a wall, neighbours adjacent.
TERRITORIES = {
    "anterior": ("V1", "V2", "V3", "V4"),
    "lateral": ("aVL", "I", "V5", "V6"),
    "inferior": ("II", "aVF", "III"),
}


@dataclass(frozen=True)
class Person:
    """What the limits depend on; None: not known."""

    sex: Sex | None = None
    age_years: float | None = None

    @classmethod
    def of(cls, record: EcgRecord) -> "Person":
        """What the file of a recording says of the person."""
        if record.origin is None:
            return cls()
        sex: Sex | None = None
        if record.origin.sex == "male":
            sex = "male"
        elif record.origin.sex == "female":
            sex = "female"
        return cls(sex, record.origin.age_years)


@dataclass(frozen=True)
class _Case:
    """What every statement is made from."""

    evidence: Evidence
    measurements: Measurements
    person: Person

    def millivolt(self, lead: str, name: str) -> float | None:
        amplitudes = self.measurements.lead_amplitudes.get(lead)
        return None if amplitudes is None else getattr(amplitudes, name).value

    @property
    def wide(self) -> bool:
        """Whether the ventricles are paced or their QRS complex is as wide as in a bundle branch block."""
        return self.evidence.paced or (self.evidence.qrs or 0.0) >= CONDUCTION.block_ms


def statements(evidence: Evidence, measurements: Measurements, person: Person | None = None) -> tuple[Finding, ...]:
    """Every statement in the order of `Term`."""
    case = _Case(evidence, measurements, person or Person())
    return tuple(statement for rule in _RULES for statement in rule(case))


def undecided(why: str) -> tuple[Finding, ...]:
    """Every statement left open for one reason, as for a recording of poor quality."""
    return tuple(Finding(term, None, why, "") for term in Term)


def _st_elevation(case: _Case) -> list[Finding]:
    return [
        _in_neighbours(case, Term(f"ST elevation, {wall}"), leads, "elevation") for wall, leads in TERRITORIES.items()
    ]


def _st_depression(case: _Case) -> list[Finding]:
    return [
        _in_neighbours(case, Term(f"ST depression, {wall}"), leads, "depression") for wall, leads in TERRITORIES.items()
    ]


def _in_neighbours(case: _Case, term: Term, leads: tuple[str, ...], kind: str) -> Finding:
    """Present when two neighbouring leads are beyond their limit, absent when no two are beyond the lower one."""
    if case.wide:
        return Finding(term, None, "a wide or paced QRS complex shifts ST by itself", _UNIVERSAL)
    if case.evidence.flutter:
        return Finding(term, None, "flutter waves run through ST", _UNIVERSAL)
    if case.evidence.reversal is not None:
        words = f"the electrodes {case.evidence.reversal} may be exchanged"
        return Finding(term, None, words, _UNIVERSAL)
    shifts = {lead: case.millivolt(lead, "st_j") for lead in leads}
    known = {lead: shift for lead, shift in shifts.items() if shift is not None}
    if len(known) < len(leads):
        return Finding(term, None, "ST was not measured in millivolt in these leads", _UNIVERSAL)
    sure, possible = ([_beyond(case, lead, known[lead], kind, upper) for lead in leads] for upper in (True, False))
    most = max(known, key=lambda lead: known[lead] if kind == "elevation" else -known[lead])
    words = f"most in {most}, {1000 * known[most]:+.0f} µV at J; criterion in two neighbouring leads"
    if _neighbours(sure):
        return Finding(term, True, words, _UNIVERSAL)
    return Finding(term, None if _neighbours(possible) else False, words, _UNIVERSAL)


def _neighbours(marks: list[bool]) -> bool:
    return any(first and second for first, second in pairwise(marks))


def _beyond(case: _Case, lead: str, shift: float, kind: str, upper: bool) -> bool:
    if kind == "depression":
        later = case.millivolt(lead, "st_80")
        rising = later is not None and later > shift + STATEMENTS.st_rise_mv
        return shift <= -STATEMENTS.st_depression_mv and not rising
    low, high = _elevation_limits(case.person) if lead in ("V2", "V3") else (STATEMENTS.st_mv, STATEMENTS.st_mv)
    return shift >= (high if upper else low)


def _elevation_limits(person: Person) -> tuple[float, float]:
    """Lowest and highest limit in V2 and V3, in mV, that the person may have."""
    young = None if person.age_years is None else person.age_years < STATEMENTS.st_young_years
    men = {
        True: (STATEMENTS.st_v2_v3_young_mv,) * 2,
        False: (STATEMENTS.st_v2_v3_men_mv,) * 2,
        None: (STATEMENTS.st_v2_v3_men_mv, STATEMENTS.st_v2_v3_young_mv),
    }[young]
    if person.sex == "male":
        return men
    if person.sex == "female":
        return STATEMENTS.st_v2_v3_women_mv, STATEMENTS.st_v2_v3_women_mv
    return STATEMENTS.st_v2_v3_women_mv, men[1]


def _qtc(case: _Case) -> list[Finding]:
    qtc = case.measurements.qtc_fridericia.value
    names = (Term.LONG_QTC, Term.SHORT_QTC)
    if qtc is None:
        reason = case.measurements.qtc_fridericia.reason or "QT was not measured"
        return [Finding(name, None, reason, _PART_IV) for name in names]
    if case.wide:
        return [Finding(name, None, f"QTc {qtc:.0f} ms with a wide QRS complex", _PART_IV) for name in names]
    low, high = _by_sex(case.person, STATEMENTS.long_qtc_men_ms, STATEMENTS.long_qtc_women_ms)
    words = f"QTc (Fridericia) {qtc:.0f} ms"
    long = _between(qtc, low, high)
    return [
        Finding(Term.LONG_QTC, long, f"{words}; criterion ≥ {_range(low, high)} ms", _PART_IV),
        Finding(
            Term.SHORT_QTC,
            qtc <= STATEMENTS.short_qtc_ms,
            f"{words}; criterion ≤ {STATEMENTS.short_qtc_ms:.0f} ms",
            _PART_IV,
        ),
    ]


def _by_sex(person: Person, men: float, women: float) -> tuple[float, float]:
    """Lowest and highest limit that the person may have."""
    if person.sex is None:
        return min(men, women), max(men, women)
    limit = men if person.sex == "male" else women
    return limit, limit


def _between(value: float, low: float, high: float) -> bool | None:
    """Present from the highest limit, absent below the lowest, open between."""
    return True if value >= high else None if value >= low else False


def _range(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g} (sex not known)"


def _hypertrophy(case: _Case) -> list[Finding]:
    term = Term.LEFT_VENTRICULAR_VOLTAGE
    if case.wide:
        return [Finding(term, None, "not read in a wide or paced QRS complex", _PART_V)]
    if case.evidence.reversal is not None:
        words = f"the electrodes {case.evidence.reversal} may be exchanged"
        return [Finding(term, None, words, _PART_V)]
    s_v1, s_v3, r_avl = _depth(case, "V1"), _depth(case, "V3"), case.millivolt("aVL", "r")
    lateral = [r for lead in ("V5", "V6") if (r := case.millivolt(lead, "r")) is not None]
    if s_v1 is None or s_v3 is None or r_avl is None or not lateral:
        return [Finding(term, None, "the voltages were not measured in millivolt", _PART_V)]
    sokolow, cornell = max(lateral) - s_v1, r_avl - s_v3
    low, high = _by_sex(case.person, STATEMENTS.cornell_men_mv, STATEMENTS.cornell_women_mv)
    words = (
        f"S V1 + R V5/V6 {sokolow:.2f} mV (criterion ≥ {STATEMENTS.sokolow_mv}), "
        f"R aVL + S V3 {cornell:.2f} mV (criterion ≥ {_range(low, high)})"
    )
    by_cornell = _between(cornell, low, high)
    present = True if sokolow >= STATEMENTS.sokolow_mv else by_cornell
    return [Finding(term, present, words, "Sokolow 1949; Casale 1985; " + _PART_V)]


def _depth(case: _Case, lead: str) -> float | None:
    """The depth of S in mV, at most 0, or that of a QS complex, whose nadir comes before its highest point: J."""
    found = [wave for name in ("q", "s") if (wave := case.millivolt(lead, name)) is not None]
    return min(found, default=None)


def _low_voltage(case: _Case) -> list[Finding]:
    term = Term.LOW_VOLTAGE
    limb = [_height(case, lead) for lead in ("I", "II", "III", "aVR", "aVL", "aVF")]
    chest = [_height(case, f"V{number}") for number in range(1, 7)]
    if None in limb or None in chest:
        return [Finding(term, None, "the voltages were not measured in millivolt", _PART_V)]
    highest = max(h for h in limb if h is not None), max(h for h in chest if h is not None)
    low = highest[0] < STATEMENTS.low_limb_mv and highest[1] < STATEMENTS.low_chest_mv
    words = f"largest QRS {highest[0]:.2f} mV in the limb leads, {highest[1]:.2f} mV in V1 to V6"
    limits = f"criterion < {STATEMENTS.low_limb_mv} and < {STATEMENTS.low_chest_mv} mV"
    return [Finding(term, low, f"{words}; {limits}", "Chou")]


def _height(case: _Case, lead: str) -> float | None:
    r, q, s = (case.millivolt(lead, name) for name in ("r", "q", "s"))
    return None if r is None or q is None or s is None else r - min(q, s)


def _axis(case: _Case) -> list[Finding]:
    axis, terms = case.evidence.qrs_axis, (Term.LEFT_AXIS, Term.RIGHT_AXIS)
    if axis is None or case.evidence.limb_reversal:
        return [Finding(term, None, "the QRS axis is not known", _PART_III) for term in terms]
    margin = STATEMENTS.axis_margin_deg
    words = f"QRS axis {axis:.0f}°"
    left = _inside(axis, -90.0, STATEMENTS.left_axis_deg, margin)
    right = _inside(axis, STATEMENTS.right_axis_deg, 180.0, margin)
    return [
        Finding(Term.LEFT_AXIS, left, f"{words}; criterion -90° to {STATEMENTS.left_axis_deg:.0f}°", _PART_III),
        Finding(Term.RIGHT_AXIS, right, f"{words}; criterion {STATEMENTS.right_axis_deg:.0f}° to 180°", _PART_III),
    ]


def _inside(angle: float, low: float, high: float, margin: float) -> bool | None:
    """Whether an angle is within two others; None within `margin` of that bound which is the limit of normal."""
    bound = high if high < 0 else low
    return None if abs(angle - bound) < margin else low <= angle <= high


def _incomplete_blocks(case: _Case) -> list[Finding]:
    found = []
    for term, pattern in ((Term.INCOMPLETE_RIGHT, right_pattern), (Term.INCOMPLETE_LEFT, left_pattern)):
        qrs, shape = case.evidence.qrs, pattern(case.evidence)
        if qrs is None or shape is None or case.evidence.paced:
            found.append(Finding(term, None, "the QRS complex or its leads do not show the pattern", _PART_III))
            continue
        words = f"QRS {qrs:.0f} ms {'with' if shape else 'without'} the pattern of the block"
        limits = f"criterion {CONDUCTION.incomplete_ms:.0f} to {CONDUCTION.block_ms:.0f} ms"
        inside = CONDUCTION.incomplete_ms <= qrs < CONDUCTION.block_ms
        found.append(Finding(term, bool(shape) and inside, f"{words}; {limits}", _PART_III))
    return found


def _fascicular_blocks(case: _Case) -> list[Finding]:
    evidence, axis, qrs = case.evidence, case.evidence.qrs_axis, case.evidence.qrs
    terms = (Term.ANTERIOR_HEMIBLOCK, Term.POSTERIOR_HEMIBLOCK)
    needed = ("I", "aVL", "III", "aVF")
    if axis is None or qrs is None or evidence.limb_reversal or any(lead not in evidence.shapes for lead in needed):
        return [Finding(term, None, "axis, width or limb leads are not known", _PART_III) for term in terms]
    avl, third = evidence.shapes["aVL"], evidence.shapes["III"]
    words = f"QRS axis {axis:.0f}°, QRS {qrs:.0f} ms"
    narrow = qrs < CONDUCTION.block_ms
    left = -90.0 <= axis <= CONDUCTION.anterior_axis and avl.net > 0 and avl.r_peak_ms >= STATEMENTS.late_avl_ms
    right = axis > CONDUCTION.posterior_axis and avl.net < 0 and third.q_ms > 0.0 and third.net > 0
    anterior = f"{words}, R peak in aVL after {avl.r_peak_ms:.0f} ms; criterion -90° to -45°, ≥ 45 ms, < 120 ms"
    posterior = f"{words}; criterion over 90°, rS in aVL, qR in III, < 120 ms"
    return [
        Finding(Term.ANTERIOR_HEMIBLOCK, narrow and left and not evidence.paced, anterior, _PART_III),
        Finding(Term.POSTERIOR_HEMIBLOCK, narrow and right and not evidence.paced, posterior, _PART_III),
    ]


def _early_atrial_beats(case: _Case) -> list[Finding]:
    term, source = Term.PREMATURE_ATRIAL, "Chou"
    if fibrillates(case.evidence) or case.evidence.flutter:
        return [Finding(term, None, "fibrillation or flutter: no beat is early", source)]
    early = sum(name == "premature" for name in case.measurements.beats.classes)
    words = f"{early} beat(s) of the usual shape after less than 0.8 of the usual RR in a regular rhythm"
    if early:
        return [Finding(term, True, words, source)]
    regular = case.evidence.irregularity is not None and case.evidence.irregularity < STATEMENTS.regular
    return [Finding(term, False if regular else None, words, source)]


def _pauses(case: _Case) -> list[Finding]:
    term, source = Term.PAUSE, "2018 ACC/AHA/HRS"
    longest = case.evidence.longest_rr_s
    if longest is None:
        return [Finding(term, None, "too few beats", source)]
    words = f"longest RR {longest:.2f} s; criterion ≥ {STATEMENTS.pause_s:.0f} s"
    return [Finding(term, longest >= STATEMENTS.pause_s, words, source)]


_RULES: tuple[Callable[[_Case], list[Finding]], ...] = (
    _st_elevation,
    _st_depression,
    _qtc,
    _hypertrophy,
    _low_voltage,
    _axis,
    _incomplete_blocks,
    _fascicular_blocks,
    _early_atrial_beats,
    _pauses,
)
