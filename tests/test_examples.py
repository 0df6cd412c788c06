"""The Python and the commands of the documents run as they stand, and the reference made from the code is current."""

import re
import shlex
import shutil
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from ecg.cli import main
from ecg.formats.writers import WRITERS
from ecg.models.hub import FILES
from ecg.simulation import Scenario, simulate
from serve_app.settings_reference import VARIABLES, document

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
#: cohorts.md is run by tests/deployments/test_batch_job.py, on tables of its own.
DOCUMENTS = [
    path
    for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))
    if path.name != "cohorts.md" and "```python" in path.read_text()
]
#: Commands that need no service, no cluster and no network.
ALONE = ("simulate", "measure", "inspect", "report", "export", "analyze", "convert")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader of the documents would be: with recordings, samples and a checkpoint under the names they have."""
    for seed, name in enumerate(("recording", "recordings/a", "recordings/b")):
        record = simulate(Scenario(), seed=seed).record
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        WRITERS["wfdb"](record, place.parent, place.name)
    np.save(tmp_path / "samples.npy", record.signal)
    shutil.copy(GOLDEN / "tiny_finetuned.pt", tmp_path / FILES["finetuned"])
    monkeypatch.setenv("ECG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_python_of_a_document_runs(path: Path, folder: Path) -> None:
    """All of one document in one go: a later block may use what an earlier one made."""
    with mpl.rc_context({"backend": "agg"}):
        exec(compile("\n".join(blocks(path, "python")), path.name, "exec"), {"__name__": "example"})


def commands(path: Path) -> list[list[str]]:
    """The `ecg` commands in a document's shell blocks that run alone, without their comments."""
    lines = "\n".join(blocks(path, "sh")).splitlines()
    split = [shlex.split(line, comments=True) for line in lines if line.startswith("ecg ")]
    return [words[1:] for words in split if words[1] in ALONE]


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_the_commands_of_a_document_run(path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in commands(path):
        assert main(words) == 0, (words, capsys.readouterr().err)


def test_there_are_commands_to_run() -> None:
    assert commands(ROOT / "docs" / "quick-start.md")


def test_the_settings_reference_is_current() -> None:
    """`python -m serve_app.settings_reference > docs/settings.md` writes it anew."""
    assert (ROOT / "docs" / "settings.md").read_text() == document()


def test_every_variable_that_the_code_reads_is_in_the_reference() -> None:
    sources = [path for room in ("ecg", "deployments", "serve_app") for path in (ROOT / room).rglob("*.py")]
    read = {name for path in sources for name in re.findall(r'"(ECG_[A-Z_]+)"', path.read_text())}
    assert read == set(VARIABLES)
