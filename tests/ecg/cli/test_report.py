"""`ecg report` writes a page, or says what is wrong."""

from pathlib import Path

import pytest

from ecg.cli import main
from ecg.formats.writers import write_json
from ecg.simulation import Scenario, simulate


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_json(simulate(Scenario()).record, tmp_path, "one")[0]


@pytest.mark.parametrize(("ending", "magic"), [("pdf", b"%PDF-"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_ending_says_which_file_is_written(recording: Path, ending: str, magic: bytes) -> None:
    out = recording.with_name(f"page.{ending}")
    assert main(["report", str(recording), "-o", str(out), "--name", "A. Name"]) == 0
    assert out.read_bytes().startswith(magic)


@pytest.mark.parametrize(
    ("arguments", "told"), [(["-o", "page.doc"], "field: out"), (["-o", "page.pdf", "--from", "99"], "field: from")]
)
def test_what_cannot_be_written_is_told(
    recording: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["report", str(recording), *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_missing_folder_is_named(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recording.parent / "nowhere"
    assert main(["report", str(recording), "-o", str(folder / "x.pdf")]) == 2
    told = capsys.readouterr().err
    assert "no such folder" in told
    assert str(folder) in told
    assert ".partial" not in told


def test_help_names_every_kind_of_weights(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "hub, small, stand-in, or a checkpoint" in told
