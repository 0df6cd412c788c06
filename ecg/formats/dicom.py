"""DICOM waveforms: 12-lead, general and ambulatory ECG, read by pydicom; the multiplex group of the rhythm."""

import io
import logging
import math
import re
import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.errors import EcgError, InconsistentInput, MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import (
    MAX_VALUES,
    DeviceFile,
    more_than_announced,
    needed,
    number_of,
    record_of,
    text_of,
    timestamp_of,
    whole,
)
from ecg.formats.dicom_about import origin_of
from ecg.formats.dicom_groups import rhythm_of
from ecg.formats.dicom_leads import lead_of
from ecg.formats.stated import Stated
from ecg.formats.xml_tree import missing_extra
from ecg.leads import MAX_LEADS
from ecg.record import EcgRecord

NAME = "dicom"
#: The element of the transfer syntax, wherever the file has it: explicit or implicit, after any length of others.
_SYNTAX = re.compile(rb"\x02\x00\x10\x00.{4}1\.2\.840\.10008\.1\.2\.(?:(1\.99|8\.)|2(?![.\d]))", re.DOTALL)
_TYPES = {("SB", 8): "i1", ("UB", 8): "u1", ("SS", 16): "<i2", ("US", 16): "<u2", ("SL", 32): "<i4", ("UL", 32): "<u4"}
_MOST_SKEW_MS = 5.0  # as much as the spread of a good interval
_UNITS = {"uv": "uV", "mv": "mV", "v": "V", "nv": "nV", "microvolt": "uV", "millivolt": "mV"}


