"""Rate and concurrency of each key, in one process or shared out among several."""

import math
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
    """Token buckets that hold one second of each key's rate, at least one request. Safe for threads.

    Of `replicas` processes each has its part of every limit, so that together they have no more than the whole: where a
    proxy shares out requests evenly, a caller sees one limit. At a rate or concurrency below one for each of them, each
    still has room for one request.
    """

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}
        self._lock = threading.Lock()
        #: Processes that share each limit; may change at any time.
        self.replicas = 1

    @contextmanager
    def place(self, key: Key, now: float | None = None) -> Iterator[None]:
        """Room for one request of the key during the block. Raises `QuotaExceeded` beyond its rate or concurrency.

        `now` is in seconds of a clock that does not go back; the monotonic clock if None.
        """
        now = time.monotonic() if now is None else now
        replicas = max(1, self.replicas)
        rate_hz = None if key.rate_hz is None else key.rate_hz / replicas
        most = None if key.concurrency is None else math.ceil(key.concurrency / replicas)
        burst = max(1.0, rate_hz or 1.0)
        with self._lock:
            use = self._uses.setdefault(key.id, _Use(burst, now))
            if most is not None and use.in_progress >= most:
                raise QuotaExceeded("This key has no room for a further request.", "key", key.concurrency, None, 1.0)
            if rate_hz is not None:
                tokens = min(burst, use.tokens + (now - use.at) * rate_hz)
                if tokens < 1.0:
                    wait_s = (1.0 - tokens) / rate_hz
                    raise QuotaExceeded("This key is over its rate.", "key", f"{key.rate_hz:g}/s", None, wait_s)
                use.tokens, use.at = tokens - 1.0, now
            use.in_progress += 1
        try:
            yield
        finally:
            with self._lock:
                use.in_progress -= 1
