"""The forms of an answer beside JSON: paper at true scale, FHIR, CSV, and samples for a display."""

import base64
import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pypdfium2
import pytest
from fhir.resources.R4B.bundle import Bundle

from ecg import local
from ecg.errors import MalformedInput
from ecg.labels import LABEL_NAMES, LABELS
from ecg.models.contract import ModelIdentity, ModelResult
from ecg.origin import Origin
from ecg.pipeline import examine
from ecg.record import EcgRecord
from ecg.report import Report
from ecg.report.analysis import Analysis, checked_subject
from ecg.report.csv_form import HEADER
from ecg.report.fhir import bundle
from ecg.report.page_form import page
from ecg.report.paper import as_bytes
from ecg.report.paper_layout import PAGES, Page, Style
from ecg.simulation import Scenario, simulate
from ecg.simulation.catalogue import SCENARIOS
from tests.conftest import noise_record

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ZEROS = np.zeros(4, np.float32)
DPI = 254  # ten pixels a millimetre
ALL = frozenset({"clinical", "measurements", "quality"})


def report_of(record: EcgRecord) -> Report:
    return Report(Analysis(record, ALL, examine(record), {}, record.notes, 0.1))


def of_kind(made: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in made["entry"] if entry["resource"]["resourceType"] == kind]


def said_by(scores: dict[str, float], record: EcgRecord) -> Report:
    """The report of a recording about which a calibrated clinical model says `scores`, and nothing of other labels."""
    vector = np.array([scores.get(name, np.nan) for name in LABEL_NAMES], np.float32)
    identity = ModelIdentity("made/up@1", True, "torch", "float32")
    answered = {"clinical": ModelResult(identity, vector, ZEROS, ZEROS, calibrated=True)}
    return Report(Analysis(record, ALL, examine(record), answered, record.notes, 0.1))


def squares(fs_hz: float = 500.0) -> EcgRecord:
    """A lead that is 1 mV high in every other second: its edges and heights are known to the pixel."""
    seconds = np.arange(int(10 * fs_hz)) / fs_hz
    return EcgRecord.from_array((seconds.astype(int) % 2).astype(float)[None, :], fs_hz, ["II"], "mV")


def rendered(content: bytes) -> np.ndarray:
    """Darkness of a page, [row, column], at `DPI`."""
    image = pypdfium2.PdfDocument(content)[0].render(scale=DPI / 72, grayscale=True).to_numpy()
    return 255 - np.asarray(image, dtype=float).reshape(image.shape[0], image.shape[1])


