"""The receiver: from a message's bytes to a receipt that means "on disk"."""

import hashlib
import math
import queue
import threading
from concurrent.futures import Future
from typing import Self

import zstandard
from sqlalchemy.exc import IntegrityError

from ecg.cardioai.intake import keep
from ecg.cardioai.receipts import Fault, Incoming, Limits, Part, Receipt
from ecg.errors import EcgError, MalformedInput, QuotaExceeded, StoreUnavailable
from ecg.formats.cardioai_message import ORIGIN_CODES, Envelope, decode_envelope, open_payload
from ecg.formats.cardioai_rows import content_hash, parse_rows
from ecg.store.database import Connection, Engine, writing

MAX_BATCH = 64
_ATTEMPTS = 4  # of one message against races with other nodes; whoever loses one meets a committed winner
_Waiting = tuple[Incoming, "Future[Receipt]"]


def decode(body: bytes, route: str, fs_hz: float | None, limits: Limits, origin: str | None = None) -> Incoming:
    """A message checked on its own, without looking at the store; of `origin`, whatever it says, if that is not None.

    Raises `InputTooLarge` or `MalformedInput` when it cannot even be kept. Whatever else is wrong becomes its fault:
    such a message is kept in quarantine.
    """
    if fs_hz is not None and not (math.isfinite(fs_hz) and fs_hz > 0):
        raise MalformedInput("fs is not a positive number of Hz.", "fs", "> 0", str(fs_hz))
    envelope = decode_envelope(body, limits.max_message_bytes)
    part, fault = _open_part(envelope)
    if part is None:
        digest = hashlib.sha256(body).hexdigest()
    else:
        digest = content_hash(part.payload.headers, part.payload.data)
        part.payload.data.clear()  # the rows live on in the compressed body; a full queue must not hold them twice
    return Incoming(
        message_id=envelope.message_id,
        origin_id=origin or envelope.origin_id or "unknown",
        origin_code=envelope.origin_code if envelope.origin_code in ORIGIN_CODES else None,
        device_code=envelope.device_code,
        route=route,
        fs_hz=fs_hz,
        content_hash=digest,
        size=len(body),
        body=zstandard.compress(body, level=1),
        part=part,
        fault=fault,
        origin_is_proven=origin is not None,
    )


def _open_part(envelope: Envelope) -> tuple[Part | None, Fault | None]:
    try:
        payload = open_payload(envelope)
        rows = parse_rows(payload.headers, payload.data)
    except EcgError as error:
        return None, Fault(error.code, f"{error.message} ({error.field})")
    return Part(payload, rows.first, rows.last), None


class Receiver:
    """Accepts messages from many threads and commits them in groups: one sync to disk serves all that wait for it."""

    def __init__(self, engine: Engine, limits: Limits | None = None) -> None:
        self.engine = engine
        self.limits = limits or Limits()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="inbox-writer", daemon=True)
        self._closing = threading.Lock()
        self._closed = False
        self._writer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def accept(
        self, body: bytes, route: str = "http", fs_hz: float | None = None, origin: str | None = None
    ) -> Receipt:
        """Keep one message, of `origin` if that is not None; returns once it is durably committed.

        Raises `InputTooLarge` and `MalformedInput` for what can never be kept, `QuotaExceeded` and `StoreUnavailable`
        for what may be sent again later.
        """
        incoming = decode(body, route, fs_hz, self.limits, origin)
        del body
        future: Future[Receipt] = Future()
        with self._closing:
            if self._closed:
                raise StoreUnavailable("The inbox is shutting down.", retry_after_s=5.0)
            self._queue.put((incoming, future))
        return future.result()

    def close(self) -> None:
        """Commit what is queued, then stop; messages that come later are refused."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._writer.join()

    def _write(self) -> None:
        closing = False
        while not closing:
            taken = [self._queue.get()]
            while len(taken) < MAX_BATCH and not self._queue.empty():  # nobody else takes from it
                taken.append(self._queue.get())
            closing = taken[-1] is None
            batch = [waiting for waiting in taken if waiting is not None]
            # One order on every node, so that two nodes' transactions cannot wait for each other in a circle.
            batch.sort(key=lambda waiting: waiting[0].part.payload.sequence_id if waiting[0].part else "")
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            with writing(self.engine) as connection:
                answers = [self._keep(connection, incoming) for incoming, _ in batch]
        except StoreUnavailable as error:
            for _, future in batch:
                future.set_exception(error)
        except Exception:  # noqa: BLE001  (one message's error undid them all; below it reaches that one's sender)
            for waiting in batch:
                self._commit_alone(*waiting)
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                _settle(future, answer)

    def _keep(self, connection: Connection, incoming: Incoming) -> Receipt | QuotaExceeded:
        try:
            return keep(connection, incoming, self.limits)
        except QuotaExceeded as refusal:  # raised before anything was written: the batch goes on without this one
            return refusal

    def _commit_alone(self, incoming: Incoming, future: "Future[Receipt]") -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with writing(self.engine) as connection:
                    answer = self._keep(connection, incoming)
            except Exception as error:  # noqa: BLE001  (raised again in the sender's thread)
                if attempt == _ATTEMPTS or not isinstance(error, IntegrityError):  # which a lost race raises
                    future.set_exception(error)
                    return
            else:
                _settle(future, answer)
                return


def _settle(future: "Future[Receipt]", answer: Receipt | QuotaExceeded) -> None:
    if isinstance(answer, Receipt):
        future.set_result(answer)
    else:
        future.set_exception(answer)
