"""`EcgRecord`, the one shape every recording takes once its bytes have been read."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecg.errors import (
    DuplicateLead,
    InvalidSamples,
    MalformedInput,
    MissingLeads,
    RecordingTooLong,
    SamplingRateOutOfRange,
)
from ecg.leads import MAX_LEAD_NAME, MAX_LEADS, STANDARD_LEADS, canonical_lead, derivable_leads, derive_lead
from ecg.origin import Origin

Signal = NDArray[np.float32]

MIN_FS_HZ = 100.0  # below it QRS edges fall between samples and sleepecg no longer detects reliably
MAX_FS_HZ = 4000.0
MILLIVOLTS_PER_UNIT = {"mv": 1.0, "v": 1e3, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}


@dataclass(frozen=True, eq=False)
class EcgRecord:
    """A multi-lead recording on one clock.

    Attributes
    ----------
    signal
        float32 [lead, sample], C-contiguous, read-only; millivolt when `unit` is ``"mV"``. NaN marks a missing
        sample; infinities are refused.
    leads
        Name of each row, standard spelling where it is one of the twelve, no name twice.
    fs_hz
        Sampling rate of every lead in Hz, between `MIN_FS_HZ` and `MAX_FS_HZ`.
    unit
        ``"mV"``, or None when the scale of the samples is not known: then nothing that depends on amplitude is
        reported.
    name
        What to call the recording in reports; never used as a path.
    format
        Name of the format it was read from.
    notes
        What the reader had to say about the input: oddities that did not stop it.
    acquired
        When the first sample was taken; without an offset it is the device's local time. None unless the input says.
    origin
        What the file says of device, patient and the device's own results; None when it says nothing.

    Raises
    ------
    MalformedInput, DuplicateLead, InvalidSamples, SamplingRateOutOfRange
        When the arguments break an invariant.
    """

    signal: Signal
    leads: tuple[str, ...]
    fs_hz: float
    unit: str | None
    name: str | None = None
    format: str = "array"
    notes: tuple[str, ...] = ()
    acquired: datetime | None = None
    origin: Origin | None = None

    def __post_init__(self) -> None:
        check_names(self.leads)
        signal = np.ascontiguousarray(_samples(self.signal))
        if signal is self.signal and signal.flags.writeable:
            signal = signal.copy()  # the caller may go on writing into the array
        leads = tuple(canonical_lead(lead) for lead in self.leads)
        if signal.ndim != 2 or 0 in signal.shape:
            expected = "2 dimensions, none of them 0"
            raise MalformedInput("The signal is not [lead, sample].", "signal", expected, list(signal.shape))
        if len(leads) != signal.shape[0]:
            raise MalformedInput(
                f"{signal.shape[0]} rows of samples, but {len(leads)} lead names.",
                "lead_names",
                signal.shape[0],
                len(leads),
            )
        seen: set[str] = set()
        for lead in leads:
            if lead in seen:
                raise DuplicateLead(f"Lead {lead} stands more than once.", "lead_names", "each lead once", list(leads))
            seen.add(lead)
        fs_hz = _rate(self.fs_hz)
        check_rate(fs_hz)
        if self.unit not in ("mV", None):
            raise MalformedInput("Samples are millivolt, or of unknown scale.", "units", ["mV", None], self.unit)
        if np.isinf(signal).any():
            raise InvalidSamples("The signal holds infinities.", "signal", "finite samples", "infinity")
        signal.flags.writeable = False
        object.__setattr__(self, "signal", signal)
        object.__setattr__(self, "leads", leads)
        object.__setattr__(self, "fs_hz", fs_hz)

    def __reduce__(self) -> tuple[object, ...]:
        about = (self.name, self.format, self.notes, self.acquired, self.origin)
        fields = (self.signal, self.leads, self.fs_hz, self.unit, *about)
        return (EcgRecord, fields)

    @classmethod
    def from_array(
        cls, signal: ArrayLike, fs_hz: float, leads: Sequence[str], unit: str | None = None, name: str | None = None
    ) -> "EcgRecord":
        """A recording from samples [lead, sample] with their rate, lead names and unit (``"mV"``, or None if unknown).

        Masked samples of a `numpy.ma.MaskedArray` are missing. Raises what the constructor raises.
        """
        if isinstance(leads, str) or not isinstance(leads, Iterable):
            raise MalformedInput("The lead names are no list.", "lead_names", "a name for each row", str(leads)[:80])
        return cls(_samples(signal), tuple(leads), fs_hz, unit, name)

    @property
    def n_samples(self) -> int:
        """Samples per lead."""
        return int(self.signal.shape[1])

    @property
    def duration_s(self) -> float:
        """Length in seconds: samples over sampling rate."""
        return self.n_samples / self.fs_hz

    @cached_property
    def sha256(self) -> str:
        """Hex digest over sampling rate, unit, lead names and samples: equal for equal content in any file format."""
        digest = hashlib.sha256(f"{self.fs_hz!r}|{self.unit}|{','.join(self.leads)}|".encode())
        digest.update(self.signal.astype("<f4", copy=False).tobytes())
        return digest.hexdigest()

    def lead(self, name: str) -> Signal:
        """Samples of one lead, float32 [sample]; KeyError when it is absent."""
        try:
            row: Signal = self.signal[self.leads.index(name)]
        except ValueError:
            raise KeyError(name) from None
        return row

    def missing_standard_leads(self) -> tuple[str, ...]:
        """Standard leads that are absent and do not follow from I and II, in standard order."""
        there = {*self.leads, *derivable_leads(self.leads)}
        return tuple(lead for lead in STANDARD_LEADS if lead not in there)

    def derived_leads(self) -> tuple[str, ...]:
        """The leads that `completed` adds, in standard order."""
        derived = derivable_leads(self.leads)
        if not derived or self.missing_standard_leads():
            return ()
        moving = all((np.diff(row[~np.isnan(row)]) != 0).any() for row in (self.lead("I"), self.lead("II")))
        return derived if moving else ()

    def completed(self) -> "EcgRecord":
        """The record with III, aVR, aVL, aVF derived from I and II where only they are absent of the twelve.

        Itself otherwise, and where I or II is flat: what is derived from a dead lead is not the heart's. The leads come
        in standard order, others after them.
        """
        derived = self.derived_leads()
        if not derived:
            return self
        first, second = self.lead("I"), self.lead("II")
        leads = (*STANDARD_LEADS, *(lead for lead in self.leads if lead not in STANDARD_LEADS))
        rows = [derive_lead(lead, first, second) if lead in derived else self.lead(lead) for lead in leads]
        return replace(self, signal=np.stack(rows), leads=leads)

    def standard(self) -> "EcgRecord":
        """The twelve standard leads in standard order, III, aVR, aVL, aVF derived from I and II where absent.

        Other leads are left out. A note names the derived ones. Raises `MissingLeads` when one is absent and cannot
        be derived.
        """
        if self.leads == STANDARD_LEADS:
            return self
        derived = derivable_leads(self.leads)
        missing = self.missing_standard_leads()
        if missing:
            raise MissingLeads(
                f"Missing leads: {', '.join(missing)}.", "lead_names", list(STANDARD_LEADS), list(self.leads)
            )
        rows = [
            derive_lead(lead, self.lead("I"), self.lead("II")) if lead in derived else self.lead(lead)
            for lead in STANDARD_LEADS
        ]
        notes = (*self.notes, f"{', '.join(derived)} derived from I and II.") if derived else self.notes
        return replace(self, signal=np.stack(rows), leads=STANDARD_LEADS, notes=notes)


def _samples(signal: ArrayLike) -> Signal:
    """Real numbers as float32, missing where masked; `MalformedInput` for anything else."""
    try:
        given = np.ma.asanyarray(signal) if isinstance(signal, np.ma.MaskedArray) else np.asarray(signal)
        if np.iscomplexobj(given):
            raise MalformedInput("Samples are real numbers.", "signal", "real numbers", str(given.dtype))
        with np.errstate(over="ignore"):  # what becomes infinite is refused as such
            real = np.asarray(np.ma.getdata(given), dtype=np.float32)
    except (TypeError, ValueError):  # rows of different lengths, text, objects
        expected = "rows of equal length, of real numbers"
        raise MalformedInput("The signal is no array of numbers.", "signal", expected, type(signal).__name__) from None
    if isinstance(given, np.ma.MaskedArray):
        real = np.where(np.ma.getmaskarray(given), np.float32(np.nan), real)
    return real


def _rate(fs_hz: object) -> float:
    try:
        return float(fs_hz)  # type: ignore[arg-type]  # whatever a caller without a type checker gives
    except (TypeError, ValueError):
        raise MalformedInput("The sampling rate is no number.", "fs", "Hz", str(fs_hz)[:40]) from None


def check_record(record: object) -> None:
    """Raise `MalformedInput` for what is no recording, such as the path of one."""
    if not isinstance(record, EcgRecord):
        how = "an EcgRecord: ecg.read(path) or EcgRecord.from_array(samples, …) makes one"
        raise MalformedInput("This is no recording.", "record", how, type(record).__name__)


def check_names(leads: Sequence[str]) -> None:
    """Raise `MalformedInput` for more or longer lead names than a recording has."""
    if len(leads) > MAX_LEADS:
        raise MalformedInput("Too many lead names.", "lead_names", f"<= {MAX_LEADS}", len(leads))
    for lead in leads:
        if not isinstance(lead, str):
            raise MalformedInput("A lead name is no text.", "lead_names", "text", str(lead)[:MAX_LEAD_NAME])
    longest = max(map(len, leads), default=0)
    if longest > MAX_LEAD_NAME:
        raise MalformedInput("A lead name is too long.", "lead_names", f"<= {MAX_LEAD_NAME} characters", longest)


def check_rate(fs_hz: float) -> None:
    """Raise `SamplingRateOutOfRange` outside `MIN_FS_HZ` to `MAX_FS_HZ`."""
    if not MIN_FS_HZ <= fs_hz <= MAX_FS_HZ:
        raise SamplingRateOutOfRange(
            f"A sampling rate of {fs_hz:g} Hz is outside {MIN_FS_HZ:g} to {MAX_FS_HZ:g} Hz.",
            "fs",
            [MIN_FS_HZ, MAX_FS_HZ],
            fs_hz if np.isfinite(fs_hz) else str(fs_hz),
        )


def check_announced(n_samples: float, fs_hz: float, max_duration_s: float) -> None:
    """Raise `SamplingRateOutOfRange` or `RecordingTooLong` for what a file announces, before its samples are read."""
    check_rate(fs_hz)
    check_duration(n_samples / fs_hz, max_duration_s)


def check_duration(duration_s: float, max_duration_s: float) -> None:
    """Raise `RecordingTooLong` for more than is taken at once."""
    if duration_s > max_duration_s:
        raise RecordingTooLong(
            f"{duration_s:.0f} s is more than one recording may hold.",
            "signal",
            f"<= {max_duration_s:g} s",
            round(duration_s, 3),
        )


def millivolts_per(unit: str, field: str = "units") -> float:
    """How many mV one of `unit` is: V, mV, µV, uV, nV in any case. Raises `MalformedInput` for any other word."""
    factor = MILLIVOLTS_PER_UNIT.get(unit.strip().lower())
    if factor is None:
        raise MalformedInput(f"Unknown unit {unit[:40]!r}.", field, ["mV", "uV", "V", "nV"], unit[:40])
    return factor


def to_millivolt(samples: Signal, unit: str | None, field: str = "units") -> tuple[Signal, str | None]:
    """Samples in mV and ``"mV"``, or the samples untouched and None when no unit is stated.

    `unit` is one of V, mV, µV, uV, nV in any case. Raises `MalformedInput` for any other word.
    """
    if unit is None or unit.strip() == "":
        return samples, None
    factor = millivolts_per(unit, field)
    return (samples if factor == 1.0 else (samples * np.float32(factor)).astype(np.float32)), "mV"