@pytest.mark.parametrize(("size", "speed", "gain"), [("A4", 25.0, 10.0), ("A4", 25.0, 5.0), ("letter", 25.0, 20.0)])
def test_a_printed_second_and_millivolt_are_as_long_as_the_paper_says(size: Page, speed: float, gain: float) -> None:
    report = report_of(squares())
    style = Style(page=size, speed_mm_s=speed, gain_mm_mv=gain)
    dark = rendered(as_bytes(page(report.analysis, report.conclusion, style=style), "pdf"))
    height, width = dark.shape
    assert (width / 10, height / 10) == pytest.approx(PAGES[size], rel=0.01)
    ink = dark > 200  # the trace, not the grid
    field = ink[height // 4 : -100]  # without header and footer
    tops = np.nonzero(field[:, width // 2 - 400 : width // 2 + 400].sum(axis=1) > 150)[0]  # both levels of the trace
    assert (tops.max() - tops.min()) / 10 == pytest.approx(gain, rel=0.01, abs=0.25)  # 0.25 mm is the pen
    columns = np.nonzero(field.sum(axis=0) > 0.8 * gain * 10)[0]  # the upright edges, a second apart
    edges = columns[np.diff(columns, prepend=-10) > 5]
    steps = np.diff(edges)[np.abs(np.diff(edges) - speed * 10) < 20] / 10
    assert len(steps) >= 5
    assert np.median(steps) == pytest.approx(speed, rel=0.01)


def test_a_page_names_nobody_unless_told() -> None:
    report = report_of(simulate(Scenario()).record)
    texts = [t.get_text() for t in page(report.analysis, report.conclusion).texts]
    named = [t.get_text() for t in page(report.analysis, report.conclusion, "A. Name").texts]
    assert not any("A. Name" in text for text in texts)
    assert any("A. Name" in text for text in named)
    assert any("Research use only" in text for text in texts)


def test_the_same_answer_gives_the_same_files() -> None:
    report = report_of(simulate(Scenario()).record)
    for media_type in ("application/pdf", "image/svg+xml", "text/csv"):
        assert report.encoded(media_type) == report.encoded(media_type), media_type


def test_eight_leads_are_drawn_as_twelve() -> None:
    """What a recorder leaves out because it follows from I and II is on paper all the same, and on a display."""
    twelve = simulate(Scenario()).record
    stored = [lead for lead in twelve.leads if lead not in ("III", "aVR", "aVL", "aVF")]
    eight = EcgRecord(np.stack([twelve.lead(lead) for lead in stored]), tuple(stored), twelve.fs_hz, "mV")
    report = report_of(eight)
    drawn = {line.get_gid() for line in page(report.analysis, report.conclusion).axes[0].lines}
    assert {f"trace-{lead}" for lead in twelve.leads} <= drawn
    shown = json.loads(report.encoded("application/vnd.ecg-serve.display+json"))["waveform"]
    assert shown["leads"] == list(twelve.leads)


def test_leads_that_were_not_recorded_are_named_in_every_form() -> None:
    twelve = simulate(Scenario()).record
    stored = [lead for lead in twelve.leads if lead not in ("III", "aVR", "aVL", "aVF")]
    eight = EcgRecord(np.stack([twelve.lead(lead) for lead in stored]), tuple(stored), twelve.fs_hz, "mV")
    told = "III, aVR, aVL, aVF were not recorded and are derived from I and II."
    assert told in report_of(eight).to_dict()["warnings"]
    for media_type in ("application/fhir+json", "text/csv"):
        assert told in report_of(eight).encoded(media_type).decode()
    assert not any("derived" in warning for warning in report_of(twelve).conclusion.warnings)
    assert not any("derived" in warning for warning in report_of(squares()).conclusion.warnings)


def test_a_recording_without_unit_says_so_on_paper() -> None:
    record = EcgRecord.from_array(simulate(Scenario()).record.signal * 37.0, 500.0, simulate(Scenario()).record.leads)
    report = report_of(record)
    sheet = page(report.analysis, report.conclusion)
    assert any("amplitudes without a unit" in text.get_text() for text in sheet.texts)
    assert not any(line.get_gid() == "pulse" for line in sheet.axes[0].lines)


@pytest.mark.parametrize("name", ["sinus", "atrial_fibrillation", "lbbb", "missing_samples", "ambulance", "lead_off"])
def test_bundles_are_valid_fhir(name: str) -> None:
    report = report_of(simulate(SCENARIOS[name]).record)
    report = report.about("Patient/17")
    made = bundle(report.analysis, report.conclusion, AT)
    parsed = Bundle.model_validate_json(json.dumps(made))
    kinds = [entry.resource.get_resource_type() for entry in parsed.entry]
    assert kinds[0] == "DiagnosticReport"
    assert {"Observation", "Device", "Provenance"} < set(kinds)
    known = {entry["fullUrl"] for entry in made["entry"]}
    assert len(known) == len(made["entry"])
    assert {r["reference"] for r in made["entry"][0]["resource"]["result"]} <= known
    of_patient = [r for r in of_kind(made, "DiagnosticReport") + of_kind(made, "Observation") if "subject" in r]
    assert len(of_patient) == kinds.count("DiagnosticReport") + kinds.count("Observation")
    assert {r["subject"]["reference"] for r in of_patient} == {"Patient/17"}


def test_a_bundle_says_what_was_measured_and_why_something_was_not() -> None:
    report = report_of(simulate(SCENARIOS["atrial_fibrillation"]).record)
    made = bundle(report.analysis, report.conclusion, AT)
    assert not any("subject" in entry["resource"] for entry in made["entry"])
    coded = {
        entry["resource"]["code"]["coding"][0]["code"]: entry["resource"]
        for entry in made["entry"]
        if entry["resource"].get("code", {}).get("coding")
    }
    rate = report.analysis.examination.measurements.heart_rate
    assert coded["8867-4"]["valueQuantity"]["value"] == rate.rounded
    assert coded["8625-6"]["dataAbsentReason"]["text"] == report.analysis.examination.measurements.pr_interval.reason


def test_a_bundle_has_what_the_model_says_and_where_the_measurements_disagree() -> None:
    record = simulate(SCENARIOS["atrial_fibrillation"]).record
    report = said_by({"Atrial fibrillation": 0.02, "Tachycardia": 0.3}, record)
    answer = report.to_dict()
    made = bundle(report.analysis, report.conclusion, AT)
    Bundle.model_validate_json(json.dumps(made))
    texts = {r["code"]["text"]: r for r in of_kind(made, "Observation") if "text" in r["code"]}
    for label in answer["labels"]:
        said = texts[f"Probability of {label['name']}"]
        if label["probability"] is None:
            assert said["dataAbsentReason"]["text"] == label["reason"]
        else:
            assert said["valueQuantity"]["value"] == label["probability"]
            assert said["component"][0]["valueQuantity"]["value"] == label["with_rules"]
    (against,) = answer["consistency"]
    told = texts[f"Model and measurements disagree: {against['label']}"]
    assert told["valueString"] == against["evidence"]
    known = {entry["fullUrl"]: entry["resource"] for entry in made["entry"]}
    sides = [known[source["reference"]] for source in told["derivedFrom"]]
    assert sides == [texts["Probability of Atrial fibrillation"], texts["Atrial fibrillation"]]
    assert "disagree on: Atrial fibrillation" in made["entry"][0]["resource"]["conclusion"]


def test_findings_carry_the_codes_of_their_labels() -> None:
    report = report_of(simulate(SCENARIOS["atrial_fibrillation"]).record)
    made = bundle(report.analysis, report.conclusion, AT)
    codes = {r["code"]["text"]: r["code"] for r in of_kind(made, "Observation") if "text" in r["code"]}
    for label in LABELS:
        coding = codes[label.name].get("coding", [{"code": None}])
        assert coding[0]["code"] == label.snomed_ct


@pytest.mark.parametrize("score", [0.9, None])
def test_every_model_that_answered_has_a_device_and_a_provenance(score: float | None) -> None:
    """Also one that may not speak, because the recording is poor."""
    record = simulate(Scenario()).record if score else noise_record(seconds=10)
    report = said_by({"Sinus rhythm": 0.9}, record)
    assert report.analysis.examination.quality.acceptable == (score is not None)
    made = bundle(report.analysis, report.conclusion, AT)
    Bundle.model_validate_json(json.dumps(made))
    (device,) = [e["fullUrl"] for e in made["entry"] if e["resource"].get("version") == [{"value": "made/up@1"}]]
    (told,) = [p for p in of_kind(made, "Provenance") if p["agent"][0]["who"]["reference"] == device]
    known = {entry["fullUrl"]: entry["resource"] for entry in made["entry"]}
    targets = [known[target["reference"]] for target in told["target"]]
    assert {target["code"]["text"] for target in targets} == {f"Probability of {name}" for name in LABEL_NAMES}
    reasons = [t["dataAbsentReason"]["text"] for t in targets if "dataAbsentReason" in t]
    assert ("The recording is of poor quality." in reasons) == (score is None)


def test_a_model_without_labels_has_a_provenance_too() -> None:
    record = simulate(Scenario()).record
    features = ModelResult(ModelIdentity("made/up@2", True, "torch", "float32"), None, ZEROS, ZEROS)
    analysis = Analysis(record, ALL, examine(record), {"features": features}, (), 0.1)
    made = bundle(analysis, Report(analysis).conclusion, AT)
    Bundle.model_validate_json(json.dumps(made))
    (told,) = [p for p in of_kind(made, "Provenance") if "activity" in p]
    assert told["target"] == [{"reference": made["entry"][0]["fullUrl"]}]


@pytest.mark.parametrize(
    ("acquired", "written", "notes"),
    [
        (None, None, 0),
        (datetime(2020, 5, 6, 7, 8, 9), "2020-05-06", 1),  # a FHIR time without an offset is not valid
        (datetime(2020, 5, 6, 7, 8, 9, tzinfo=UTC), "2020-05-06T07:08:09+00:00", 0),
        (datetime(1890, 1, 1, 1, tzinfo=timezone(timedelta(seconds=1175))), "1890-01-01T00:40:25+00:00", 0),
    ],
)
def test_a_bundle_says_when_and_by_what_the_recording_was_made(
    acquired: datetime | None, written: str | None, notes: int
) -> None:
    origin = Origin(manufacturer="Maker", model="M-1", software="2.0")
    record = replace(simulate(Scenario()).record, acquired=acquired, origin=origin)
    report = report_of(record)
    made = bundle(report.analysis, report.conclusion, AT)
    Bundle.model_validate_json(json.dumps(made))
    times = {r.get("effectiveDateTime") for r in of_kind(made, "DiagnosticReport") + of_kind(made, "Observation")}
    assert times == {written}
    waveform = next(r for r in of_kind(made, "Observation") if "component" in r)
    assert len(waveform.get("note", ())) == notes
    recorder = next(e["resource"] for e in made["entry"] if e["fullUrl"] == waveform["device"]["reference"])
    assert (recorder["manufacturer"], recorder["deviceName"][0]["name"]) == ("Maker", "M-1")
    assert recorder["version"] == [{"value": "2.0"}]


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/123",
        "Group/a-b.c/_history/2",
        "https://fhir.example.org:8443/r4/Patient/1",
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    ],
)
def test_a_reference_to_a_patient_is_taken(reference: str) -> None:
    assert checked_subject(reference) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "123",
        "Patient/",
        "Patient/ä",
        "Patient/1\n",
        "Doctor/1",
        "Jane Doe",
        "javascript:Patient/1",
        "Patient/" + "1" * 65,
        "https://x/" + "a/" * 200 + "Patient/1",
    ],
)
def test_what_is_no_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(MalformedInput) as refused:
        checked_subject(text)
    assert refused.value.field == "subject"
    assert not text or text not in f"{refused.value.message}{refused.value.got}"


