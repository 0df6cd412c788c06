"""Small files as devices write them, made from counts int [lead, sample] for the tests."""

import base64
import struct
from itertools import pairwise

import numpy as np

CANARY = "Zebedeus"  # stands wherever a name, an identifier or a place can stand
LEADS8 = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


def counts(n_leads: int = 8, n_samples: int = 600) -> np.ndarray:
    """int16 [lead, sample], at most 1,500 counts, with steps that need the long Huffman codes."""
    rng = np.random.default_rng(4)
    smooth = 600 * np.sin(np.arange(n_samples) / 20 + np.arange(n_leads)[:, None])
    jumps = 700 * (rng.random((n_leads, n_samples)) > 0.98)
    return np.rint(smooth + jumps + rng.normal(0, 3, smooth.shape)).astype(np.int16)


def muse_xml(samples: np.ndarray, unit: str = "MICROVOLTS", per_bit: str = "4.88") -> bytes:
    """A MUSE document at 500 Hz with a median waveform before the rhythm."""

    def waveform(kind: str, rows: np.ndarray) -> str:
        leads = "".join(
            f"<LeadData><LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal>"
            f"<LeadAmplitudeUnitsPerBit>{per_bit}</LeadAmplitudeUnitsPerBit>"
            f"<LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits><LeadSampleSize>2</LeadSampleSize><LeadID>{lead}</LeadID>"
            f"<WaveFormData>{base64.encodebytes(row.astype('<i2').tobytes()).decode()}</WaveFormData></LeadData>"
            for lead, row in zip(LEADS8, rows, strict=True)
        )
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><SampleBase>500</SampleBase><SampleExponent>0</SampleExponent>"
            f"<HighPassFilter>5</HighPassFilter><LowPassFilter>40</LowPassFilter><ACFilter>50</ACFilter>{leads}</Waveform>"
        )

    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE RestingECG SYSTEM "restecg.dtd">
<RestingECG><MuseInfo><MuseVersion>9.0</MuseVersion></MuseInfo>
<PatientDemographics><PatientID>{CANARY}</PatientID><PatientAge>94</PatientAge><AgeUnits>YEARS</AgeUnits>
<Gender>FEMALE</Gender><PatientLastName>{CANARY}</PatientLastName><DateofBirth>{CANARY}</DateofBirth></PatientDemographics>
<TestDemographics><SiteName>{CANARY}</SiteName><AcquisitionDevice>MAC55</AcquisitionDevice>
<AcquisitionDate>11-28-2020</AcquisitionDate><AcquisitionTime>10:20:30</AcquisitionTime></TestDemographics>
<RestingECGMeasurements><VentricularRate>61</VentricularRate><PRInterval>0</PRInterval>
<QRSDuration>98</QRSDuration></RestingECGMeasurements>
<Diagnosis><DiagnosisStatement><StmtText>Sinus rhythm</StmtText></DiagnosisStatement></Diagnosis>
{waveform("Median", samples[:, :60])}{waveform("Rhythm", samples)}</RestingECG>""".encode("latin-1")


def _literal_lzw(data: bytes) -> bytes:
    """LZW codes of ten bits that stand for one byte each."""
    bits = "".join(f"{byte:010b}" for byte in data) + f"{1023:010b}"
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def _xli(row: np.ndarray) -> bytes:
    """One channel: what `philips_xml` integrates, coded."""
    samples = [int(x) for x in row]
    bends = [c - 2 * b + a for a, b, c in zip(samples, samples[1:], samples[2:], strict=False)]
    stored = [samples[0], samples[1], *(64 - bend for bend in bends[1:]), 64]
    words = np.array(stored, np.int64).astype(np.int16).view(np.uint16)
    coded = _literal_lzw((words >> 8).astype(np.uint8).tobytes() + (words & 255).astype(np.uint8).tobytes())
    return struct.pack("<ihh", len(coded), 0, -bends[0]) + coded


def philips_xml(samples: np.ndarray, encoding: str = "utf-16") -> bytes:
    """A Philips 1.04 document of twelve leads at 500 Hz and 5 µV; the limb leads III to aVF are residuals."""
    rows = samples.astype(np.int64)
    first, second = rows[0], rows[1]
    third = rows[2]
    stored = rows.copy()
    stored[2] = second - first - third
    stored[3] = -rows[3] - (first + second) // 2
    stored[4] = (first - third) // 2 - rows[4]
    stored[5] = (second + third) // 2 - rows[5]
    data = base64.b64encode(b"".join(map(_xli, stored))).decode()
    return f"""<?xml version="1.0" encoding="{encoding}"?>
