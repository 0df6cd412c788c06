"""What becomes of the processes under a launcher that is stopped or killed. Small processes stand for Ray's."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to another process")

#: Starts one process that left for a session of its own, and one whose parent has ended, as Ray and HAProxy have them.
COMMAND = """
    import os, subprocess, sys, time
    sleep = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"]
    quiet = {"start_new_session": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen(sleep, **quiet)
    middle = f"import subprocess; print(subprocess.Popen({sleep!r}, **{quiet!r}).pid)"
    orphan = subprocess.run([sys.executable, "-c", middle], stdout=subprocess.PIPE, text=True).stdout.strip()
    with open(sys.argv[1] + ".part", "w") as file:
        file.write(f"{os.getpid()} {child.pid} {orphan}")
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    time.sleep(600)
"""
LAUNCHER = """
    import os, subprocess, sys
    keeper = [sys.executable, "-m", "serve_app.keeper", str(os.getpid()), sys.argv[1]]
    raise SystemExit(subprocess.Popen([*keeper, *sys.argv[2:]], start_new_session=True).wait())
"""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Launched:
    """A launcher with a keeper under it, and the processes that the keeper's command started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "of-the-launcher"
        self.folder.mkdir()
        told = folder / "pids"
        command = [sys.executable, "-c", textwrap.dedent(COMMAND), str(told)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(LAUNCHER), str(self.folder), *command],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        until(told.exists)
        (self.keeper,) = psutil.Process(self.process.pid).children()
        self.started = [psutil.Process(int(pid)) for pid in told.read_text().split()]

    def all_gone(self) -> None:
        for process in [self.keeper, *self.started]:
            until(lambda process=process: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Launched]:
    launched = Launched(tmp_path)
    try:
        yield launched
    finally:
        for process in [*launched.started, launched.keeper]:
            if process.is_running():
                process.kill()
        launched.process.kill()
        launched.process.wait()


def test_nothing_outlives_a_launcher_that_is_killed(launched: Launched) -> None:
    assert len(launched.started) == 3
    launched.process.send_signal(signal.SIGKILL)
    launched.all_gone()
    until(lambda: not launched.folder.exists())


def test_nothing_outlives_a_stop(launched: Launched) -> None:
    launched.keeper.send_signal(signal.SIGINT)
    assert launched.process.wait(60) == 0
    launched.all_gone()
    assert launched.folder.exists()  # the launcher still reads what was logged there


def test_nothing_outlives_a_command_that_fails(launched: Launched) -> None:
    launched.started[0].kill()
    assert launched.process.wait(60) != 0
    launched.all_gone()


def test_hanging_up_the_terminal_is_the_launchers_business(launched: Launched) -> None:
    launched.keeper.send_signal(signal.SIGHUP)
    time.sleep(0.2)  # it would have ended by then; if it ends later the next lines say so
    assert launched.keeper.is_running()
    launched.keeper.send_signal(signal.SIGTERM)
    launched.all_gone()


#: As the launcher with `--open`: a browser that starts one of its own and one process of the service, then the stop.
OPENS = """
    import subprocess, sys, time
    from serve_app.keeper import adopt_orphans, kill_descendants, start_apart
    adopt_orphans()
    middle = "import os, subprocess, sys; print(subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL).pid)"
    told = f"import os; print(os.getpid(), flush=True); {middle}; os.execvp('sleep', ['sleep', '600'])"
    start_apart(["sh", "-c", 'exec "$0" -c "$1" > "$2"', sys.executable, told, sys.argv[1]])
    orphan = int(subprocess.run([sys.executable, "-c", middle], stdout=subprocess.PIPE, text=True).stdout)
    while len(open(sys.argv[1]).read().split()) < 2:
        time.sleep(0.01)
    print(orphan, flush=True)
    kill_descendants()
"""


def test_a_browser_that_was_opened_stays_when_the_service_stops(tmp_path: Path) -> None:
    """It was killed with Ray's processes, and with it every page that its user had open."""
    told = tmp_path / "browser"
    told.touch()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OPENS), str(told)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    browser = [psutil.Process(int(pid)) for pid in told.read_text().split()]
    try:
        assert len(browser) == 2
        assert [process.status() == psutil.STATUS_ZOMBIE for process in browser] == [False, False]
        assert not psutil.pid_exists(int(done.stdout))
    finally:
        for process in browser:
            process.kill()
