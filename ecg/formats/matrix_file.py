"""What MATLAB and HDF5 files share: which matrix is the recording, and what the variables beside it state."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ecg.errors import InconsistentInput, MalformedInput, UnusableRecording
from ecg.formats.channels import is_no_lead
from ecg.formats.device_file import number_of, text_of
from ecg.formats.stated import Stated
from ecg.leads import MAX_LEADS, is_lead

_RATES = frozenset(
    {"fs", "fshz", "sf", "sfreq", "samplerate", "samplefreq", "samplefrequency", "samplingrate", "samplingfreq"}
    | {"samplingfrequency", "currsamplerate"}
)
_UNITS = frozenset({"unit", "units"})
_LEADS = frozenset(
    {"lead", "leads", "leadname", "leadnames", "channels", "channelnames", "chnames", "signames", "signame"}
)
_SCALES = frozenset(
    {"gain", "gains", "adcgain", "gainfactor", "scale", "scales", "scalefactor", "scalingfactor", "conversionfactor"}
    | {"multiplier", "sensitivity", "resolution", "baseline", "offset", "lsb", "uvperbit", "unitsperbit", "adcunits"}
)
_PERSON = re.compile(r".*(?:name|patient|subject|person|birth|dob|comment|note|description|exam_?id).*", re.IGNORECASE)
_FEWEST_SAMPLES = 50  # of a lead; what has fewer is a list of peaks, gains or intervals
_KNOWN_BESIDE = _RATES | _UNITS | _LEADS | _SCALES | {"age", "sex", "gender"}


@dataclass
class Beside:
    """What stands beside the matrices: numbers and texts by name, and whether there are texts that are not read."""

    values: dict[str, list[list[object]]] = field(default_factory=dict)
    texts: bool = False

    def add(self, name: str, value: Sequence[object]) -> None:
        """A variable or attribute, its numbers or texts; a text under a name that is not known is only noticed."""
        plain = _plain(name)
        if plain in _KNOWN_BESIDE:
            self.values.setdefault(plain, []).append([part for part in value if isinstance(part, str | int | float)])
        elif _PERSON.fullmatch(name) or any(isinstance(part, str) and part.strip() for part in value):
            self.texts = True

    @property
    def identifying(self) -> tuple[str, ...]:
        """As in `Origin`."""
        return ("texts beside the samples",) if self.texts else ()

    @property
    def scales(self) -> list[str]:
        """Names of the gains and offsets, whose sense is not defined anywhere; those of 1 and 0 change nothing."""
        return sorted(
            _SCALES & {name for name, values in self.values.items() if any({*value} - {0, 1} for value in values)}
        )

    def notes(self, unit: str | None) -> tuple[str, ...]:
        """What is said of scales that are not applied, to samples in the unit that was settled."""
        if not self.scales:
            return ()
        note = f"Variables that are not applied to the samples: {', '.join(self.scales)}."
        withheld = unit is None and self._unit() is not None
        return (
            (f"{note} So the unit in the file may not be that of the samples: state it (--units).",)
            if withheld
            else (note,)
        )

    def one(self, *names: str) -> object:
        """The one number or text of the first of these variables; None without any."""
        for name in names:
            for value in self.values.get(name, []):
                if len(value) == 1:
                    return value[0]
        return None

    def settled(self, stated: Stated) -> Stated:
        """What was stated, completed by what the file says. Raises `InconsistentInput` where they contradict.

        Beside a gain that is not applied, the unit of the file may be that of the samples before or after it: it is
        not taken.
        """
        fs_hz = self._said(_RATES, "fs", lambda value: [*map(_rate, value)])
        unit = self._unit()
        leads = self._said(_LEADS, "lead_names", lambda value: [_names(value)])
        if isinstance(fs_hz, float):
            stated = replace(stated, fs_hz=stated.settle_fs(fs_hz))
        if unit is not None and (stated.unit is not None or not self.scales):
            stated = replace(stated, unit=stated.settle_unit(unit))
        if isinstance(leads, tuple):
            stated = replace(stated, leads=stated.settle_leads(leads))
        return stated

    def _unit(self) -> str | None:
        said = self._said(_UNITS, "units", lambda value: [*map(_text, value)])
        return said if isinstance(said, str) else None

    def _said(self, names: frozenset[str], field_name: str, read: Callable[[list[object]], Sequence[object]]) -> object:
        """What all variables of these names say, each element of one for itself; None without any."""
        values = [value for name in sorted(names) for value in self.values.get(name, [])]
        found = [said for value in values for said in read(value) if said is not None]
        if any(value != found[0] for value in found):
            shown = [str(value)[:80] for value in found[:2]]
            raise InconsistentInput("Two variables of the file contradict each other.", field_name, *shown)
        return found[0] if found else None


def chosen(shapes: Mapping[str, tuple[int, ...]], stated: Stated) -> str:
    """The name of the matrix of samples, [lead, sample] or [sample, lead], or of an array of many of them.

    It is the one that was stated, or the only one that fits the leads. Raises `MalformedInput` when none does, and
    `UnusableRecording` when several do: which one was meant is not guessed.
    """
    if stated.variable is not None:
        for name in shapes:
            if stated.variable in (name, name.rpartition("/")[2]):
                return name
        raise MalformedInput(
            "The file has no matrix of this name.", "variable", [*map(text_of, shapes)][:20], stated.variable[:80]
        )
    possible = {
        name: shape
        for name, shape in shapes.items()
        if min(shape[-2:]) <= MAX_LEADS
        and max(shape[-2:]) >= _FEWEST_SAMPLES
        and not is_no_lead(name.rpartition("/")[2])
        and not stands_beside(name)
    }
    if not possible:
        raise UnusableRecording("The file holds no matrix of samples.", "signal", "a matrix [lead, sample]", None)
    leads = [name for name, shape in possible.items() if min(shape) == 1 and is_lead(name.rpartition("/")[2])]
    if len(leads) > 1:
        raise UnusableRecording(
            "The file has a variable for each lead: put them into one matrix.",
            "signal",
            "a matrix [lead, sample]",
            [name.rpartition("/")[2] for name in leads[:MAX_LEADS]],
        )
    many = {shape[0] for shape in possible.values() if len(shape) == 3}
    # A table with one row for each of many recordings, such as their labels, is none of them.
    possible = {name: shape for name, shape in possible.items() if len(shape) == 3 or shape[0] not in many}
    if stated.leads is not None:
        n_leads = len(stated.leads)
        fitting = {
            name: shape
            for name, shape in possible.items()
            if n_leads in shape[-2:] and math.prod(shape[-2:]) >= n_leads * _FEWEST_SAMPLES
        }
        if not fitting:
            raise MalformedInput(
                "No matrix of the file has a row for each lead.",
                "lead_names",
                len(stated.leads),
                [list(shape) for shape in possible.values()][:5],
            )
        possible = fitting
    if len(possible) > 1:
        names = [text_of(name.strip("/")) or "?" for name in possible]
        raise UnusableRecording(
            f"{len(names)} matrices could be the recording: {', '.join(names)[:200]}. State one by its name.",
            "variable",
            "the name of one (--variable)",
            names[:10],
        )
    return next(iter(possible))


def stands_beside(name: str) -> bool:
    """Whether a variable of this name says something of the samples, and is never the samples."""
    return _plain(name) in _KNOWN_BESIDE


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.rpartition("/")[2].lower())


def _rate(value: object) -> float | None:
    return number_of(value.lower().removesuffix("hz").strip() if isinstance(value, str) else value)


def _text(value: object) -> str | None:
    return text_of(value) if isinstance(value, str) else None


def _names(value: list[object]) -> tuple[str, ...] | None:
    """Lead names, one text each or all in one; None for what is none, such as the number of leads."""
    texts = [part for part in value if isinstance(part, str)]
    if not texts or len(texts) != len(value):
        return None
    if len(texts) == 1:
        texts = re.split(r"[,;\s]+", texts[0].strip())
    return tuple(text.strip()[:MAX_LEADS] for text in texts)
