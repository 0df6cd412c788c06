"""A worker: claims recordings, has them analysed, stores the results. Any number may run, on any node."""

import logging
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from ecg.errors import AnalysisLost, EcgError, ModelNotReady, Overloaded, StoreUnavailable
from ecg.record import EcgRecord
from ecg.store.claims import Claim, claim, fail, finish, put_off, renew

Analyse = Callable[[EcgRecord], bytes]
Load = Callable[[Engine, str], EcgRecord]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long the inbox waits for whom.

    Attributes
    ----------
    lease_s
        How long a recording stays with a worker that gives no sign of life.
    analysis_s
        An analysis that takes longer is given up.
    max_attempts
        A recording fails after so many attempts that ended in a fault, without an answer or with the worker's death.
    max_refusals
        A recording fails after so many attempts for which the analysis had no room.
    incomplete_after_s
        How long an unfinished recording waits for its next part.
    """

    lease_s: float = 60.0
    analysis_s: float = 120.0
    max_attempts: int = 5
    max_refusals: int = 5_000  # three and a half days at one a minute
    incomplete_after_s: float = 900.0


DEFAULT_PATIENCE = Patience()


class Worker:
    """Analyses recordings with `analyse`, which turns a record into a JSON document and refuses with an `EcgError`.

    `load` gives the record that is kept under an id, or raises an `EcgError`.

    `AnalysisLost` and every exception that is no `EcgError` are taken for faults: the attempt counts, and the recording
    waits for a lease. `Overloaded` and `ModelNotReady` are counted apart.
    """

    def __init__(
        self,
        engine: Engine,
        load: Load,
        analyse: Analyse,
        patience: Patience = DEFAULT_PATIENCE,
    ) -> None:
        self.engine = engine
        self.load = load
        self.analyse = analyse
        self.patience = patience
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    def step(self) -> bool:
        """Do one recording; False when none was ready.

        Raises `StoreUnavailable`, or `Overloaded` and `ModelNotReady` of the analysis, after which the recording waits
        for its next attempt.
        """
        claimed = claim(self.engine, self.patience.lease_s, self.patience.max_attempts)
        if claimed is None:
            return False
        with self._renewing(claimed):
            try:
                result = self.analyse(self.load(self.engine, claimed.recording))
            except StoreUnavailable:
                raise
            except AnalysisLost as error:
                log.warning("attempt %d at %s: %s", claimed.attempt, claimed.recording, error)
                self._try_later(claimed, f"analysis_lost: {error.message}")
                return True
            except (Overloaded, ModelNotReady) as error:
                self._refused(claimed, f"{error.code}: {error.message}")
                raise
            except EcgError as error:
                fail(self.engine, claimed, f"{error.code}: {error.message}")
                return True
            except Exception as error:
                log.exception("attempt %d at %s failed", claimed.attempt, claimed.recording)
                self._try_later(claimed, f"internal_error: {type(error).__name__} in {claimed.attempt} attempts.")
                return True
        if not finish(self.engine, claimed, result, self.name):
            log.warning("the lease of %s was lost before its result was stored", claimed.recording)
        return True

    def _try_later(self, claimed: Claim, reason: str) -> None:
        if claimed.attempt >= self.patience.max_attempts:
            fail(self.engine, claimed, reason)
        else:
            put_off(self.engine, claimed, reason, self.patience.lease_s)

    def _refused(self, claimed: Claim, reason: str) -> None:
        """Back off exponentially, so that a recording that is always refused does not keep the others waiting."""
        if claimed.refusals + 1 >= self.patience.max_refusals:
            fail(self.engine, claimed, f"{reason} ({self.patience.max_refusals} times)")
        else:
            put_off(
                self.engine, claimed, reason, min(self.patience.lease_s, 2.0 ** min(claimed.refusals, 10)), refused=True
            )

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
            while not done.wait(self.patience.lease_s / 3):
                try:
                    if not renew(self.engine, claimed, self.patience.lease_s):
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
