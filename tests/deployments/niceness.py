"""What the system says of the niceness of threads."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest


def of_this_thread() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def of_process(pid: int) -> dict[int, int]:
    """Niceness by thread id; the main thread's id is `pid`."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with suppress(ProcessLookupError):  # a thread of an earlier test that ends just now
            found[int(task)] = os.getpriority(os.PRIO_PROCESS, int(task))
    return found


@contextmanager
def new_threads() -> Iterator[list[int]]:
    """Gives the list in which the niceness of the threads begun meanwhile will stand."""
    before, found = of_process(os.getpid()), []
    yield found
    found += [nice for thread, nice in of_process(os.getpid()).items() if thread not in before]


needs_niceness = pytest.mark.skipif(
    sys.platform != "linux" or of_this_thread() >= 5, reason="threads have a niceness of their own on Linux only"
)
