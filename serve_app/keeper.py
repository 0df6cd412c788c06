"""`python -m serve_app.keeper PARENT FOLDER COMMAND…`: runs a command and leaves nothing of it behind.

Ray starts some fifteen processes, and HAProxy besides; killed the wrong way round, some of them stay and hold their
ports. The launcher (process PARENT) starts them through this process, which Linux makes the parent of every orphan
under it. When the launcher is killed, by SIGKILL too, this process gets SIGTERM: it stops the command in good order,
kills what is left, and removes FOLDER. Elsewhere than on Linux it only passes the stop on.
"""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

#: How long the command has for stopping in good order.
STOP_S = 45.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 1, 36, 37
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class _Stop(Exception):
    """The launcher wants the end, or has gone."""


def main() -> int:
    """Exit status of the command; 0 when it was stopped."""
    parent, folder, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    adopt_orphans()
    process = None
    try:
        die_with_parent(signal.SIGTERM, parent)
        process = subprocess.Popen(command, preexec_fn=partial(_as_child, os.getpid()))  # noqa: S603, PLW1509  no thread is running here
        return process.wait()
    except _Stop:
        for number in _SIGNALS:  # a second one does not make it quicker, only untidy
            signal.signal(number, signal.SIG_IGN)
        if process is not None:
            stop(process)
        return 0
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        kill_descendants()
        if os.getppid() != parent:  # nobody else removes it any more
            shutil.rmtree(folder, ignore_errors=True)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """As Ctrl-C does; with force when that is not heard."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)


def adopt_orphans(adopt: bool = True) -> None:
    """Make this process the parent of every process under it whose own parent ends, or let others be that again."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)


def adopts_orphans() -> bool:
    """Whether `adopt_orphans` is in force."""
    found = ctypes.c_int(0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(found), 0, 0, 0)
    return bool(found.value)


def start_apart(command: Sequence[str]) -> None:
    """Start a program that is none of this process's descendants, so that `kill_descendants` spares it.

    A shell starts it and ends, and meanwhile this process adopts no orphans. Nothing is heard of the program, not even
    whether it could be started.
    """
    before = adopts_orphans()
    adopt_orphans(False)
    try:
        subprocess.run(  # noqa: S603  what the caller says, and no text for the shell
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            start_new_session=True,
        )
    finally:
        adopt_orphans(before)


def die_with_parent(number: signal.Signals, parent: int) -> None:
    """Have `number` sent to this process when its parent ends; at once when that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def forbid_core_dumps() -> None:
    """Have neither this process nor one under it leave its memory, which holds recordings, in a file when it fails.

    A limit of 0 would do for files. One of 1 byte keeps Linux from piping the memory to a program, too
    (`do_coredump` in its fs/coredump.c), as distributions set it.
    """
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:  # that could not be raised, and was somebody's choice
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def kill_descendants(patience_s: float = 10.0) -> None:
    """Kill every process under this one, and wait until they are gone."""
    deadline = time.monotonic() + patience_s
    while (under := descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in under:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap()
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    """The processes under one, those that have ended but are not waited for included; Linux only, else none."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            parent = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found, ahead = [], [pid]
    while ahead:
        under = children.get(ahead.pop(), [])
        found += under
        ahead += under
    return found


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _as_child(keeper: int) -> None:
    """In the child, before the command: signals as by default, no core dumps, and an end with this process."""
    forbid_core_dumps()
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    die_with_parent(signal.SIGKILL, keeper)


def _stop(_: int, __: FrameType | None) -> None:
    raise _Stop


if __name__ == "__main__":
    raise SystemExit(main())
