"""Which work goes first where processors are short."""

import os
import sys
import threading

#: What Ray gives all its workers unless it is told otherwise.
_NICENESS = 15


def go_last() -> None:
    """Let everything else on this machine go before the calling thread and the threads it starts from now on.

    For a model's passes: a tenth of a second each, which keep every processor busy. What a request needs besides them
    takes a few milliseconds, and three times as many when it has to take turns with a pass (docs/decisions/0030).
    Linux only: elsewhere threads have no niceness of their own.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
