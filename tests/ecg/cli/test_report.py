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
