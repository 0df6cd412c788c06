"""A worker: claims recordings, has them analysed, stores the results. Any number may run, on any node."""

import logging
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from ecg.errors import EcgError, ModelNotReady, Overloaded, StoreUnavailable
from ecg.inbox.claims import Claim, claim, fail, finish, load, put_off, release, renew
from ecg.record import EcgRecord

Analyse = Callable[[EcgRecord], bytes]
log = logging.getLogger(__name__)


class Worker:
    """Analyses with `analyse`, which turns a record into a JSON document and refuses with an `EcgError`.

    Any other exception is a fault of ours: the recording waits for `lease_s`, as after a worker's death, and is tried
    `max_attempts` times in all. Then it has failed, with the reason. The worker goes on with the others.
    """

    def __init__(self, engine: Engine, analyse: Analyse, lease_s: float = 60.0, max_attempts: int = 5) -> None:
        self.engine = engine
        self.analyse = analyse
        self.lease_s = lease_s
        self.max_attempts = max_attempts
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    def step(self) -> bool:
        """Do one recording; False when none was ready.

        Raises `StoreUnavailable`, or `Overloaded` and `ModelNotReady` of the analysis, after which the recording is
        ready again.
        """
        claimed = claim(self.engine, self.lease_s, self.max_attempts)
        if claimed is None:
            return False
        with self._renewing(claimed):
            try:
                result = self.analyse(load(self.engine, claimed))
            except StoreUnavailable:
                raise
            except (Overloaded, ModelNotReady):
                release(self.engine, claimed)
                raise
            except EcgError as error:
                fail(self.engine, claimed, f"{error.code}: {error.message}")
                return True
            except Exception as error:
                log.exception("attempt %d at %s ended in a fault of ours", claimed.attempt, claimed.sequence_id)
                reason = f"internal_error: {type(error).__name__} in {claimed.attempt} attempts."
                if claimed.attempt >= self.max_attempts:
                    fail(self.engine, claimed, reason)
                else:
                    put_off(self.engine, claimed, reason, self.lease_s)
                return True
        if not finish(self.engine, claimed, result, self.name):
            log.warning("the lease of %s was lost before its result was stored", claimed.sequence_id)
        return True

    def run(self, stop: threading.Event, idle_s: float = 0.25) -> None:
        """Work until `stop` is set, waiting out a store or an analysis that has no room now."""
        while not stop.is_set():
            try:
                worked = self.step()
            except (Overloaded, ModelNotReady) as error:
                log.warning("%s", error)
                stop.wait((error.retry_after_s if isinstance(error, Overloaded) else None) or 1.0)
                continue
            if not worked:
                stop.wait(idle_s * random.uniform(0.5, 1.5))

    @contextmanager
    def _renewing(self, claimed: Claim) -> Iterator[None]:
        done = threading.Event()

        def keep_lease() -> None:
            while not done.wait(self.lease_s / 3):
                try:
                    if not renew(self.engine, claimed, self.lease_s):
                        return
                except StoreUnavailable:
                    continue

        thread = threading.Thread(target=keep_lease, name="inbox-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
