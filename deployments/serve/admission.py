"""`AdmissionLimit`: a bound on how much is in progress at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from ecg.errors import Overloaded


class AdmissionLimit:
    """At most `limit` entries at a time, any number when that is None; one more is refused with the words `refusal`."""

    def __init__(self, limit: int | None, refusal: str) -> None:
        self._limit = limit
        self._refusal = refusal
        self._in_progress = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """An entry for as long as the body runs. Raises `Overloaded` when the limit is reached."""
        if self._limit is not None and self._in_progress >= self._limit:
            raise Overloaded(self._refusal)
        self._in_progress += 1
        try:
            yield
        finally:
            self._in_progress -= 1
