"""Writing so that no reader ever sees half of a file."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or folder to; it takes the place of `path` when the block ends well.

    Otherwise it vanishes; after a kill it stays, for `remove_drafts`. Its name is this process's own and begins with a
    dot, so that readers of a folder of files pass over it.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield draft
        if path.is_dir():
            _remove(path)
        draft.replace(path)
    finally:
        _remove(draft)


def remove_drafts(path: Path) -> None:
    """Remove what killed processes left beside `path`; only for who holds a lock on it."""
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        _remove(draft)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