def test_the_waveform_of_a_bundle_is_the_recording() -> None:
    record = simulate(SCENARIOS["missing_samples"]).record
    report = report_of(record)
    made = bundle(report.analysis, report.conclusion, AT)
    components = next(e["resource"]["component"] for e in made["entry"] if "component" in e["resource"])
    assert [c["code"]["coding"][0]["code"] for c in components][:3] == ["131329", "131330", "131389"]
    for row, component in enumerate(components):
        data = component["valueSampledData"]
        values = [np.nan if word == "E" else int(word) * data["factor"] for word in data["data"].split(" ")]
        np.testing.assert_allclose(values, record.signal[row], atol=0.0006)  # counts are microvolts
        assert data["period"] == 2.0


def test_the_table_has_a_row_for_everything_and_no_formula() -> None:
    report = report_of(simulate(SCENARIOS["atrial_fibrillation"]).record)
    rows = list(csv.reader(io.StringIO(report.encoded("text/csv").decode())))
    assert tuple(rows[0]) == HEADER
    by_name = {row[1]: row for row in rows}
    assert by_name["Atrial fibrillation"][2] == "present"
    assert by_name["pr_interval"][2] == ""
    assert by_name["pr_interval"][5] == report.analysis.examination.measurements.pr_interval.reason
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)


