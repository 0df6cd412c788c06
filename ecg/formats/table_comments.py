"""What the comments of a table state: a sampling rate and a unit, only where the wording leaves nothing open.

Comments are prose. A number of Hz in them may be a filter, the mains, a display or the rate before resampling; ``mV``
may stand beside counts or a factor. So a comment counts only when the whole line is a plain statement, and when no
other comment puts it in doubt. What is in doubt is taken as not stated.
"""

import re
from dataclasses import dataclass

from ecg.errors import InconsistentInput, InputTooLarge
from ecg.formats.device_file import shown

_MAX_COMMENTS = 1000
_LOOKED_AT = 400  # characters of a comment
_LINE = re.compile(r"^#.*\n", re.MULTILINE)
_LETTERS = re.compile(r"[^\W\d_]")

_RATE_NAME = r"(?:the\s+)?(?:fs|sfreq|sampl(?:e|ing)[\s_-]?(?:rate|freq(?:uency)?))(?:[\s_]*[(\[]?\s*hz\s*[)\]]?)?"
_NUMBER = r"(?P<number>\d{1,9}(?:\.\d{0,9})?(?:e[-+]?\d{1,2})?)"
_PER_SECOND = r"(?P<per>k?hz|sps|samples?\s*(?:/|\s+per\s+)\s*s(?:ec(?:ond)?)?)"
_RATES = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"{_RATE_NAME}\s*[:=]\s*{_NUMBER}\s*{_PER_SECOND}?\s*\.?",
        rf"(?:{_RATE_NAME}(?:\s+is|\s+of)?|(?:signals?\s+|data\s+)?(?:was\s+|were\s+|is\s+|are\s+)?sampled\s+(?:at|with))"
        rf"\s+{_NUMBER}\s*{_PER_SECOND}\s*\.?",
    )
)
_ON_RATE = re.compile(rf"{_RATE_NAME}\s*[:=]", re.IGNORECASE)
#: Another rate than that of the rows may be meant as soon as resampling or a second rate of sampling is spoken of.
_SECOND_RATE = re.compile(
    r"\b(?:re|down|up|over|sub)[\s-]?sampl|\bdecimat|\binterpolat|\bsampl\w*\b.*\d\s*k?hz\b", re.IGNORECASE
)

_VOLTAGE = r"(?:[mnuµμ]?V|(?:milli|micro|nano)?volts?)"
_COUNTS = r"(?:adc|adu|raw|counts?|lsbs?|digits?|a\.?u\.?|arbitrary|nu)(?:\s+(?:units?|counts?|values?))?"
_OF_SAMPLES = r"(?:ecg|signals?|amplitudes?|voltages?|samples?|values?|data|leads?|physical)"
_UNITS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?:the\s+)?(?:{_OF_SAMPLES}[\s_]+)?units?(?:\s+of\s+(?:the\s+)?{_OF_SAMPLES})?\s*(?:[:=]|\bis\b|\bare\b)\s*"
        rf"[(\[]?(?P<unit>{_VOLTAGE}|{_COUNTS})[)\]]?\s*\.?",
        rf"(?:(?:all|the)\s+)*(?:{_OF_SAMPLES}\s+)?(?:{_OF_SAMPLES}|units?)(?:\s+(?:is|are))?"
        rf"(?:\s+(?:given|stored|expressed|recorded|measured))?\s+in\s+(?P<unit>{_VOLTAGE})\s*\.?",
        rf"(?:amplitudes?|voltages?)\s*(?:[:=]|[(\[])\s*(?P<unit>{_VOLTAGE})\s*[)\]]?\s*\.?",
    )
)
_ON_UNIT = re.compile(rf"(?:{_OF_SAMPLES}[\s_]+)?units?\s*[:=]", re.IGNORECASE)
#: Not after a number, where it is an amplitude; a lone V is a lead or an initial.
_UNIT_WORD = re.compile(r"(?<![\w.])(?<!\d )(?P<unit>[mnuµμ]V|(?:milli|micro|nano)?volts?)(?!\w)", re.IGNORECASE)
#: Words by which the samples may be something else than the stated unit: counts, a factor, a gain other than 1.
_OF_SCALE = re.compile(
    rf"\b(?:counts?|adus?|lsbs?|(?:adc|raw|digital)\s+(?:units?|values?))\b|\bdivid|\bmultipl|\bscal(?:e|ed|ing)\b|\bnot\b.*{_VOLTAGE}|(?:/|\bper)\s*{_VOLTAGE}\b|"
    r"\bgains?\b(?!\s*[:=]?\s*1(?:\.0*)?\s*$).*\d",
    re.IGNORECASE,
)
_OF_PAPER = re.compile(r"\d\s*mm\b", re.IGNORECASE)  # 10 mm/mV is how it is drawn
_NAMES = {"volt": "V", "millivolt": "mV", "microvolt": "uV", "nanovolt": "nV"}

