"""Rate and concurrency of each key, within one process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ecg.access.keys import Key
from ecg.errors import QuotaExceeded


@dataclass
class _Use:
    tokens: float
    at: float
    in_progress: int = 0


class Limiter:
    """Token buckets that hold one second of each key's rate, at least one request. Safe for threads."""

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}
        self._lock = threading.Lock()

    @contextmanager
    def place(self, key: Key, now: float | None = None) -> Iterator[None]:
        """Room for one request of the key during the block. Raises `QuotaExceeded` beyond its rate or concurrency.

        `now` is in seconds of a clock that does not go back; the monotonic clock if None.
        """
        now = time.monotonic() if now is None else now
        burst = max(1.0, key.rate_hz or 1.0)
        with self._lock:
            use = self._uses.setdefault(key.id, _Use(burst, now))
            if key.concurrency is not None and use.in_progress >= key.concurrency:
                raise QuotaExceeded("This key has no room for a further request.", "key", key.concurrency, None, 1.0)
            if key.rate_hz is not None:
                tokens = min(burst, use.tokens + (now - use.at) * key.rate_hz)
                if tokens < 1.0:
                    wait_s = (1.0 - tokens) / key.rate_hz
                    raise QuotaExceeded("This key is over its rate.", "key", f"{key.rate_hz:g}/s", None, wait_s)
                use.tokens, use.at = tokens - 1.0, now
            use.in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                use.in_progress -= 1