def test_the_display_gets_samples_and_marks() -> None:
    record = simulate(SCENARIOS["missing_samples"]).record
    report = report_of(record)
    body = json.loads(report.encoded("application/vnd.ecg-serve.display+json"))
    wave = body["waveform"]
    for row, text in enumerate(wave["samples"]):
        counts = np.frombuffer(base64.b64decode(text), dtype="<i2").astype(float)
        values = np.where(counts == wave["missing"], np.nan, counts * wave["scale"])
        np.testing.assert_allclose(values, record.signal[row], atol=0.0006)
    marks = wave["median_beat"]["marks"]
    measured = report.analysis.examination.measurements
    assert marks["qrs_offset"] - marks["qrs_onset"] == pytest.approx(measured.qrs_duration.value, abs=0.11)  # rounding
    assert marks["qrs_onset"] - marks["p_onset"] == pytest.approx(measured.pr_interval.value, abs=0.11)
    assert len(wave["beats"]) == len(measured.beats.r_samples)
    assert {key: value for key, value in body.items() if key != "waveform"} == json.loads(report.to_json())


def test_a_recording_is_measured_without_any_model() -> None:
    report = local.measured(simulate(SCENARIOS["lbbb"]).record)
    assert report.conclusion.source == "rules"
    assert "Left bundle branch block" in report.conclusion.abnormalities
