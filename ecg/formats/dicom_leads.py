"""Which lead a channel of a DICOM waveform is: by its code, its meaning, or both."""

import re
from typing import Any

from ecg.errors import InconsistentInput
from ecg.formats.device_file import text_of
from ecg.formats.lead_codes import LEADS
from ecg.leads import STANDARD_LEADS, canonical_lead, is_lead

#: ``2:1`` of MDC (ISO/IEEE 11073-10102), ``5.6.3-9-1`` of the older SCPECG scheme: one number for a lead in both.
_NUMBERED = re.compile(r"(?:2:|5\.6\.3-9-)(\d{1,3})", re.ASCII)
_NAMED = re.compile(r"MDC_ECG_LEAD_\w{1,20}", re.ASCII)
_PREFIX = re.compile(r"(?:mdc_ecg_lead_|(?:ecg|ekg)[\s:_-]*|lead)[\s:_-]*", re.IGNORECASE)
_FRANK = re.compile(r"v?([xyz])(?: ?\(frank\))?")


def lead_of(definition: Any) -> str | None:
    """The lead that code and meaning of a channel's definition name; None when neither does.

    Raises `InconsistentInput` when each names another.
    """
    code, meaning = _written(definition)
    coded = _coded(code)
    if coded is None or meaning is None or not is_lead(meaning):
        return coded or meaning
    if _compared(meaning) != _compared(coded):
        raise InconsistentInput("Code and meaning of a channel name different leads.", "lead_names", coded, meaning)
    return meaning


def names_lead(definition: Any) -> bool:
    """Whether code or meaning of a channel's definition is that of an ECG lead."""
    code, meaning = _written(definition)
    return _coded(code) is not None or (meaning is not None and is_lead(meaning))


def _written(definition: Any) -> tuple[str | None, str | None]:
    source = (definition.get("ChannelSourceSequence") or [None])[0]
    return (None, None) if source is None else (text_of(source.get("CodeValue")), text_of(source.get("CodeMeaning")))


def _coded(code: str | None) -> str | None:
    """The lead of a code: its number in a coding scheme, or its reference identifier such as ``MDC_ECG_LEAD_V1``."""
    if code is None:
        return None
    numbered = _NUMBERED.fullmatch(code)
    if numbered:
        return LEADS.get(int(numbered[1]))
    return canonical_lead(code) if _NAMED.fullmatch(code) and is_lead(code) else None


def _compared(name: str) -> str:
    """A lead's name in the one spelling by which two are compared."""
    if canonical_lead(name) in STANDARD_LEADS:
        return canonical_lead(name)
    plain = _PREFIX.sub("", name.strip(), count=1).lower()
    return re.sub(r"^c(?=\d)", "v", _FRANK.sub(r"\1", plain))
