"""Which signals of a file are the ECG: decided once, for every format, by names, units and rates."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ecg.errors import UnusableRecording
from ecg.leads import STANDARD_LEADS, canonical_lead, is_lead
from ecg.record import MILLIVOLTS_PER_UNIT

#: Names of signals that stand beside an ECG and are none, in lower case, whole or followed by a number or a bracket.
_NO_LEAD = re.compile(
    r"(?:resp.*|imp(?:edance)?|abp.*|art(?:erial.*)?|ao|bp|nbp|nibp|cvp|pap|lap|rap|icp|uap|p[1-9]|.*pressure.*|"
    r"pleth.*|ppg.*|spo2.*|sao2.*|co2|etco2|o2|flow|airflow|nasal.*|cannula|thor.*|abd.*|chest (?:belt|effort)|volume|"
    r"temp.*|eeg.*|emg.*|eog.*|chin.*|leg.*|snor.*|posi.*|acc(?:el.*)?|gyro.*|"
    r"gsr|eda|scg|pcg|heart ?sound.*|sound|light|marker|mark|event.*|trigger|status|annot.*|label|class|beat.*|"
    r"(?:r_)?peaks?|"
    r"hr|heart ?rate|pulse|rr|edf annotations|bdf annotations|timestamp.*|crc.*|battery|pace[rd]?|index|sample.*|"
    r"unnamed.*|.*time.*|date.*)(?:[ _-]?\d{1,2})?(?: ?[(\[].*)?",
    re.IGNORECASE,
)


#: Electrodes of the 10-20 system, alone or against another. Beside them C3 is over the brain and not on the chest.
_OF_BRAIN = re.compile(
    r"(?:eeg[\s_-]*)?(?:(?:fp|af|f|fc|ft|t|tp|cp|p|po|o)(?:z|\d{1,2})|cz|c\d[\s/:_-]*(?:a|m)\d)(?:[\s/:_-].*)?",
    re.IGNORECASE,
)
#: Eyes and chin, which a sleep study records with the brain.
_OF_SLEEP = re.compile(r"eeg.*|(?:[lr][\s_-]?)?eog.*|[lr]oc|(?:emg[\s_-]*)?chin.*", re.IGNORECASE)
#: Ears and eyes beside other electrodes of the head; alone, they may be inputs of any device.
_OF_HEAD = re.compile(r"[ame][12]", re.IGNORECASE)
_PERHAPS_OF_BRAIN = re.compile(r"c\d(?:[\s/:_-].*)?", re.IGNORECASE)
_CENTRAL = frozenset({"c3", "c4"})
_CHEST = frozenset({"c1", "c2", "c3", "c4", "c5", "c6"})
_FEWEST_OF_BRAIN = 2  # a single one, such as P1 for a pressure, is something else


@dataclass(frozen=True)
class Channel:
    """What a file says of one signal.

    Attributes
    ----------
    name
        As written in the file.
    unit
        Of its samples as written, ``"mV"`` where the format defines a default; None when their scale is not known.
    rate
        Samples a second, or a frame: any measure by which the signals of one file compare.
    unit_stated
        Whether the unit is written, and not the format's default.
    """

    name: str
    unit: str | None
    rate: float
    unit_stated: bool = True

    @property
    def is_standard(self) -> bool:
        """Whether it is one of the twelve leads."""
        return canonical_lead(self.name) in STANDARD_LEADS

    @property
    def is_voltage(self) -> bool:
        """Whether it is calibrated in a unit of voltage."""
        return self.unit is not None and self.unit.strip().lower() in MILLIVOLTS_PER_UNIT


@dataclass(frozen=True)
class Choice:
    """The signals that make the recording.

    Attributes
    ----------
    rows
        Their numbers, in the order of the file.
    unit
        ``"mV"`` when they have units, which may differ; None when none has one.
    rate
        The one rate of all, as the channels state it.
    notes
        What is left out and why.
    """

    rows: tuple[int, ...]
    unit: str | None
    rate: float
    notes: tuple[str, ...]


def choose(channels: Sequence[Channel]) -> Choice:
    """The signals of one rate and one scale with the ECG leads; the notes name what is left out.

    The standard leads decide on rate and scale; without any, the other known leads; without those, every signal that
    can be a voltage. Beside leads of known names, a signal of an unknown name is left out. Raises `UnusableRecording`
    when the leads are of different rates, when only some are calibrated, and when no signal can be an ECG.
    """
    brain = _of_brain(channels)
    judges = _judges(channels, brain)
    rates = sorted({channels[i].rate for i in judges})
    if len(rates) > 1:
        raise UnusableRecording("The leads differ in sampling rate.", "fs", "one rate", rates)
    bare = [i for i in judges if channels[i].unit is None]
    if bare and len(bare) < len(judges):
        names = [_called(i, channels[i]) for i in bare]
        raise UnusableRecording("Some leads are calibrated and some are not.", "units", "a gain for every lead", names)
    known = is_lead(channels[judges[0]].name)
    rows: list[int] = []
    notes: list[str] = []
    for i, channel in enumerate(channels):
        reason = None if i in judges else _reason_against(channel, rates[0], bool(bare), known)
        if i in brain:
            reason = "it is recorded at the head"
        if reason is None:
            rows.append(i)
        else:
            notes.append(f"Signal {_called(i, channel)} is left out: {reason}.")
    return Choice(tuple(rows), None if bare else "mV", rates[0], tuple(notes))


def is_no_lead(name: str) -> bool:
    """Whether a signal or array of this name stands beside an ECG and is none, such as a clock or respiration."""
    return bool(_NO_LEAD.fullmatch(name.strip()))


def _called(number: int, channel: Channel) -> str:
    """The name of a signal when it is a known one, else its number: any other may be the name of a person."""
    known = is_lead(channel.name) or is_no_lead(channel.name)
    return channel.name[:40] if known else str(number + 1)


def _of_brain(channels: Sequence[Channel]) -> frozenset[int]:
    """Numbers of the signals of an electroencephalogram, with the eyes and ears that are recorded beside it.

    C1 to C6 are chest leads unless other electrodes of the head stand beside them, or nothing but C3 and C4 is named:
    whether those two are V3 and V4 is not guessed.
    """
    names = [channel.name.strip() for channel in channels]
    brain, sleep, head, central = (
        {i for i, name in enumerate(names) if form.fullmatch(name)}
        for form in (_OF_BRAIN, _OF_SLEEP, _OF_HEAD, _PERHAPS_OF_BRAIN)
    )
    beside = brain | sleep | head
    others = [i for i, channel in enumerate(channels) if channel.is_standard and i not in central]
    if central and not others and (beside or {names[i].lower() for i in central} <= _CENTRAL):
        return frozenset(beside | central)
    whole_chest = {names[i].lower() for i in central} >= _CHEST
    asleep = len(beside) >= _FEWEST_OF_BRAIN and (sleep or central) and not whole_chest
    return frozenset(beside | central) if len(brain) >= _FEWEST_OF_BRAIN or asleep else frozenset()


def _judges(channels: Sequence[Channel], left_out: frozenset[int]) -> list[int]:
    every = [i for i in range(len(channels)) if i not in left_out]
    possible = [i for i in every if not is_no_lead(channels[i].name)]
    for judges in (
        [i for i in every if channels[i].is_standard],
        [i for i in possible if is_lead(channels[i].name) and (channels[i].is_voltage or channels[i].unit is None)],
        [i for i in possible if channels[i].is_voltage or channels[i].unit is None],
    ):
        if judges:
            return judges
    raise UnusableRecording(
        "No signal of the file is an ECG lead.",
        "lead_names",
        list(STANDARD_LEADS),
        [_called(i, channel) for i, channel in enumerate(channels[:20])],
    )


def _reason_against(channel: Channel, rate: float, uncalibrated: bool, known: bool) -> str | None:
    if not known and is_no_lead(channel.name):
        return "its name is of no ECG lead"
    if channel.rate != rate:
        return "it has another sampling rate than the leads"
    if uncalibrated and channel.unit is not None:
        return "it is calibrated and the leads are not"
    if not uncalibrated and channel.unit is None:
        return "it is not calibrated"
    if channel.unit is not None and not channel.is_voltage:
        return "its unit is none of voltage"
    return "its name is of no ECG lead" if known and not is_lead(channel.name) else None
