"""The log of one run: a file that stays, readable by its owner, and what the cluster's process says in it."""

import os
import time
from contextlib import suppress
from pathlib import Path

#: So many runs are kept.
KEPT = 10
#: How a line begins that says how far the start is, and one that says why it failed. `serve_app.cluster` writes them.
STEP, FAILED = "ecg-serve: ", "ecg-serve failed: "
#: Exit status of `serve_app.cluster` for a configuration that it does not run.
REFUSED = 2


def folder() -> Path:
    """Where logs are: ``ECG_LOG_DIR``, or else the user's folder for the state of programs."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(os.environ.get("ECG_LOG_DIR") or Path(state) / "ecg-serve").expanduser().absolute()


def new(place: Path) -> Path:
    """An empty file for this run in a folder that is made if need be; the oldest ones beyond `KEPT` are removed.

    Raises `OSError` when the folder cannot be written.
    """
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place / f"serve-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    for old in sorted(place.glob("serve-*.log"))[:-KEPT]:
        with suppress(OSError):
            old.unlink()
    return path


class Reader:
    """What is written to the log, from byte `start` on; the last step and the failure that it names."""

    def __init__(self, path: Path, start: int = 0) -> None:
        self._file = path.open("rb")
        self._file.seek(start)
        self._rest = b""
        self.step: str | None = None
        self.failure: str | None = None

    def new_lines(self) -> list[str]:
        """The whole lines that were written since the last call."""
        whole, newline, self._rest = (self._rest + self._file.read()).rpartition(b"\n")
        lines = (whole + newline).decode(errors="replace").splitlines()
        for line in lines:
            if line.startswith(STEP):
                self.step = line.removeprefix(STEP)
            elif line.startswith(FAILED):
                self.failure = line.removeprefix(FAILED)
        return lines

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