<restingecgdata xmlns="http://www3.medical.philips.com">
<documentinfo><documentversion>1.04</documentversion></documentinfo>
<dataacquisition date="2010-01-19" time="15:19:22"><machine detaildescription="A.01">PageWriter</machine>
<acquirer><institutionname>{CANARY}</institutionname></acquirer>
<signalcharacteristics><samplingrate>500</samplingrate><resolution>5</resolution>
<hipass>0.05</hipass><lowpass>150</lowpass>
<acquisitiontype>STD-12</acquisitiontype><numberchannelsallocated>12</numberchannelsallocated></signalcharacteristics>
</dataacquisition><patient><generalpatientdata><patientid>{CANARY}</patientid><name><lastname>{CANARY}</lastname></name>
<age><years>50</years></age><sex>Male</sex></generalpatientdata></patient>
<interpretations><interpretation><interpretationmeasurements><heartrate>41</heartrate><meanprint>151</meanprint>
<pfrontaxis>Failed</pfrontaxis></interpretationmeasurements>
<statement><leftstatement>Sinus bradycardia</leftstatement><rightstatement>rate&lt; 50</rightstatement></statement>
</interpretation></interpretations>
<waveforms><parsedwaveforms compressmethod="XLI" dataencoding="Base64" durationperchannel="{rows.shape[1] * 2}">{data}
</parsedwaveforms></waveforms></restingecgdata>""".encode(encoding)


def aecg(samples: np.ndarray) -> bytes:
    """An aECG document at 500 Hz and 2.5 µV with a derived series before the rhythm."""

    def lead(name: str, row: np.ndarray) -> str:
        digits = " ".join(map(str, row.tolist()))
        return (
            f'<component><sequence><code code="MDC_ECG_LEAD_{name.upper()}"/><value xsi:type="SLIST_PQ">'
            f'<origin value="0" unit="uV"/><scale value="2.5" unit="uV"/><digits>{digits}</digits></value>'
            "</sequence></component>"
        )

    def series(kind: str, rows: np.ndarray) -> str:
        leads = "".join(lead(name, row) for name, row in zip(LEADS8, rows, strict=True))
        return (
            f'<component><series><code code="{kind}"/><effectiveTime><low value="20021122091000"/></effectiveTime>'
            "<author><seriesAuthor><manufacturedSeriesDevice><manufacturerModelName>ELI</manufacturerModelName>"
            "</manufacturedSeriesDevice></seriesAuthor></author><component><sequenceSet>"
            '<component><sequence><code code="TIME_RELATIVE"/><value xsi:type="GLIST_PQ"><head value="0" unit="s"/>'
            f'<increment value="0.002" unit="s"/></value></sequence></component>{leads}</sequenceSet>'
            "</component></series></component>"
        )

    return f"""<?xml version="1.0" encoding="utf-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<componentOf><subject><trialSubject><id extension="{CANARY}"/><subjectDemographicPerson><name>{CANARY}</name>
