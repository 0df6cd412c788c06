"""SCP-ECG (EN 1064, ISO 11073-91064): Huffman-coded or plain samples, first or second differences.

Signals from which a reference beat was subtracted are completed again; bimodal compression is refused.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import DeviceFile, more_than_announced, record_of
from ecg.formats.lead_codes import LEADS
from ecg.formats.scp_about import origin_of, time_of
from ecg.formats.scp_samples import Codes, codes_of, decoded, integrated
from ecg.formats.scp_sections import sections_of
from ecg.formats.stated import Stated
from ecg.leads import MAX_LEADS
from ecg.record import EcgRecord

NAME = "scp-ecg"


@dataclass(frozen=True)
class _Lead:
    name: str
    first: int  # number of the first sample, from 1 (some writers: from 0)
    last: int


def claims(name: str, head: bytes) -> bool:
    """Whether the name has SCP's ending, or the bytes the mark of its first section."""
    return name.endswith(".scp") or head[16:22] == b"SCPECG"


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The rhythm data in mV. Raises `MalformedInput`, `UnusableRecording`."""
    try:
        return _parse(files[main], main, stated, max_duration_s)
    except (struct.error, IndexError):
        raise MalformedInput("The SCP-ECG file is cut off or damaged.", "file", "whole sections", None) from None


def _parse(data: bytes, main: str, stated: Stated, max_duration_s: float) -> EcgRecord:
    sections, notes = sections_of(data)
    for needed in (3, 6):
        if needed not in sections:
            raise UnusableRecording(
                f"The SCP-ECG file has no section {needed}.", "file", "lead definitions, rhythm", None
            )
    leads, subtracted = _leads(sections[3])
    rhythm = sections[6]
    nanovolts, interval_us, coding, bimodal = struct.unpack_from("<HHBB", rhythm)
    if bimodal:
        raise UnusableRecording("Bimodal SCP-ECG compression is not read.", "file", "one sampling rate", None)
    if not nanovolts:
        raise MalformedInput("The SCP-ECG file states no size of a count.", "units", "nanovolts", 0)
    if not interval_us:
        raise MalformedInput("The SCP-ECG file states no sampling interval.", "fs", "microseconds", 0)
    sizes = struct.unpack_from(f"<{len(leads)}H", rhythm, 6)
    edges = 6 + 2 * len(leads) + np.cumsum([0, *sizes])
    expected = leads[0].last - leads[0].first + 1
    codes = codes_of(sections.get(2))
    if codes is None and min(sizes) // 2 < expected:
        expected = min(sizes) // 2
        notes.append("The SCP-ECG file holds fewer samples than it announces.")
    elif codes is None and min(sizes) // 2 > expected:
        notes.append(more_than_announced(min(sizes) // 2, expected))
    beats = _reference_beats(sections, leads, codes) if subtracted else None

    def samples(number: int) -> NDArray[np.float64]:
        part = rhythm[edges[number] : edges[number + 1]]
        values = integrated(decoded(part, codes, expected), coding)
        microvolts: NDArray[np.float64] = values * (nanovolts / 1000)
        return microvolts if beats is None else microvolts + beats(number, expected)

    channels = [Channel(lead.name, "uV", 1.0) for lead in leads]
    file = DeviceFile(
        NAME, channels, _rate(interval_us), expected, samples, origin_of(sections), notes, time_of(sections)
    )
    return record_of(file, main, stated, max_duration_s)


def _rate(interval_us: int) -> float:
    """The rate in Hz of an interval that is written in whole microseconds: 1667 is 600 Hz."""
    rate = 1e6 / interval_us
    return float(round(rate)) if abs(1e6 / round(rate) - interval_us) <= 0.5 else rate


def _leads(section: bytes) -> tuple[list[_Lead], bool]:
    n_leads, flags = section[0], section[1]
    if not 0 < n_leads <= MAX_LEADS:
        raise MalformedInput(
            "The SCP-ECG file has an impossible number of leads.", "lead_names", f"1 to {MAX_LEADS}", n_leads
        )
    leads = []
    for number in range(n_leads):
        first, last, code = struct.unpack_from("<IIB", section, 2 + 9 * number)
        if last < first:
            raise MalformedInput("A lead of the SCP-ECG file has no samples.", "signal", f"> {first}", last)
        leads.append(_Lead(LEADS.get(code, f"SCP lead {code}"), first, last))
    if len({(lead.first, lead.last) for lead in leads}) != 1:
        raise UnusableRecording("The leads were not recorded at the same time.", "signal", "simultaneous leads", None)
    return leads, bool(flags & 1)


class _ReferenceBeats:
    """The reference beat of each lead, added where the file says that it was subtracted; float64 [sample] in µV."""

    def __init__(self, beats: list[NDArray[np.float64]], fiducial: int, zones: list[tuple[int, int, int]]) -> None:
        self._beats, self._fiducial, self._zones = beats, fiducial, zones

    def __call__(self, number: int, n_samples: int) -> NDArray[np.float64]:
        added = np.zeros(n_samples)
        beat = self._beats[number]
        for start, centre, end in self._zones:
            offset = self._fiducial - centre  # of the reference beat against the recording
            begin = max(start - 1, 0, -offset)
            stop = min(end, n_samples, len(beat) - offset)
            if begin < stop:
                added[begin:stop] += beat[begin + offset : stop + offset]
        return added


def _reference_beats(sections: dict[int, bytes], leads: list[_Lead], codes: Codes) -> _ReferenceBeats:
    if 4 not in sections or 5 not in sections:
        raise MalformedInput("The reference beat of the SCP-ECG file is missing.", "file", "sections 4 and 5", None)
    _, fiducial, n_beats = struct.unpack_from("<HHH", sections[4])
    zones = []
    for number in range(n_beats):
        kind, start, centre, end = struct.unpack_from("<HIII", sections[4], 6 + 14 * number)
        if kind == 0:
            zones.append((start, centre, end))
    nanovolts, interval_us, coding = struct.unpack_from("<HHB", sections[5])
    if interval_us != struct.unpack_from("<H", sections[6], 2)[0]:
        raise UnusableRecording("The reference beat has another sampling rate.", "fs", "one rate", None)
    sizes = struct.unpack_from(f"<{len(leads)}H", sections[5], 6)
    edges = 6 + 2 * len(leads) + np.cumsum([0, *sizes])
    length_ms = struct.unpack_from("<H", sections[4])[0]
    count = int(length_ms * 1000 / interval_us)
    beats = [
        integrated(decoded(sections[5][edges[i] : edges[i + 1]], codes, count), coding) * (nanovolts / 1000)
        for i in range(len(leads))
    ]
    return _ReferenceBeats(beats, fiducial, zones)
