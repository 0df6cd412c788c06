"""What Ray's workers print, line by line and with its source, where Ray's log monitor is left out."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from serve_app.log_stream import MOST_BYTES
from serve_app.worker_output import WorkerOutput, worker_output_repeated

PRELUDE = ":job_id:01000000\n:actor_name:ServeReplica:ecg:Ingress\n"
LIMIT_S = 30


@pytest.fixture
def worker() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is there until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def flat(parts: Iterator[list[str]]) -> list[str]:
    return [line for lines in parts for line in lines]


def test_each_line_comes_once_with_whose_it_is(tmp_path: Path, worker: "subprocess.Popen[bytes]") -> None:
    output = WorkerOutput(tmp_path / "logs")
    assert flat(output.new_lines()) == []  # Ray has not made the folder yet
    (tmp_path / "logs").mkdir()
    errors = tmp_path / "logs" / f"worker-ab-01-{worker.pid}.err"
    printed = tmp_path / "logs" / f"worker-cd-ff-{worker.pid}.out"
    errors.write_text(PRELUDE + "Fatal Python error: Segmentation fault\n\n")
    printed.write_text("no name yet\n:task_name:build_serve_application\n10 %\r100 %\r\nhalf")
    (tmp_path / "logs" / "raylet.err").write_text(":info_message:Spilled\n")
    (tmp_path / "logs" / "raylet.out").write_text("of no interest\n")
    assert sorted(flat(output.new_lines())) == [
        f"(Ingress pid={worker.pid}) Fatal Python error: Segmentation fault",
        f"(build_serve_application pid={worker.pid}) 100 %",
        "(raylet) Spilled",
        f"(worker pid={worker.pid}) no name yet",
    ]
    with printed.open("ab") as file:
        file.write(b" a line\n\xff\n")
    assert flat(output.new_lines()) == [
        f"(build_serve_application pid={worker.pid}) half a line",
        f"(build_serve_application pid={worker.pid}) \N{REPLACEMENT CHARACTER}",
    ]
    assert flat(output.new_lines()) == []
    output.close()


def test_the_files_of_a_worker_that_is_gone_are_let_go_of(tmp_path: Path, worker: "subprocess.Popen[bytes]") -> None:
    """With what it said last, whole line or not."""
    path = tmp_path / f"worker-ab-01-{worker.pid}.err"
    path.write_text(PRELUDE + "fatal: no")
    output = WorkerOutput(tmp_path)
    assert flat(output.new_lines()) == []
    worker.kill()
    worker.communicate()
    assert flat(output.new_lines()) == [f"(Ingress pid={worker.pid}) fatal: no"]
    assert str(path) not in [file.path for file in psutil.Process().open_files()]
    assert flat(output.new_lines()) == []


def test_lines_are_printed_as_they_come_and_the_last_ones_at_the_end(
    tmp_path: Path, worker: "subprocess.Popen[bytes]", capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"worker-ab-01-{worker.pid}.err"
    path.write_text(PRELUDE + "first\n")
    with worker_output_repeated(tmp_path):
        deadline, said = time.monotonic() + LIMIT_S, ""
        while not said:
            assert time.monotonic() < deadline
            said = capsys.readouterr().err
        assert said == f"(Ingress pid={worker.pid}) first\n"
        with path.open("a") as file:
            file.write("x" * (3 * MOST_BYTES) + "\nwhy it ended")  # more than one look takes
    *_, last = capsys.readouterr().err.splitlines()
    assert last == f"(Ingress pid={worker.pid}) why it ended"