<administrativeGenderCode code="M"/><birthTime value="{CANARY}"/></subjectDemographicPerson></trialSubject></subject>
</componentOf>
{series("REPRESENTATIVE_BEAT", samples[:, :60])}{series("RHYTHM", samples)}</AnnotatedECG>""".encode()


def _huffman(value: int) -> str:
    if value == 0:
        return "0"
    if abs(value) <= 8:
        return "1" * abs(value) + "0" + ("1" if value < 0 else "0")
    width, mark = (8, "1111111110") if -128 <= value < 128 else (16, "1111111111")
    return mark + format(value & (1 << width) - 1, f"0{width}b")


def huffman_table(codes: dict[str, tuple[int, int]]) -> bytes:
    """Section 2 of an SCP-ECG file: one table, by the bits of a code the number that follow it, and its value."""
    rows = b"".join(
        struct.pack("<BBBhI", len(bits), len(bits) + extra, 1, value, int(bits[::-1], 2))
        for bits, (extra, value) in codes.items()
    )
    return struct.pack("<HH", 1, len(codes)) + rows


def _section(number: int, content: bytes) -> bytes:
    content += b"\0" * (len(content) % 2)
    return struct.pack("<HHIBB", 0, number, len(content) + 16, 20, 20) + b"\0" * 6 + content


def _scp_leads(rows: np.ndarray, coding: int) -> bytes:
    """The parts of all leads: their sizes and their Huffman-coded samples or differences."""
    parts = []
    for row in rows.astype(np.int64):
        values = row.tolist()
        if coding == 1:
            values = [values[0], *(b - a for a, b in pairwise(values))]
        if coding == 2:
            values = [*values[:2], *(c - 2 * b + a for a, b, c in zip(values, values[1:], values[2:], strict=False))]
        bits = "".join(map(_huffman, values))
        parts.append(int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big"))
    return struct.pack(f"<{len(parts)}H", *map(len, parts)) + b"".join(parts)


def scp(
    samples: np.ndarray,
    coding: int = 2,
    plain: bool = False,
    beat: np.ndarray | None = None,
    tags: bytes = b"",
    statement: bytes = b"sinusrytm \xe5",
    table: bytes = struct.pack("<H", 19999),
) -> bytes:
    """An SCP-ECG file of eight leads at 500 Hz and 2.5 µV, perhaps with a reference beat subtracted at two places.

    `tags` stand before the usual ones of section 1; `table` is section 2, the default code if not said.
    """
    rows = samples.astype(np.int64)
    n_leads, n_samples = rows.shape
    fiducial, centres = 40, (150, 400)
    if beat is not None:
        for centre in centres:
            begin = centre - fiducial
            rows[:, begin : begin + beat.shape[1]] -= beat
    usual = [
        (2, CANARY.encode()),
        (0, CANARY.encode()),
        (8, b"\2"),
        (4, struct.pack("<HB", 61, 1)),
        (25, struct.pack("<HBB", 2017, 5, 4)),
        (26, bytes([16, 35, 7])),
        (28, struct.pack("<H", 35)),
        (14, b"\0" * 8 + b"MDW14\0"),
    ]
    demographics = tags + b"".join(bytes([tag]) + struct.pack("<H", len(value)) + value for tag, value in usual)
    demographics += b"\xff\0\0"
    definitions = bytes([n_leads, (beat is not None) | n_leads << 3]) + b"".join(
        struct.pack("<IIB", 1, n_samples, code) for code in range(1, n_leads + 1)
    )
    head = struct.pack("<HHBB", 2500, 2000, 0 if plain else coding, 0)
    if plain:
        body = struct.pack(f"<{n_leads}H", *[2 * n_samples] * n_leads) + rows.astype("<i2").tobytes()
    else:
        body = _scp_leads(rows, coding)
    contents = {1: demographics, 2: table, 3: definitions, 6: head + body}
    contents[7] = struct.pack("<BBHH5H3h", 1, 0, 1000, 0, 100, 200, 267, 355, 653, 48, -20, 29999)
    contents[8] = bytes(8) + b"\1\1" + struct.pack("<H", len(statement) + 1) + statement + b"\0"
    if plain:
        del contents[2]
    if beat is not None:
        length = beat.shape[1]
        zones = b"".join(struct.pack("<HIII", 0, c - fiducial + 1, c, c - fiducial + length) for c in centres)
        contents[4] = struct.pack("<HHH", length * 2, fiducial, len(centres)) + zones
        contents[5] = struct.pack("<HHBB", 2500, 2000, coding, 0) + _scp_leads(beat, coding)
    sections = [_section(number, content) for number, content in sorted(contents.items())]
    pointers_size = 16 + 10 * (len(sections) + 1)
    at = 6 + pointers_size
    entries = struct.pack("<HII", 0, pointers_size, 7)
    for section in sections:
        entries += struct.pack("<HII", int.from_bytes(section[2:4], "little"), len(section), at + 1)
        at += len(section)
    pointers = struct.pack("<HHIBB", 0, 0, pointers_size, 20, 20) + b"SCPECG" + entries
    return struct.pack("<HI", 0, at) + pointers + b"".join(sections)


def edf(samples: np.ndarray, bytes_each: int = 2, unit: str = "uV", kind: str = "EDF+C") -> bytes:
    """An EDF or BDF file at 300 Hz, 2.5 units a count, with a slower respiration signal and annotations."""
    names = [*(f"ECG {lead}" for lead in LEADS8), "Resp", "EDF Annotations"]
    per_record = [300] * 8 + [30, 20]
    limit = 2**15
    n = len(names)
    version = b"0       " if bytes_each == 2 else b"\xffBIOSEMI"
    head = f"{f'{CANARY} M 01-JAN-1950 {CANARY}':80}{'Startdate 28-NOV-2020 X X MyDevice':80}28.11.2010.20.30"
    head += f"{256 * (n + 1):<8}{kind:44}{samples.shape[1] // 300:<8}{1:<8}{n:<4}"
    fields = [
        (16, names),
        (80, [""] * n),
        (8, [unit] * 8 + ["", ""]),
        (8, [int(-2.5 * limit)] * n),
        (8, [2.5 * (limit - 1)] * n),
        (8, [-limit] * n),
        (8, [limit - 1] * n),
        (80, ["HP:0.05Hz LP:150Hz N:50Hz"] * n),
        (8, per_record),
        (32, [""] * n),
    ]
    head += "".join(f"{str(value)[:width]:{width}}" for width, values in fields for value in values)
    body = b""
    for record in range(samples.shape[1] // 300):
        flat = samples[:, record * 300 : (record + 1) * 300].reshape(-1).astype("<i4")
        flat = np.concatenate([flat, np.zeros(50, "<i4")]).astype("<i4")
        body += flat.view(np.uint8).reshape(-1, 4)[:, :bytes_each].tobytes()
    return version + head.encode("latin-1") + body
