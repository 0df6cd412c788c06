"""Which work goes first where processors are short."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

#: A processor that something else of the service wants as well is then shared three to one: enough for that to come
#: first, and for a flood of it not to stop the models.
_NICENESS = 5


def give_way() -> None:
    """Let the rest of the service go before the calling thread and the threads it starts from now on.

    For a model's passes: a tenth of a second each, which keep every processor busy. What a request needs besides them
    takes a few milliseconds, and three times as many when it has to take turns with a pass (docs/decisions/0030).
    Linux only: elsewhere threads have no niceness of their own. Where the system forbids it nothing changes.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def forward_thread() -> ThreadPoolExecutor:
    """A thread for a model's passes, one at a time, which gives way."""
    return ThreadPoolExecutor(1, thread_name_prefix="forward", initializer=give_way)
