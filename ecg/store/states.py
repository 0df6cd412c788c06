"""The states of a recording. Apart from the tables, which bring SQLAlchemy into every process that names a state."""

from enum import StrEnum


class State(StrEnum):
    """Where a recording stands.

    ``open``: parts are missing. ``incomplete``: parts are missing and none came for long; a late part reopens it.
    ``waiting_fs``: whole, but its sampling rate is not known. ``ready``, ``running``: for the workers. ``done``: has
    its result. ``failed``: no valid analysis exists.
    """

    OPEN = "open"
    INCOMPLETE = "incomplete"
    WAITING_FS = "waiting_fs"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
