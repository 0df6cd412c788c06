"""Where a machine keeps its store when nothing else is said: the service and `ecg inbox` look in the same place."""

import os
from pathlib import Path

FOLDER_VARIABLE = "ECG_DATA_DIR"


def default_file() -> Path:
    """The SQLite file in ``ECG_DATA_DIR``, or else in the user's folder for the data of programs; it may not exist."""
    folder = os.environ.get(FOLDER_VARIABLE) or "~/.local/share/ecg-serve"
    return Path(folder).expanduser().absolute() / "inbox.sqlite"


def default_url() -> str:
    """Its SQLAlchemy URL."""
    return f"sqlite:///{default_file()}"