NO_RATE = "The comments do not state one sampling rate plainly; state it (--fs)."
NO_UNIT = (
    "What the comments say of a unit leaves open what the samples are: the unit is not known unless stated (--units)."
)


@dataclass(frozen=True)
class Comments:
    """What the comments of a table state.

    Attributes
    ----------
    fs_hz
        The one sampling rate in Hz; None when none is stated, or when it is in doubt.
    unit
        The one unit; None when none is stated, or when it is in doubt.
    rate_doubt
        Why a rate that a comment speaks of is not taken; None when no comment does.
    unit_in_doubt
        Whether a comment speaks of a unit that is not taken.
    others
        Whether there are comments with words that state neither.
    """

    fs_hz: float | None = None
    unit: str | None = None
    rate_doubt: str | None = None
    unit_in_doubt: bool = False
    others: bool = False


def split_comments(text: str) -> tuple[Comments, str]:
    """What the comments of a table of lines state, and the table without them.

    Raises `InputTooLarge`, and `InconsistentInput` when two comments state different rates or units.
    """
    if not text.startswith("#") and "\n#" not in text:
        return Comments(), text
    if text.count("\n#") > _MAX_COMMENTS:
        raise InputTooLarge("The table has too many comments.", "body", _MAX_COMMENTS, text.count("\n#"))
    lines = [found[0][:_LOOKED_AT].lstrip("#").strip() for found in _LINE.finditer(text)]
    return _comments(lines), _LINE.sub("", text)


def _comments(lines: list[str]) -> Comments:
    stated = [(line, _rate(line), _unit(line)) for line in lines]
    rates = [rate for _, rate, _ in stated if rate is not None]
    units = [unit for _, _, unit in stated if unit is not None]
    for name, found in (("fs", rates), ("unit", units)):
        if len(different := list(dict.fromkeys(found))) > 1:
            raise InconsistentInput(f"Two comments state different {name}.", name, different[0], different[1])
    others = [line for line, rate, unit in stated if rate is None and unit is None and _LETTERS.search(line)]
    return Comments(
        rates[0] if rates and not any(map(_SECOND_RATE.search, others)) else None,
        units[0] if units and not any(_contradicts(line, units[0]) for line in others) else None,
        _rate_doubt(rates, others),
        bool(units) or any(_ON_UNIT.match(line) or _UNIT_WORD.search(line) for line in others),
        bool(others),
    )


def _rate(line: str) -> float | None:
    """The rate in Hz that a comment states and nothing else."""
    found = next(filter(None, (form.fullmatch(line) for form in _RATES)), None)
    if found is None:
        return None
    return float(found["number"]) * (1000 if (found["per"] or "").lower() == "khz" else 1)


def _unit(line: str) -> str | None:
    """The unit that a comment states and nothing else, as `ecg.record` spells it."""
    found = next(filter(None, (form.fullmatch(line) for form in _UNITS)), None)
    if found is None:
        return None
    return _spelled(found["unit"])


def _spelled(unit: str) -> str:
    word = unit.strip().lower()
    for sign in "µμ":
        word = word.replace(sign, "u")
    return _NAMES.get(word.removesuffix("s"), {"uv": "uV", "mv": "mV", "nv": "nV", "v": "V"}.get(word, word))


def _contradicts(line: str, unit: str) -> bool:
    """Whether a comment lets the samples be something else than the stated unit."""
    if _OF_PAPER.search(line):
        return False
    return bool(_OF_SCALE.search(line)) or any(_spelled(other["unit"]) != unit for other in _UNIT_WORD.finditer(line))


def _rate_doubt(rates: list[float], others: list[str]) -> str | None:
    for line in others:
        if _ON_RATE.match(line):
            value = shown(re.split("[:=]", line, maxsplit=1)[1])
            return f"The comment on the sampling rate is not a number of Hz, but {value}; state it (--fs)."
    return NO_RATE if rates or any(map(_SECOND_RATE.search, others)) else None
