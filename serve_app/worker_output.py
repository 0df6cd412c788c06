"""What Ray's workers print, in the driver's own log: a thread instead of Ray's log monitor, a process of 60 MB."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from serve_app.log_stream import EVERY_S, Stream

#: A worker's own output, and what the two programs say that Ray itself runs on a node.
FILES = ("worker-*.out", "worker-*.err", "raylet.err", "gcs_server.err")
#: Lines by which a worker tells whose output follows; the job is the same for all.
_ACTOR, _TASK, _JOB = ":actor_name:", ":task_name:", ":job_id:"


class WorkerOutput:
    """The new lines of a session's folder of logs, each with the actor or task and the process before it."""

    def __init__(self, folder: Path) -> None:
        self._stream = Stream(folder, FILES)
        self._names: dict[Path, str] = {}

    def new_lines(self) -> list[str]:
        """What was written since the last call, file by file, without empty lines."""
        lines = []
        for path, written in self._stream.new_lines_by_file():
            for line in written.decode(errors="replace").splitlines():
                if line.startswith((_ACTOR, _TASK)):
                    self._names[path] = line.rpartition(":")[2]
                elif line and not line.startswith(_JOB):
                    lines.append(f"({self._source(path)}) {line}")
        return lines

    def close(self) -> None:
        """Let go of all files."""
        self._stream.close()

    def _source(self, path: Path) -> str:
        if not path.name.startswith("worker-"):
            return path.stem
        pid = path.stem.rpartition("-")[2]
        return f"{self._names.get(path, 'worker')} pid={pid}"


def repeat_worker_output(folder: Path) -> Callable[[], None]:
    """Begin to print it, in a thread; returns what prints the rest and ends the thread."""
    output, ended = WorkerOutput(folder), threading.Event()

    def say() -> None:
        if lines := output.new_lines():
            print("\n".join(lines), file=sys.stderr, flush=True)

    def repeat() -> None:
        while not ended.wait(EVERY_S):
            say()

    thread = threading.Thread(target=repeat, name="worker output", daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join()
        say()
        output.close()

    return end
