"""Philips Sierra XML 1.03 and 1.04: twelve leads, compressed by XLI (LZW of second differences) or plain.

XLI and the rule by which four limb leads are stored as residuals were found by the sierra-ecg-tools project (MIT).
"""

import math
import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ecg.errors import MalformedInput, UnusableRecording
from ecg.formats.channels import Channel
from ecg.formats.device_file import (
    DeviceFile,
    age_of,
    decoded_base64,
    filters_of,
    measurements_of,
    needed,
    number_of,
    record_of,
    sex_of,
    shown,
    statements_of,
    text_of,
    timestamp_of,
    whole,
    withheld,
)
from ecg.formats.stated import Stated
from ecg.formats.xml_tree import attribute_at, child, identifying, read_xml, text_at, texts
from ecg.leads import MAX_LEADS, STANDARD_LEADS
from ecg.origin import Origin
from ecg.record import EcgRecord

NAME = "philips-xml"
_ROOT = re.compile(rb"<(?:\w+:)?restingecgdata[\s>]")
_VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")
_BITS = 10  # of an LZW code
_LAST_CODE = 2**_BITS - 2
_MEASUREMENTS = {
    "pr_interval": "meanprint",
    "qrs_duration": "meanqrsdur",
    "qt_interval": "meanqtint",
    "qtc_interval": "meanqtc",
    "p_axis": "pfrontaxis",
    "qrs_axis": "qrsfrontaxis",
    "t_axis": "tfrontaxis",
}
_IDENTIFYING = {
    "patient/generalpatientdata/patientid": "patient id",
    "patient/generalpatientdata/name/lastname": "patient name",
    "patient/generalpatientdata/name/firstname": "patient name",
    "patient/generalpatientdata/age/dateofbirth": "birth date",
    "dataacquisition/acquirer/institutionname": "institution",
}


def claims(name: str, head: bytes) -> bool:
    """Whether the first bytes are those of a Philips document, also in UTF-16."""
    return bool(_ROOT.search(head.replace(b"\0", b"")))


def parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float = math.inf) -> EcgRecord:
    """The rhythm recording in mV. Raises `MalformedInput`, `UnusableRecording` for another version or compression."""
    root = read_xml(files[main])
    version = text_at(root, "documentinfo/documentversion")
    if version not in _VERSIONS:
        raise UnusableRecording("The Philips document is of an unknown version.", "file", _VERSIONS, shown(version))
    signals = child(root, "dataacquisition/signalcharacteristics")
    waveforms = child(root, "waveforms/parsedwaveforms")
    if waveforms is None or signals is None:
        raise UnusableRecording("The Philips document holds no parsed waveforms.", "file", "parsedwaveforms", None)
    fs_hz = needed(text_at(signals, "samplingrate"), "fs", "samplingrate")
    resolution = needed(text_at(signals, "resolution") or text_at(signals, "signalresolution"), "units", "resolution")
    duration = waveforms.get("durationperchannel")
    n_samples = int(whole(duration, "signal", "durationperchannel", 10**8) * fs_hz / 1000)
    labels = _labels(signals, waveforms)
    start = "dataacquisition"
    file = DeviceFile(
        NAME,
        [Channel(label, "uV", fs_hz) for label in labels],
        fs_hz,
        n_samples,
        _Samples(waveforms, len(labels), n_samples, resolution, labels),
        _origin(root),
        acquired=timestamp_of(f"{attribute_at(root, start, 'date')}T{attribute_at(root, start, 'time')}"),
    )
    return record_of(file, main, stated, max_duration_s)


def _labels(signals: Element, waveforms: Element) -> list[str]:
    n_leads = whole(
        waveforms.get("numberofleads") or text_at(signals, "numberchannelsallocated"),
        "lead_names",
        "number of leads",
        MAX_LEADS,
    )
    named = (waveforms.get("leadlabels") or "").split()
    if named:
        return named[:n_leads]
    if text_at(signals, "acquisitiontype") not in ("STD-12", "10-WIRE") or n_leads < 12:
        raise UnusableRecording("The Philips document does not name its leads.", "lead_names", "leadlabels", None)
    return [*STANDARD_LEADS, *(f"channel {i}" for i in range(13, n_leads + 1))]


class _Samples:
    """Samples of a channel by its number, float64 [sample] in µV; decoded at the first call."""

    def __init__(self, waveforms: Element, n_leads: int, n_samples: int, resolution: float, labels: list[str]) -> None:
        self._waveforms, self._n_leads, self._n_samples = waveforms, n_leads, n_samples
        self._resolution, self._labels = resolution, labels
        self._rows: list[NDArray[np.int64]] | None = None

    def __call__(self, number: int) -> NDArray[np.float64]:
        if self._rows is None:
            self._rows = self._decoded()
        return np.asarray(self._rows[number] * self._resolution, np.float64)

    def _decoded(self) -> list[NDArray[np.int64]]:
        method = self._waveforms.get("compressmethod") or self._waveforms.get("compression") or "Uncompressed"
        if (self._waveforms.get("dataencoding") or "Base64").lower() != "base64":
            raise UnusableRecording("The samples are encoded otherwise than in base64.", "file", "Base64", None)
        data = decoded_base64(self._waveforms.text, "signal")
        if method == "Uncompressed":
            if len(data) != 2 * self._n_leads * self._n_samples:  # lead after lead: more would shift all but the first
                raise MalformedInput(
                    "The file holds another number of samples than it says.",
                    "signal",
                    2 * self._n_leads * self._n_samples,
                    len(data),
                )
            flat = np.frombuffer(data, "<i2", self._n_leads * self._n_samples).astype(np.int64)
            return list(flat.reshape(self._n_leads, -1))
        if method != "XLI":
            raise UnusableRecording("The samples are compressed by an unknown method.", "file", "XLI", text_of(method))
        rows = _xli(data, self._n_leads, self._n_samples)
        return _without_residuals(rows) if tuple(self._labels[:6]) == STANDARD_LEADS[:6] else rows


