"""`ecg analyze` writes the forms of the answer that are JSON documents."""

import json
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle

from ecg.cli import main
from ecg.formats.writers import write_json
from ecg.simulation import Scenario, simulate

MODEL_FREE = ("--include", "measurements,quality")


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return str(write_json(simulate(Scenario()).record, tmp_path, "one")[0])


def test_fhir_is_a_bundle_about_the_patient_that_was_named(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", *MODEL_FREE, "--format", "fhir", "--subject", "Patient/7", recording]) == 0
    made = json.loads(capsys.readouterr().out)
    Bundle.model_validate_json(json.dumps(made))
    assert made["entry"][0]["resource"]["subject"] == {"reference": "Patient/7"}


def test_fhir_of_several_files_is_a_line_each_and_names_nobody(
    recording: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", *MODEL_FREE, "--format", "fhir", "--jsonl", recording, recording]) == 0
    bundles = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [made["resourceType"] for made in bundles] == ["Bundle", "Bundle"]
    assert not any("subject" in entry["resource"] for made in bundles for entry in made["entry"])


def test_json_is_the_form_without_a_setting(recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", *MODEL_FREE, recording]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["record"] == "one"
    assert answer["measurements"]["heart_rate"]["value"] > 0


@pytest.mark.parametrize("beside", [("--format", "fhir", "--subject", "Jane Doe"), ("--subject", "Patient/7")])
def test_a_subject_that_is_none_or_has_no_place_is_refused(
    recording: str, capsys: pytest.CaptureFixture[str], beside: tuple[str, ...]
) -> None:
    assert main(["analyze", *MODEL_FREE, *beside, recording]) == 2
    told = capsys.readouterr()
    assert "field: subject" in told.err
    assert "Jane" not in told.err
    assert told.out == ""
