"""Sending payload files: paced, retried, resumable, and counted."""

import itertools
import math
import os
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecg.cardioai.sender.delivery import Adapter, NotDelivered, Outgoing, Refused
from ecg.cardioai.sender.progress_file import Checkpoint
from ecg.errors import EcgError
from ecg.formats.cardioai_message import Sender, decode_payload, encode_message

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 30.0
_BUCKETS_PER_E = 50  # latency buckets are 2 % wide


@dataclass(frozen=True)
class Plan:
    """How a relay sends.

    Attributes
    ----------
    origin_code, device_code
        Fields of every message.
    threads
        Senders at a time; each has its share of the files and its own origin id.
    messages_per_thread
        None sends every file once. A number makes each thread send that many, going round its share again and again.
    before_s, after_s
        Pauses before the first message and after every message of a thread.
    rate_hz
        Open-loop rate of all threads together: messages start at their time whether or not earlier ones were slow,
        as long as a thread is free. None sends as fast as the answers come.
    patience_s
        How long one message is retried before it counts as failed.
    """

    origin_code: str
    device_code: str
    threads: int = 1
    messages_per_thread: int | None = None
    before_s: float = 0.0
    after_s: float = 0.0
    rate_hz: float | None = None
    patience_s: float = 600.0


@dataclass
class Figures:
    """Counts of a run, updated under `lock`; latency runs from when a message was due to its acknowledgement."""

    started: float = field(default_factory=time.monotonic)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    acknowledged_bytes: int = 0
    latencies: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def quantile_ms(self, share: float) -> float | None:
        """Latency in ms that `share` of the messages kept under, within 2 %; None before the first."""
        below = 0
        for bucket, count in sorted(self.latencies.items()):
            below += count
            if below >= share * self.latencies.total():
                return round(1e3 * math.exp(bucket / _BUCKETS_PER_E), 2)
        return None

    def summary(self) -> dict[str, Any]:
        """The figures as JSON fields."""
        with self.lock:
            seconds = time.monotonic() - self.started
            sent = sum(self.outcomes.values())
            return {
                "acknowledged": sent,
                "outcomes": dict(self.outcomes),
                "failed": sum(self.failures.values()),
                "failures": dict(self.failures),
                "retries": dict(self.retries),
                "bytes": self.acknowledged_bytes,
                "seconds": round(seconds, 3),
                "messages_per_s": round(sent / seconds, 2) if seconds > 0 else None,
                "p50_ms": self.quantile_ms(0.50),
                "p99_ms": self.quantile_ms(0.99),
            }


class Relay:
    """A run over payload files; `figures` can be read while it goes on."""

    def __init__(self, files: list[Path], plan: Plan, adapter: Adapter, checkpoint: Checkpoint) -> None:
        self.figures = Figures()
        self._files = files
        self._plan = plan
        self._adapter = adapter
        self._checkpoint = checkpoint
        self._stop = threading.Event()
        self._fault: Exception | None = None
        self._slots = itertools.count()
        self._first_slot = 0.0
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"relay-{number}", daemon=True)
            for number in range(plan.threads)
        ]

    @property
    def expected(self) -> int:
        """Messages of the whole run, those of an earlier, killed one included."""
        if self._plan.messages_per_thread is None:
            return len(self._files)
        return min(self._plan.threads, len(self._files)) * self._plan.messages_per_thread

    def start(self) -> None:
        """Begin to send."""
        self._first_slot = time.monotonic() + self._plan.before_s
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` for the end of the run; True when it has ended. Raises what ended it early."""
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            return False
        if self._fault is not None:
            raise self._fault
        return True

    def stop(self) -> None:
        """End after the messages that are on their way."""
        self._stop.set()

    def _share(self, number: int) -> Iterator[tuple[int, Path]]:
        """Round and file of each message of one thread."""
        share = self._files[number :: self._plan.threads]
        if self._plan.messages_per_thread is None:
            yield from ((0, path) for path in share)
        elif share:
            for count in range(self._plan.messages_per_thread):
                yield count // len(share), share[count % len(share)]

    def _run(self, number: int) -> None:
        try:
            self._send_share(number)
        except Exception as error:  # noqa: BLE001  (raised again where the run is waited for: no end is a silent one)
            self._fault = error
            self._stop.set()

    def _send_share(self, number: int) -> None:
        origin_id = str(uuid.uuid5(self._checkpoint.run_id, f"origin {number}"))
        sender = Sender(origin_id, self._plan.origin_code, self._plan.device_code)
        self._stop.wait(self._plan.before_s)
        for turn, path in self._share(number):
            try:
                key = message_key(path, turn)
            except OSError:
                self._count_failure("unreadable file")
                continue
            if key in self._checkpoint:
                continue
            due = self._wait_for_slot()
            if self._stop.is_set():
                return
            self._relay(key, path, sender, due)
            self._stop.wait(self._plan.after_s)

    def _wait_for_slot(self) -> float:
        """The time this message is due: now, or its place in the open-loop schedule."""
        if self._plan.rate_hz is None:
            return time.monotonic()
        due = self._first_slot + next(self._slots) / self._plan.rate_hz
        self._stop.wait(max(0.0, due - time.monotonic()))
        return due

    def _relay(self, key: str, path: Path, sender: Sender, due: float) -> None:
        message_id = self._checkpoint.message_id(key)
        try:
            body = encode_message(decode_payload(path.read_bytes()), sender, message_id, time.time_ns())
            outcome = self._deliver(Outgoing(body, message_id, sender.origin_code))
        except Refused as refusal:
            self._count_failure(refusal.reason)
        except NotDelivered as failure:
            self._count_failure(f"gave up: {failure.reason}")
        except EcgError as error:
            self._count_failure(error.code)
        except OSError:
            self._count_failure("unreadable file")
        else:
            if outcome is None:
                return
            self._checkpoint.mark(key)
            with self.figures.lock:
                self.figures.outcomes[outcome] += 1
                self.figures.acknowledged_bytes += len(body)
                waited = max(time.monotonic() - due, 1e-6)
                self.figures.latencies[math.ceil(math.log(waited) * _BUCKETS_PER_E)] += 1

    def _count_failure(self, reason: str) -> None:
        with self.figures.lock:
            self.figures.failures[reason] += 1

    def _deliver(self, outgoing: Outgoing) -> str | None:
        """Send until it is acknowledged, refused or out of patience; None when the relay was stopped in between."""
        give_up_at = time.monotonic() + self._plan.patience_s
        for attempt in itertools.count():
            try:
                return self._adapter.send(outgoing)
            except NotDelivered as failure:
                # Exponential back-off with full jitter, so that many relays do not come back in step; on top of what
                # the receiver asked for.
                longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt, 30))
                pause = failure.after_s + random.uniform(0.0, longest)
                if time.monotonic() + pause > give_up_at:
                    raise
                with self.figures.lock:
                    self.figures.retries[failure.reason] += 1
            if self._stop.wait(pause):
                return None
        raise AssertionError("unreachable")


def message_key(path: Path, turn: int) -> str:
    """What a message is known by in its run: a file that was changed since, or another round of it, is another one."""
    name = os.fsencode(path.name).decode(errors="backslashreplace")
    return f"{name}@{path.stat().st_mtime_ns}#{turn}"
