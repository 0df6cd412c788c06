"""What the system says of the niceness of threads."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def of_this_thread() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def of_process(pid: int) -> dict[int, int]:
    """Niceness by thread id; the main thread's id is `pid`."""
    return {int(task.name): os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in _tasks(pid)}


def _tasks(pid: int) -> Iterator[Path]:
    return Path(f"/proc/{pid}/task").iterdir()


@contextmanager
def new_threads() -> Iterator[list[int]]:
    """Gives the list in which the niceness of the threads begun meanwhile will stand."""
    before, found = of_process(os.getpid()), []
    yield found
    found += [nice for thread, nice in of_process(os.getpid()).items() if thread not in before]
