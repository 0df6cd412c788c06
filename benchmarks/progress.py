"""Say on the terminal how far a long run is."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
EVERY_S = 5.0


def shown(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """The same items; every five seconds a line on standard error says how many are done."""
    told = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - told >= EVERY_S:
            told = time.monotonic()
            of = "" if total is None else f" of {total}"
            print(f"  {title}: {done}{of}", file=sys.stderr, flush=True)
        yield item
