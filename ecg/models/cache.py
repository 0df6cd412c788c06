"""Where derived files are kept, and who may make one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecg.atomic_write import remove_drafts
from ecg.errors import ModelError


def cache_directory() -> Path:
    """`ECG_CACHE_DIR`, or `ecg-serve` in the platform's cache folder (`~/.cache` on Linux). It may not exist yet."""
    if chosen := os.environ.get("ECG_CACHE_DIR"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ecg-serve"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ecg-serve"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ecg-serve"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the cache entry `path` (its folder is made), so that one process makes it and others wait.

    Raises `ModelError` when the cache cannot be written.
    """
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{path}.lock")
        lock.acquire()
    except OSError as error:
        raise ModelError(
            f"The cache cannot be written ({error.strerror}); set ECG_CACHE_DIR to a folder that can.", "ECG_CACHE_DIR"
        ) from error
    try:
        remove_drafts(path)
        yield
    finally:
        lock.release()
