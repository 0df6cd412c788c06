"""Small Holter, MFER, CardioSoft and Mortara files as devices write them, for the tests."""

import base64
import struct

import numpy as np

from tests.ecg.formats.device_files import CANARY, LEADS8

_ISHNE_CODES = (5, 6, 11, 12, 13, 14, 15, 16)


def ishne(samples: np.ndarray, fs_hz: int = 500, nanovolts: int = 2500) -> bytes:
    """An ISHNE file of eight leads with a variable block."""
    head = bytearray(522)
    head[:8] = b"ISHNE1.0"
    comment = CANARY.encode() + b"\0"
    struct.pack_into("<iiiih", head, 10, len(comment), samples.shape[1], 522, 522 + len(comment), 1)
    head[28 : 28 + len(CANARY)] = head[68 : 68 + len(CANARY)] = head[108 : 108 + len(CANARY)] = CANARY.encode()
    struct.pack_into("<hh3h3h", head, 128, 2, 1, 1, 2, 1950, 28, 11, 2020)
    struct.pack_into("<3h3hh", head, 144, 28, 11, 2020, 10, 20, 30, len(samples))
    for i, code in enumerate(_ISHNE_CODES[: len(samples)]):
        struct.pack_into("<h", head, 158 + 2 * i, code)
        struct.pack_into("<h", head, 206 + 2 * i, nanovolts)
    head[232:240] = b"MyHolter"
    struct.pack_into("<h", head, 272, fs_hz)
    return bytes(head) + comment + samples.T.astype("<i2").tobytes()


def _definition(tag: int, value: bytes) -> bytes:
    size = bytes([len(value)]) if len(value) < 128 else b"\x84" + len(value).to_bytes(4, "big")
    return bytes([tag]) + size + value


