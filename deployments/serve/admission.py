"""`Room`: a bound on how much is in progress at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from ecg.errors import Overloaded


class Room:
    """Places for `most` at a time, for any number when that is None; who finds none is refused with `refusal`."""

    def __init__(self, most: int | None, refusal: str) -> None:
        self._most = most
        self._refusal = refusal
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for as long as the body runs; raises `Overloaded` when all are taken."""
        if self._most is not None and self._taken >= self._most:
            raise Overloaded(self._refusal)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
