"""Which multiplex group of a DICOM waveform file is the rhythm, and what is said of the others."""

import re
from collections.abc import Sequence
from typing import Any

from ecg.errors import UnusableRecording
from ecg.formats.device_file import number_of
from ecg.formats.dicom_leads import names_lead

_MEDIAN = re.compile(r"median|average|representative|template", re.IGNORECASE)
_LONGEST_BEAT_S = 2.0
_RHYTHM_S = 5.0  # from this length on, more leads are worth more than more seconds
_MOST_NAMED = 8


def rhythm_of(groups: Sequence[Any]) -> tuple[Any, list[str]]:
    """The group of the rhythm, and a note on those that are left out.

    It is the one with the most ECG leads among those that last five seconds and more, or else the longest: neither a
    median beat, nor a strip at a higher rate, which has more samples in less time. Raises `UnusableRecording` for
    nothing but median beats.
    """
    rhythms = [group for group in groups if not _is_median(group)]
    if not rhythms:
        raise UnusableRecording("The DICOM file holds a median beat and no rhythm.", "file", "a rhythm waveform", None)
    chosen = max(rhythms, key=_worth)
    left_out = [
        group
        for group in groups
        if group is not chosen and not (_is_median(group) and _seconds(group) <= _LONGEST_BEAT_S)
    ]
    if not left_out:
        return chosen, []
    named = ", ".join(map(_named, left_out[:_MOST_NAMED]))
    return chosen, [f"Of {len(groups)} waveform groups one is read; left out: {named}."]


def _named(group: Any) -> str:
    leads = _leads(group)
    return f"{leads} lead{'s' * (leads != 1)} of {_seconds(group):.3g} s"


def _is_median(group: Any) -> bool:
    return bool(_MEDIAN.search(str(group.get("MultiplexGroupLabel") or "")))


def _worth(group: Any) -> tuple[bool, float, int, float]:
    leads, seconds = _leads(group), _seconds(group)
    return leads > 0, min(seconds, _RHYTHM_S), leads, seconds


def _leads(group: Any) -> int:
    return sum(map(names_lead, group.get("ChannelDefinitionSequence") or []))


def _seconds(group: Any) -> float:
    """How long it lasts; 0 when it does not say."""
    rate = number_of(group.get("SamplingFrequency"))
    return (number_of(group.get("NumberOfWaveformSamples")) or 0.0) / rate if rate and rate > 0 else 0.0
