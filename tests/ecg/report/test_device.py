"""What the file says of its device, beside our measurements."""

from dataclasses import replace

import orjson
import pytest

from ecg.cli import main
from ecg.formats import parse
from ecg.formats.device_file import statements_of
from ecg.local import measured
from ecg.measurement.intervals import measure
from ecg.origin import Origin
from ecg.record import EcgRecord
from ecg.report.device import COMPARED, device_dict, differences
from ecg.simulation import SCENARIOS, Artefact, Scenario, simulate
from tests.ecg.formats import device_files as made

THEIRS = {"heart_rate": 60.0, "qrs_duration": 100.0, "qtc_interval": 410.0, "qrs_axis": -170.0, "t_axis": 30.0}


@pytest.fixture(scope="module")
def record() -> EcgRecord:
    origin = Origin("Maker", "Model", low_pass_hz=40.0, measurements=THEIRS, statements=("Sinus rhythm",))
    return replace(simulate(SCENARIOS["sinus"], seed=3).record, origin=origin)


def test_the_answer_has_the_device_and_the_differences(record: EcgRecord) -> None:
    answer = measured(record).to_dict()
    assert answer["device"] == {
        "manufacturer": "Maker",
        "model": "Model",
        "software": None,
        "filters": {"high_pass_hz": None, "low_pass_hz": 40.0, "notch_hz": None, "as_written": []},
        "measurements": THEIRS,
        "statements": ["Sinus rhythm"],
    }
    values = answer["measurements"]
    for name in ("heart_rate", "qrs_duration"):
        assert values[name]["difference_from_device"] == pytest.approx(values[name]["value"] - THEIRS[name], abs=0.06)
    told = {name for name, value in values.items() if "difference_from_device" in value}
    assert told == {name for name in COMPARED if name in THEIRS}  # QTc is not compared: its correction is not known


def test_axes_differ_the_short_way_round(record: EcgRecord) -> None:
    report = measured(record)
    found = differences(record.origin, report.analysis.examination.measurements)
    axis = report.to_dict()["measurements"]["qrs_axis"]["value"]
    assert -180 <= found["qrs_axis"] <= 180
    assert (axis - found["qrs_axis"] + 170) % 360 == pytest.approx(0, abs=0.2)


def test_a_file_that_says_nothing_has_no_device(record: EcgRecord) -> None:
    assert device_dict(None) is None
    assert device_dict(Origin(sex="male", age_years=50.0, identifying=("patient name",))) is None
    assert "device" not in measured(replace(record, origin=None)).to_dict()


def test_a_low_pass_that_the_file_names_is_said() -> None:
    record = parse({"x.xml": made.muse_xml(made.counts())})
    assert any("low-pass of 40 Hz" in note for note in record.notes)
    assert any("low-pass of 40 Hz" in warning for warning in measured(record).to_dict()["warnings"])


@pytest.mark.parametrize(
    "statement", ["Confirmed by SMITH", "Referred by: Zebedeus", "Technician: X", "Dr Zebedeus", "JOHN SMITH, MD"]
)
def test_statements_that_may_name_a_person_are_left_out(statement: str) -> None:
    assert statements_of([statement, "Sinus rhythm"]) == ("Sinus rhythm",)


def test_measure_shows_both(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    path = f"{tmp_path}/x.xml"
    with open(path, "wb") as out:
        out.write(made.muse_xml(made.counts()))
    assert main(["measure", "--jsonl", path]) == 0
    line = orjson.loads(capsys.readouterr().out)
    assert line["device"]["measurements"] == {"heart_rate": 61, "qrs_duration": 98}
    assert main(["measure", path]) == 0
    assert "(device: 61" in capsys.readouterr().out


@pytest.mark.parametrize(("low_pass_hz", "known"), [(None, True), (150.0, True), (100.0, False), (35.0, False)])
def test_pacing_is_open_where_the_file_names_a_low_pass_that_hides_spikes(
    low_pass_hz: float | None, known: bool
) -> None:
    scenario = Scenario(shape="lbbb", qrs_ms=150, artefacts=(Artefact("muscle", 0.01),))
    wide = replace(simulate(scenario).record, origin=Origin(low_pass_hz=low_pass_hz))
    assert (measure(wide).rhythm.paced_fraction.value is not None) == known
