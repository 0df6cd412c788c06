"""What a newcomer meets on the terminal: missing libraries, mistyped addresses, folders that are not there yet."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from benchmarks.service import free_port
from ecg._version import __version__
from ecg.cardioai.sender.progress_file import Checkpoint, Destination
from ecg.cli import main
from ecg.errors import InconsistentInput
from ecg.extras import EXTRAS
from ecg.formats.cardioai_message import ORIGIN_CODES
from ecg.simulation import Artefact, Scenario, simulate

ROOT = Path(__file__).resolve().parents[3]
#: Runs the command as if libraries, with commas between them, were not installed.
WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from ecg.cli import main
raise SystemExit(main(sys.argv[2:]))
"""


def without(libraries: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, libraries, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"ecg-serve {__version__}\n"


@pytest.mark.parametrize(
    ("libraries", "arguments"),
    [
        ("boto3", ("bus", "--help")),
        ("sqlalchemy", ("bus", "--help")),
        ("sqlalchemy", ("inbox", "--help")),
        ("torch,openvino,safetensors,filelock,huggingface_hub", ("analyze", "--weights", "small", "FILE")),
    ],
)
def test_a_missing_library_is_one_line_with_the_command_that_brings_it(
    libraries: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = without(libraries, *(str(tmp_path / "one.hea") if word == "FILE" else word for word in arguments))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert f"pip install 'ecg-serve[{EXTRAS[libraries.partition(',')[0]]}]'" in done.stderr


@pytest.mark.parametrize(("library", "code"), [("httpx", "ecg.Client()"), ("safetensors", "ecg.load_model('small')")])
def test_a_missing_library_is_said_in_python_with_the_command_that_brings_it(library: str, code: str) -> None:
    run = WITHOUT.replace("from ecg.cli import main\nraise SystemExit(main(sys.argv[2:]))", f"import ecg\n{code}")
    command = [sys.executable, "-c", run, library]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ecg.errors.BackendUnavailable: ")
    assert f"pip install 'ecg-serve[{EXTRAS[library]}]'" in last


@pytest.mark.parametrize(
    ("module", "run"),
    [
        ("ecg.cli.measure", "from ecg.cli import main; raise SystemExit(main(['measure', 'x.hea']))"),
        ("serve_app.launcher.start", "from serve_app.__main__ import main; raise SystemExit(main())"),
    ],
)
def test_ctrl_c_while_a_command_is_loaded_is_no_traceback(module: str, run: str) -> None:
    interrupt = (
        "import sys\nclass Interrupt:\n    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\nsys.meta_path.insert(0, Interrupt())\n"
    )
    command = [sys.executable, "-c", interrupt + run]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (130, "")


def payload_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "payloads"
    folder.mkdir()
    (folder / "one.json").write_bytes(b"{}")
    return folder


def test_a_relay_over_aws_without_its_library_is_one_line(tmp_path: Path) -> None:
    folder = str(payload_folder(tmp_path))
    arguments = ["-s", folder, "-a", "ESB", "-n", "bus", "-o", ORIGIN_CODES[0], "-v", "D3F153"]
    done = without("boto3", "relay", *arguments, "--bucket", "b")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "ecg-serve[aws]" in done.stderr


def test_a_closed_port_is_called_refused() -> None:
    from ecg.cardioai.sender.delivery import NotDelivered, Outgoing
    from ecg.cardioai.sender.http import HttpAdapter

    adapter = HttpAdapter(f"http://127.0.0.1:{free_port()}/data/v1", 1, 5.0)
    with pytest.raises(NotDelivered) as failure:
        adapter.send(Outgoing(b"{}", "id", "code"))
    assert failure.value.reason == "connection refused"


def test_a_checkpoint_without_a_delivery_does_not_hold_a_corrected_url(tmp_path: Path) -> None:
    wrong, right = (Destination("HTTP", f"http://{host}/", "a", "b") for host in ("wrong", "right"))
    with Checkpoint(tmp_path / "run.jsonl", wrong):
        pass
    with Checkpoint(tmp_path / "run.jsonl", right) as checkpoint:
        checkpoint.mark("one")
    head, line = map(orjson.loads, (tmp_path / "run.jsonl").read_bytes().splitlines())
    assert (head["name"], line) == ("http://right/", {"done": "one"})
    with pytest.raises(InconsistentInput, match="delivered 1 messages"), Checkpoint(tmp_path / "run.jsonl", wrong):
        pass


def test_extract_makes_its_folder(tmp_path: Path) -> None:
    (tmp_path / "manifest").write_text("")
    assert main(["extract", "-m", str(tmp_path / "manifest"), "-d", str(tmp_path / "new" / "folder")]) == 0
    assert (tmp_path / "new" / "folder").is_dir()


def test_measure_says_each_cause_once_and_what_it_does_not_decide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "flat.json"
    record = simulate(Scenario(artefacts=(Artefact("mains50", 0.5), Artefact("muscle", 0.6)))).record
    written.write_bytes(
        orjson.dumps(
            {"signal": record.signal.tolist(), "fs": record.fs_hz, "lead_names": list(record.leads), "units": "mV"}
        )
    )
    assert main(["measure", str(written)]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert lines["quality"].count("muscle_noise in") == 1
    assert "V1, V2" in lines["quality"]
    assert "Infarction" in lines["not"]


def test_analyze_says_of_untrained_weights_that_they_mean_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--out", str(tmp_path), "--format", "json"]) == 0
    file = tmp_path / "sinus-0000.json"
    assert main(["analyze", "--weights", "stand-in", "--include", "clinical", "--jsonl", str(file)]) == 0
    assert "clinical: UNTRAINED weights" in capsys.readouterr().err
