"""What a researcher meets in Python: a report without settings, its picture, and many of them as a table."""

import base64
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ecg
from ecg.client import Answer, ServiceRefusal
from ecg.errors import MissingLeads
from ecg.local import WITHOUT_MODEL
from ecg.models.load import load_model
from ecg.record import EcgRecord
from ecg.report.paper_layout import PAGES
from ecg.simulation import Scenario, simulate
from ecg.simulation.catalogue import SCENARIOS


def test_an_analysis_without_settings_measures_and_says_what_a_model_would_add() -> None:
    report = ecg.analyze(simulate(SCENARIOS["atrial_fibrillation"]).record)
    answer = report.to_dict()
    assert answer["clinical_analysis"]["rhythm"] == "Atrial fibrillation"
    assert answer["clinical_analysis"]["source"] == "rules"
    assert answer["measurements"]["heart_rate"]["value"] > 0
    assert {label["probability"] for label in answer["labels"]} == {None}
    assert answer["features"] is None
    assert WITHOUT_MODEL in answer["warnings"]
    assert "=" not in report.encoded("application/fhir+json").decode().partition('"conclusion":')[2].partition('"}')[0]


def test_the_models_that_the_docstring_names_add_what_it_says() -> None:
    said = dict(re.findall(r"(clinical|features)=ecg\.(load_model\(.*?\))", ecg.analyze.__doc__ or ""))
    assert set(said) == {"clinical", "features"}
    models = {name: eval(code, {"load_model": load_model}) for name, code in said.items()}
    answer = ecg.analyze(simulate(Scenario()).record, **models).to_dict()
    assert any(label["probability"] is not None for label in answer["labels"])
    assert any(value is not None for value in answer["features"][:768])


def test_samples_become_a_recording_with_what_is_stated() -> None:
    samples = np.zeros((2, 1000))
    record = EcgRecord.from_array(samples, 500, ["I", "II"], "mV", name="x")
    assert (record.signal.shape, record.fs_hz, record.unit, record.name) == ((2, 1000), 500.0, "mV", "x")
    samples[:] = 1.0  # the caller's array is its own
    assert record.signal.max() == 0.0
    with pytest.raises(TypeError):
        EcgRecord.from_array(samples)  # type: ignore[call-arg]  # nothing is guessed


def test_a_report_is_drawn_at_paper_size() -> None:
    sheet = ecg.analyze(simulate(Scenario()).record).plot(name="Bed 3")
    width, height = sheet.get_size_inches() * 25.4
    assert (width, height) == pytest.approx(PAGES["A4"])
    assert "Bed 3" in " ".join(text.get_text() for text in sheet.texts)


def test_a_notebook_shows_values_reasons_and_the_picture() -> None:
    page = ecg.analyze(simulate(SCENARIOS["atrial_fibrillation"]).record)._repr_html_()
    assert "Atrial fibrillation" in page
    assert "not given: " in page  # there is no PR interval
    picture = re.search(r"src='data:image/png;base64,([^']+)'", page)
    assert picture is not None
    assert base64.b64decode(picture[1]).startswith(b"\x89PNG")


def test_a_notebook_takes_no_text_of_a_file_for_html() -> None:
    record = simulate(Scenario()).record
    hostile = EcgRecord(record.signal, record.leads, record.fs_hz, "mV", notes=("<script>alert(1)</script>",))
    page = ecg.analyze(hostile)._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_many_answers_are_one_table() -> None:
    reports = [ecg.analyze(simulate(SCENARIOS[name]).record) for name in ("sinus", "lbbb")]
    refused = MissingLeads("Missing leads: V1.")
    table = ecg.to_frame([reports[0], Answer.from_body(reports[1].to_dict()), refused, ServiceRefusal({}, 503)])
    assert table["rhythm"].tolist()[:2] == ["Sinus rhythm", reports[1].conclusion.rhythm]
    assert table["qrs_duration"][1] == reports[1].analysis.examination.measurements.qrs_duration.rounded
    assert table["finding_left_bundle_branch_block"].tolist()[:2] == [False, True]
    assert table["label_sinus_rhythm"].isna().all()
    assert table["error"].tolist()[2:] == ["Missing leads: V1.", "The answer was HTTP 503."]
    assert ecg.to_frame([]).empty


def test_the_package_says_that_it_is_typed(tmp_path: Path) -> None:
    """A caller's type checker sees `Report`, not Any."""
    caller = tmp_path / "caller.py"
    caller.write_text("import ecg\n\n\ndef rate(report: ecg.Report) -> None:\n    reveal_type(ecg.analyze)\n")
    assert (Path(ecg.__file__).parent / "py.typed").exists()
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent", str(caller)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "-> ecg.report.Report" in done.stdout, done.stdout + done.stderr
