"""Where derived files are kept, and how they are written so that no reader ever sees half of one."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
        yield
    finally:
        lock.release()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or folder to; it takes the place of `path` when the block succeeds.

    The caller holds the lock of `path`, so what a killed process left under the temporary name is nobody's.
    """
    partial = path.with_name(path.name + ".partial")
    _remove(partial)
    try:
        yield partial
        if path.is_dir():
            _remove(path)
        partial.replace(path)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