def claims(name: str, head: bytes) -> bool:
    """Whether the bytes have DICOM's mark, or the name its ending."""
    return head[128:132] == b"DICM" or name.endswith((".dcm", ".dicom"))


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The rhythm among the waveforms of the file, in mV. Raises `MalformedInput`, `UnusableRecording`."""
    data = files[main]
    for syntax in _SYNTAX.finditer(data):
        if syntax[1]:  # nothing bounds their size
            raise UnusableRecording(
                "Deflated DICOM files are not read.", "file", "an uncompressed transfer syntax", None
            )
        raise UnusableRecording(  # retired in 2006; the samples inside would be swapped, too
            "Big-endian DICOM files are not read.", "file", "a little-endian transfer syntax", None
        )
    dataset = _dataset(data)
    try:
        return _record(dataset, main, stated, max_duration_s)
    except EcgError:
        raise
    except Exception:  # noqa: BLE001  pydicom decodes an element when it is asked for, and raises what it meets
        raise MalformedInput("The DICOM waveform cannot be read.", "file", "a waveform of PS3.3 C.10.9", None) from None


def _acquired(dataset: Any) -> datetime | None:
    """When the recording began, with the offset from UTC that the time itself or else the file states."""
    written = str(dataset.get("AcquisitionDateTime") or "")
    acquired = timestamp_of(written)
    if acquired is None or acquired.tzinfo is not None:
        return acquired
    offset = str(dataset.get("TimezoneOffsetFromUTC") or "")
    return timestamp_of(f"{acquired.isoformat()}{offset}") if offset else acquired


def _dataset(data: bytes) -> Any:
    try:
        import pydicom
        from pydicom import config
    except ImportError:
        raise missing_extra("DICOM") from None
    # Identifiers that break the rules are common and are not read here; what is wrong with them belongs in no log.
    warnings.filterwarnings("ignore", module="pydicom")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    config.settings.reading_validation_mode = config.IGNORE
    try:
        return pydicom.dcmread(io.BytesIO(data), force=data[128:132] != b"DICM")
    except Exception:  # noqa: BLE001  pydicom raises what its many parsers meet
        raise MalformedInput("Not a DICOM file that can be read.", "file", "a DICOM file", None) from None


def _record(dataset: Any, main: str, stated: Stated, max_duration_s: float) -> EcgRecord:
    groups = list(dataset.get("WaveformSequence") or [])
    if not groups:
        raise UnusableRecording(
            "The DICOM file holds no waveform.",
            "file",
            "12-lead, general or ambulatory ECG",
            text_of(dataset.get("Modality")),
        )
    group, left_out = rhythm_of(groups)
    n_channels = whole(group.get("NumberOfWaveformChannels"), "lead_names", "number of channels", MAX_LEADS)
    n_samples = whole(group.get("NumberOfWaveformSamples"), "signal", "number of samples", MAX_VALUES)
    definitions = list(group.get("ChannelDefinitionSequence") or [])
    if len(definitions) != n_channels:
        raise MalformedInput("Not every channel is defined.", "lead_names", n_channels, len(definitions))
    fs_hz = needed(group.get("SamplingFrequency"), "fs", "sampling frequency")
    counts, there = _counts(group, n_channels, n_samples)
    channels = [_channel(definition, number) for number, definition in enumerate(definitions, start=1)]
    padding, notes = _padding(group)
    notes += _skew(definitions, fs_hz)
    if there > n_samples:
        notes.append(more_than_announced(there, n_samples))
    notes += left_out

    def samples(number: int) -> NDArray[np.float64]:
        raw = counts[:, number]
        gain, baseline = _scale(definitions[number]) if channels[number].unit else (1.0, 0.0)
        physical = raw * gain + baseline
        if padding is not None:
            physical[raw == padding] = np.nan
        return physical

    origin = origin_of(dataset, definitions[0])
    acquired = _acquired(dataset)
    file = DeviceFile(NAME, channels, fs_hz, n_samples, samples, origin, notes, acquired)
    return record_of(file, main, stated, max_duration_s)


def _counts(group: Any, n_channels: int, n_samples: int) -> tuple[NDArray[Any], int]:
    """Integers [sample, channel] of the samples that are announced, and how many there are."""
    kind = (str(group.get("WaveformSampleInterpretation")), group.get("WaveformBitsAllocated"))
    if kind not in _TYPES:
        raise UnusableRecording("Samples of this kind are not read.", "file", [*map(list, _TYPES)], text_of(kind))
    data = group.get("WaveformData")
    dtype = np.dtype(_TYPES[kind])
    size = n_channels * n_samples * dtype.itemsize
    if not isinstance(data, bytes) or len(data) < size:
        raise MalformedInput("The samples are cut off.", "signal", size, len(data or b""))
    counts = np.frombuffer(data, dtype, n_channels * n_samples).reshape(n_samples, n_channels)
    return counts, (len(data) - len(data) % 2) // (n_channels * dtype.itemsize)


def _channel(definition: Any, number: int) -> Channel:
    units = (definition.get("ChannelSensitivityUnitsSequence") or [None])[0]
    unit = None if units is None else _unit(text_of(units.get("CodeValue")), text_of(units.get("CodeMeaning")))
    if number_of(definition.get("ChannelSensitivity")) in (None, 0.0):
        unit = None
    return Channel((lead_of(definition) or f"channel {number}")[:80], unit, 1.0)


def _unit(code: str | None, meaning: str | None) -> str | None:
    """The unit by its code, else its meaning; `InconsistentInput` when each is another unit of voltage."""
    by_code, by_meaning = (None if text is None else _UNITS.get(text.lower(), text) for text in (code, meaning))
    known = {*_UNITS.values()}
    if by_code in known and by_meaning in known and by_code != by_meaning:
        raise InconsistentInput("Code and meaning of a channel's unit differ.", "units", by_code, by_meaning)
    return by_code or (by_meaning if by_meaning in known else None)


def _skew(definitions: list[Any], fs_hz: float) -> list[str]:
    """A note on leads that were not sampled at one time; `UnusableRecording` beyond what intervals can bear."""
    skews = [
        number_of(item.get("ChannelTimeSkew")) or (number_of(item.get("ChannelSampleSkew")) or 0.0) / fs_hz
        for item in definitions
    ]
    apart = (max(skews) - min(skews)) * 1000
    if apart > _MOST_SKEW_MS:
        raise UnusableRecording(
            "The leads were not sampled at the same time.", "signal", f"<= {_MOST_SKEW_MS:g} ms", round(apart, 3)
        )
    return [f"The leads were sampled up to {apart:.3g} ms apart, which is not corrected."] if apart > 0 else []


def _scale(definition: Any) -> tuple[float, float]:
    """Units for one count, and the units of count 0 (PS3.3 C.10.9.1.4.2)."""
    sensitivity = needed(definition.get("ChannelSensitivity"), "units", "channel sensitivity")
    correction = number_of(definition.get("ChannelSensitivityCorrectionFactor"))
    if correction == 0:
        raise MalformedInput("The correction of a channel's sensitivity is 0.", "units", "a factor", 0)
    return sensitivity * (1.0 if correction is None else correction), number_of(
        definition.get("ChannelBaseline")
    ) or 0.0


def _padding(group: Any) -> tuple[int | None, list[str]]:
    """The count that marks a missing sample. One within the range of an ECG would make gaps of true samples."""
    value = group.get("WaveformPaddingValue")
    bits = group.get("WaveformBitsAllocated")
    if isinstance(value, bytes):
        value = int.from_bytes(value, "little", signed=str(group.get("WaveformSampleInterpretation")).startswith("S"))
    if not isinstance(value, int):
        return None, []
    if abs(value) >= 2 ** (int(bits) - 1) - 1:
        return value, []
    return None, [f"The padding value {value} is within the range of the samples and is not taken as missing."]