def _without_residuals(rows: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """III, aVR, aVL and aVF from what is stored: how far they are from what I and II give."""
    first, second = rows[0], rows[1]
    third = second - first - rows[2]
    right = -rows[3] - (first + second) // 2
    left = (first - third) // 2 - rows[4]
    foot = (second + third) // 2 - rows[5]
    return [first, second, third, right, left, foot, *rows[6:]]


def _xli(data: bytes, n_leads: int, n_samples: int) -> list[NDArray[np.int64]]:
    """The channels one after the other, each with its length and first value before it."""
    rows: list[NDArray[np.int64]] = []
    at = 0
    for _ in range(n_leads):
        size = int.from_bytes(data[at : at + 4], "little", signed=True)
        start = int.from_bytes(data[at + 6 : at + 8], "little", signed=True)
        if at + 8 > len(data) or not 0 < size <= len(data) - at - 8:
            raise MalformedInput("The compressed samples are cut off.", "signal", f"{n_leads} channels", len(rows))
        rows.append(_integrated(_unpacked(data[at + 8 : at + 8 + size], n_samples), start))
        at += 8 + size
    return rows


def _unpacked(data: bytes, n_samples: int) -> NDArray[np.int64]:
    """The stored values: their high bytes first, then their low bytes."""
    expanded = _lzw(data, 2 * n_samples + 3)
    if len(expanded) > 2 * n_samples + 2:  # the low bytes begin in the middle: where that is would not be known
        raise MalformedInput("A lead holds more samples than the file says.", "signal", n_samples, f"> {n_samples}")
    if len(expanded) < 2 * n_samples:
        raise MalformedInput("The compressed samples are cut off.", "signal", 2 * n_samples, len(expanded))
    half = (len(expanded) + 1) // 2
    pairs = np.zeros((2, half), np.uint8)
    pairs.reshape(-1)[: len(expanded)] = np.frombuffer(expanded, np.uint8)
    words = (pairs[0].astype(np.uint16) << 8 | pairs[1]).view(np.int16)
    return np.asarray(words[:n_samples], np.int64)


def _integrated(values: NDArray[np.int64], start: int) -> NDArray[Any]:
    """Samples from two first ones and, for each further one, how far its second difference is from that before."""
    if len(values) < 3:
        return values
    bends = -np.concatenate([[start], values[2:-1] - 64])  # second differences of the samples, from the third on
    slopes = np.cumsum(np.concatenate([[values[1] - values[0]], bends]))
    samples = np.concatenate([values[:1], values[0] + np.cumsum(slopes)])
    return np.asarray(samples.astype(np.int16), np.int64)


def _lzw(data: bytes, most: int) -> bytes:
    """Bytes that LZW codes of ten bits stand for, no more than about `most`."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    codes = bits[: len(bits) // _BITS * _BITS].reshape(-1, _BITS) @ (1 << np.arange(_BITS - 1, -1, -1))
    strings: list[bytes] = [bytes([code]) for code in range(256)]
    out = bytearray()
    before = b""
    for code in codes.tolist():
        if code > _LAST_CODE or len(out) >= most:
            break
        if code < len(strings):
            string = strings[code]
        elif before:
            string = before + before[:1]
        else:
            raise MalformedInput("The compressed samples are damaged.", "signal", "LZW codes", code)
        if before and len(strings) <= _LAST_CODE:
            strings.append(before + string[:1])
        before = string
        out += string
    return bytes(out)


def _origin(root: Element) -> Origin:
    machine = child(root, "dataacquisition/machine")
    measured = child(root, "interpretations/interpretation/interpretationmeasurements")
    if measured is None:
        measured = child(root, "internalmeasurements/crossleadmeasurements")
    rate = text_at(measured, "heartrate") or text_at(measured, "meanventrate")
    signals = "dataacquisition/signalcharacteristics"
    band = (text_at(root, f"{signals}/signalbandwidth") or "-").split("-")
    said = [
        " ".join(filter(None, (text_at(s, "leftstatement"), text_at(s, "rightstatement"))))
        for s in root.iterfind("interpretations/interpretation/statement")
    ]
    statements = statements_of(said)
    notch = text_at(root, f"{signals}/acsetting") if text_at(root, f"{signals}/notchfiltered") == "True" else None
    return Origin(
        manufacturer="Philips",
        model=text_of(machine.text if machine is not None else None),
        software=text_of(machine.get("detaildescription") if machine is not None else None),
        filters=filters_of(
            [
                f"report {what} {text}"
                for what, tag in (("high-pass", "highpass"), ("low-pass", "lowpass"), ("notch", "notch"))
                for text in texts(root, f"reportinfo/reportbandwidth/{tag}filtersetting")
            ]
        ),
        high_pass_hz=number_of(text_at(root, f"{signals}/hipass") or band[0]),
        low_pass_hz=number_of(text_at(root, f"{signals}/lowpass") or band[-1]),
        notch_hz=number_of(notch),
        age_years=age_of(text_at(root, "patient/generalpatientdata/age/years")),
        sex=sex_of(text_at(root, "patient/generalpatientdata/sex")),
        measurements=measurements_of(
            {"heart_rate": rate, **{name: text_at(measured, tag) for name, tag in _MEASUREMENTS.items()}}
        ),
        statements=statements,
        identifying=(*identifying(root, _IDENTIFYING), *withheld(said, statements)),
    )
