"""The documents' Python that asks a service runs against a real one."""

import re
from pathlib import Path

import httpx
import pytest

from ecg.formats.writers import WRITERS
from ecg.simulation import Scenario, simulate
from tests.e2e.conftest import ROOT

DOCUMENTS = [path for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))) if "```py\n" in path.read_text()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_client_examples_run(
    path: Path, service: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recordings").mkdir()
    for folder, name in ((tmp_path, "recording"), (tmp_path / "recordings", "a")):
        WRITERS["wfdb"](simulate(Scenario()).record, folder, name)
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"```py\n(.*?)```", path.read_text(), re.DOTALL):
        here = code.replace("http://127.0.0.1:7860", str(service.base_url).rstrip("/"))
        assert here != code, "an example names the address of `make run`"
        exec(compile(here, path.name, "exec"), {"__name__": "example"})