def mfer(samples: np.ndarray, order: str = ">", block: int = 100) -> bytes:
    """An MFER file of eight leads at 500 Hz and 2.5 µV in blocks, after a frame of dominant beats."""
    big = "big" if order == ">" else "little"
    codes = (1, 2, 3, 4, 5, 6, 7, 8)
    n_leads, n_samples = samples.shape
    blocks = samples.reshape(n_leads, n_samples // block, block).transpose(1, 0, 2).astype(f"{order}i2").tobytes()
    parts = [
        _definition(0x40, b"MFR ECG "),
        _definition(0x01, b"\1" if order == "<" else b"\0"),
        _definition(0x17, b"Maker^Model^1.2^" + CANARY.encode()),
        _definition(0x81, CANARY.encode() + b"^^Z"),
        _definition(0x82, CANARY.encode()),
        _definition(0x83, bytes([61]) + bytes(2) + (1950).to_bytes(2, big) + b"\1\2"),
        _definition(0x84, b"\1"),
        _definition(0x85, (2020).to_bytes(2, big) + bytes([11, 28, 10, 20, 30])),
        _definition(0x11, b"LPF=40"),
        _definition(0x16, CANARY.encode()),
        _definition(0x0B, b"\1\xfd" + (2).to_bytes(2, big)),  # 2 ms
        _definition(0x0C, b"\0\xf7" + (2500).to_bytes(2, big)),  # 2,500 nV
        _definition(0x05, bytes([n_leads])),
        _definition(0x04, block.to_bytes(2, big)),
    ]
    for i, code in enumerate(codes[:n_leads]):
        lead = _definition(0x09, code.to_bytes(2, big))
        parts.append(b"\x3f" + bytes([i]) + bytes([len(lead)]) + lead)
    parts += [_definition(0x08, (9).to_bytes(2, big)), _definition(0x1E, blocks[: n_leads * block * 2])]
    parts += [_definition(0x08, (1).to_bytes(2, big)), _definition(0x1E, blocks), b"\x80"]
    return b"".join(parts)


def cardiosoft_xml(samples: np.ndarray) -> bytes:
    """A CardioSoft document at 500 Hz and 5 µV with a strip and median samples."""

    def waves(rows: np.ndarray) -> str:
        return "".join(
            f'<WaveformData lead="{lead}">\n\t{",".join(map(str, row.tolist()))}</WaveformData>'
            for lead, row in zip(LEADS8, rows, strict=True)
        )

    return f"""<?xml version="1.0" encoding="ISO8859-1" ?>
<CardiologyXML><ObservationType>RestECG</ObservationType>
<ObservationDateTime><Hour>10</Hour><Minute>20</Minute><Second>30</Second><Day>28</Day><Month>11</Month><Year>2020</Year>
</ObservationDateTime>
<ClinicalInfo><DeviceInfo><Desc>CardioSoft</Desc><SoftwareVer>V6.5</SoftwareVer><SerialNumber>{CANARY}</SerialNumber>
</DeviceInfo></ClinicalInfo>
<PatientVisit><AttendingMDInfo><Name><FamilyName>{CANARY}</FamilyName></Name></AttendingMDInfo></PatientVisit>
<PatientInfo><PID>{CANARY}</PID><Name><FamilyName>{CANARY}</FamilyName><GivenName>{CANARY}</GivenName></Name>
<Age units="Years">61</Age><Gender>MALE</Gender></PatientInfo>
<FilterSetting><CubicSpline>Yes</CubicSpline>
<Filter50Hz>Yes</Filter50Hz><LowPass units="Hz">100</LowPass></FilterSetting>
<RestingECGMeasurements><VentricularRate units="BPM">61</VentricularRate><PQInterval units="ms">160</PQInterval>
<QRSDuration units="ms">98</QRSDuration><QTInterval units="ms">400</QTInterval>
<MedianSamples><SampleRate units="Hz">500</SampleRate><Resolution units="uVperLsb">5</Resolution>
{waves(samples[:, :60])}</MedianSamples></RestingECGMeasurements>
<Interpretation><Statement>Sinus rhythm</Statement></Interpretation>
<StripData><NumberOfLeads>{len(samples)}</NumberOfLeads><SampleRate units="Hz">500</SampleRate>
<ChannelSampleCountTotal>{samples.shape[1]}</ChannelSampleCountTotal><Resolution units="uVperLsb">5</Resolution>
{waves(samples)}</StripData></CardiologyXML>""".encode("latin-1")


def mortara_xml(samples: np.ndarray) -> bytes:
    """An ELI document at 500 Hz and 400 counts a millivolt, with a typical cycle."""

    def data(row: np.ndarray) -> str:
        return base64.b64encode(row.astype("<i2").tobytes()).decode()

    channels = "".join(
        f'<CHANNEL OFFSET="0" BITS="16" FORMAT="SIGNED" UNITS_PER_MV="400" DURATION="{len(row)}" SAMPLE_FREQ="500" '
        f'ENCODING="BASE64" NAME="{lead}" DATA="{data(row)}" />'
        for lead, row in zip(LEADS8, samples, strict=True)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- Generated by ELI LINK -->
<ECG ACQUISITION_TIME="20201128102030" AGE="61" AGE_UNITS="Y" VENT_RATE="61" TECHNICIAN="{CANARY}" ROOM="{CANARY}"
 COMMENT="{CANARY}" LOCATION="{CANARY}">
<SUBJECT LAST_NAME="{CANARY}" FIRST_NAME="{CANARY}" ID="{CANARY}" GENDER="Male" DOB="19500102"/>
<DEMOGRAPHIC_FIELDS><DEMOGRAPHIC_FIELD ID="1" LABEL="Name" VALUE="{CANARY}"/></DEMOGRAPHIC_FIELDS>
<SOURCE MANUFACTURER="MORTARA" MODEL="ELI 250" ACQUIRING_DEVICE_SW_VERSION="2.1" LOW_PASS_FILTER="40"
 ACQUIRING_DEVICE_SITE_NAME="{CANARY}" ACQUIRING_DEVICE_SERIAL_NUMBER="{CANARY}"/>
<AUTOMATIC_INTERPRETATION><STATEMENT TEXT="Sinus rhythm" REASON="rate 61"/></AUTOMATIC_INTERPRETATION>
<TYPICAL_CYCLE PR_DURATION="160" QRS_DURATION="98" QT="400" QTC="410" QRS_AXIS="40" BITS="16" FORMAT="SIGNED">
<TYPICAL_CYCLE_CHANNEL NAME="I" DATA="{data(samples[0, :60])}"/></TYPICAL_CYCLE>
{channels}</ECG>""".encode()
