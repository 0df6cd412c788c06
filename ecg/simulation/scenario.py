"""What to simulate: `Scenario` and its artefacts."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from ecg.errors import InvalidScenario
from ecg.record import MAX_FS_HZ, MIN_FS_HZ
from ecg.simulation.shapes import ELECTRODES, QRS_SHAPES, T_SHAPES

Rhythm = Literal["sinus", "junctional", "af", "flutter", "wenckebach", "mobitz2", "avb3", "vt", "paced", "paced_dual"]
Ectopy = Literal["pvc", "pac"]
Territory = Literal["anterior", "inferior", "lateral", "global"]
ArtefactKind = Literal[
    "baseline", "mains50", "mains60", "muscle", "motion", "spikes", "lead_off", "clip", "missing", "reversal"
]
REVERSALS = ("LA/RA", "LA/LL", "RA/LL", "V1/V2", "V1/V3", "V2/V3", "V3/V4", "V4/V5", "V5/V6", "V1/V6")
LIMITS: dict[str, tuple[float, float]] = {
    "heart_rate_bpm": (20, 240),
    "atrial_rate_bpm": (30, 350),
    "rr_sd_ms": (0, 200),
    "pr_ms": (80, 400),
    "p_ms": (40, 160),
    "qrs_ms": (60, 220),
    "qt_ms": (240, 640),
    "p_axis_deg": (-180, 180),
    "qrs_axis_deg": (-180, 180),
    "t_axis_deg": (-180, 180),
    "st_mv": (-1, 1),
    "amplitude": (0.1, 5),
    "ectopic_every": (2, 1000),
    "conduction": (2, 10),
    "duration_s": (5, 3600),
    "fs_hz": (MIN_FS_HZ, MAX_FS_HZ),
}


@dataclass(frozen=True)
class Artefact:
    """One disturbance.

    Attributes
    ----------
    kind
        ``baseline`` wander, ``mains50`` / ``mains60``, ``muscle``, ``motion`` of an electrode, ``spikes``,
        ``lead_off``, ``clip``, ``missing`` samples (NaN), or electrode ``reversal``.
    level_mv
        Amplitude: peak for baseline, mains, motion and spikes, standard deviation for muscle, the limit for clip;
        not used by the others. On one electrode it is the amplitude there, on all the usual one in a limb lead.
    at
        The electrode it acts on (`ELECTRODES`), the pair of a reversal (`REVERSALS`), or None for all electrodes.
        For clip and missing: an electrode names the leads it takes part in.
    start_s, end_s
        When; `end_s` None is to the end. Reversal holds for the whole recording.
    """

    kind: ArtefactKind
    level_mv: float = 0.1
    at: str | None = None
    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(ArtefactKind):
            raise InvalidScenario("Unknown artefact.", "artefacts.kind", list(get_args(ArtefactKind)), self.kind)
        places = REVERSALS if self.kind == "reversal" else (*ELECTRODES, None)
        if self.at not in places:
            raise InvalidScenario(f"No such place for {self.kind}.", "artefacts.at", list(places), self.at)
        if not 0 < self.level_mv <= 100:
            raise InvalidScenario("Artefact level out of range.", "artefacts.level_mv", "0 to 100 mV", self.level_mv)
        if self.start_s < 0 or (self.end_s is not None and self.end_s <= self.start_s):
            raise InvalidScenario("Artefact ends before it starts.", "artefacts.end_s", "> start_s", self.end_s)


@dataclass(frozen=True)
class Scenario:
    """A recording to simulate. Intervals are exact; None means the usual value for the rest.

    Attributes
    ----------
    rhythm, heart_rate_bpm
        Ventricular rate, except in 2nd-degree block (``wenckebach``, ``mobitz2``), where it is the sinus rate.
    atrial_rate_bpm
        Of P waves dissociated from the QRS (``avb3``, ``vt``).
    rr_sd_ms
        Standard deviation of RR in sinus rhythm, half of it respiratory.
    pr_ms, p_ms, qrs_ms, qt_ms
        Intervals of the dominant beat. `p_ms` None: 116 ms or 3/4 of PR, whichever is shorter; `qt_ms` None: 410 ms
        times the cube root of RR in seconds, as far as RR has room. Irregular rhythms shorten it before early beats.
    shape, t_shape
        Keys of `QRS_SHAPES` and `T_SHAPES`; `t_shape` ``"discordant"`` points away from the QRS.
    p_axis_deg, qrs_axis_deg, t_axis_deg
        Frontal axes; None leaves the shape's own.
    st_mv, st_territory
        ST shift at J (negative: depression) in the leads that face the territory.
    amplitude
        Factor on every wave.
    ectopy, ectopic_every
        One premature beat in every so many.
    conduction
        P waves per dropped beat in 2nd-degree block.
    artefacts
        See `Artefact`.
    duration_s, fs_hz
        Length and sampling rate.

    Raises
    ------
    InvalidScenario
        When a value is out of range or two contradict each other.
    """

    rhythm: Rhythm = "sinus"
    heart_rate_bpm: float = 72.0
    atrial_rate_bpm: float = 85.0
    rr_sd_ms: float = 20.0
    pr_ms: float = 160.0
    p_ms: float | None = None
    qrs_ms: float = 92.0
    qt_ms: float | None = None
    shape: str = "normal"
    t_shape: str = "upright"
    p_axis_deg: float | None = None
    qrs_axis_deg: float | None = None
    t_axis_deg: float | None = None
    st_mv: float = 0.0
    st_territory: Territory = "anterior"
    amplitude: float = 1.0
    ectopy: Ectopy | None = None
    ectopic_every: int = 5
    conduction: int = 4
    artefacts: tuple[Artefact, ...] = field(default=())
    duration_s: float = 10.0
    fs_hz: float = 500.0

    def __post_init__(self) -> None:
        choices = {
            "rhythm": get_args(Rhythm),
            "shape": tuple(QRS_SHAPES),
            "t_shape": (*T_SHAPES, "discordant"),
            "st_territory": get_args(Territory),
            "ectopy": (*get_args(Ectopy), None),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise InvalidScenario(f"Unknown {name}.", name, list(allowed), getattr(self, name))
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InvalidScenario(f"{name} is out of range.", name, [low, high], str(value))
        if self.p_duration_ms > self.pr_ms:
            raise InvalidScenario("The P wave is longer than PR.", "p_ms", f"<= {self.pr_ms}", self.p_ms)
        if self.qrs_ms + 120 > self.qt_duration_ms:
            raise InvalidScenario("No room for ST and T.", "qt_ms", f">= {self.qrs_ms + 120}", self.qt_duration_ms)
        if self.qt_duration_ms > self._longest_qt_ms + 1e-6:
            raise InvalidScenario(
                "QT is longer than RR.", "qt_ms", f"<= {self._longest_qt_ms:.0f}", self.qt_duration_ms
            )

    @property
    def p_duration_ms(self) -> float:
        """Length of the P wave in ms."""
        return min(116.0, 0.75 * self.pr_ms) if self.p_ms is None else self.p_ms

    @property
    def qt_duration_ms(self) -> float:
        """QT in ms."""
        usual = max(410.0 * (60.0 / self.heart_rate_bpm) ** (1 / 3), self.qrs_ms + 140.0)
        return min(usual, self._longest_qt_ms) if self.qt_ms is None else self.qt_ms

    @property
    def _longest_qt_ms(self) -> float:
        return 60e3 / self.heart_rate_bpm - 20.0  # a T wave ends before the next QRS begins

    def to_dict(self) -> dict[str, Any]:
        """All fields, JSON-ready."""
        return asdict(self)
