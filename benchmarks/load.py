"""Load on an HTTP service: closed loop (so many clients, each waiting for its answer) and open loop (so many a second).

Runs in one event loop on the machine of the service: what it costs is the same for every design compared.
"""

import asyncio
import io
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
import orjson

from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate

KINDS = ("npy", "int16", "json")
_WARM_ANSWERS, _WARM_LIMIT_S = 2, 120.0
_PAUSE_S = 0.1  # of a client that was refused, or reached nobody


@dataclass(frozen=True)
class Payload:
    """A request body and what goes with it."""

    content: bytes
    headers: dict[str, str]
    params: dict[str, str]


@dataclass
class Outcome:
    """What came back: latencies of the answers with 200 in seconds, and how many answers of each status.

    `no_advice` counts refusals (429, 503) without Retry-After; `failed` requests got no answer at all, and count as
    errors as other statuses do. `seconds` is what the rate is taken over, `recovery_s` what `open_loop` says of it.
    """

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    no_advice: int = 0
    failed: int = 0
    ended_at: list[float] = field(default_factory=list)
    recovery_s: float | None = None

    def add(self, other: "Outcome") -> None:
        """Count what another one holds as well; the time stays."""
        self.latencies_s += other.latencies_s
        self.statuses += other.statuses
        self.no_advice += other.no_advice
        self.failed += other.failed
        self.ended_at += other.ended_at

    @property
    def per_s(self) -> float:
        """Answers with 200 a second."""
        return len(self.latencies_s) / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """Rates and percentiles, JSON-ready."""
        p50, p95, p99 = np.percentile(self.latencies_s or [np.nan], (50, 95, 99)) * 1000
        return {
            "recordings_per_s": round(self.per_s, 2),
            "p50_ms": round(p50, 1),
            "p95_ms": round(p95, 1),
            "p99_ms": round(p99, 1),
            "ok": len(self.latencies_s),
            "refused": self.statuses[429] + self.statuses[503],
            "refused_without_advice": self.no_advice,
            "errors": self.failed + sum(n for status, n in self.statuses.items() if status not in (200, 429, 503)),
            "unanswered": self.failed,
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
        }


def recording(seconds: float = 10.0) -> EcgRecord:
    """The recording every benchmark sends: 12 leads, 500 Hz."""
    return simulate(Scenario(duration_s=seconds, fs_hz=500)).record


def payload(kind: str, record: EcgRecord, include: str | None = None) -> Payload:
    """`record` as a body of one of `KINDS`."""
    params = {"fs": f"{record.fs_hz:g}", "leads": ",".join(record.leads), "units": "mV"}
    more = {} if include is None else {"include": include}
    if kind == "json":
        rows = [[round(float(x), 4) for x in row] for row in record.signal]
        body = {
            "signal": rows,
            "fs": record.fs_hz,
            "lead_names": list(record.leads),
            "units": "mV",
            "recording_duration": record.duration_s,
        }
        return Payload(orjson.dumps(body), {"Content-Type": "application/json"}, more)
    if kind == "int16":
        counts = (record.signal * 1000).astype("<i2").tobytes()
        return Payload(counts, {"Content-Type": "application/x-ecg-int16"}, params | more | {"scale": "0.001"})
    stream = io.BytesIO()
    np.save(stream, record.signal)
    return Payload(stream.getvalue(), {"Content-Type": "application/x-npy"}, params | more)


def closed_loop(url: str, sent: Payload, clients: int, seconds: float, warm_s: float = 3.0) -> Outcome:
    """`clients` clients that send again as soon as they are answered, until the window is over.

    What counts are the answers that arrive in `seconds`, whenever they were asked for. The window opens after `warm_s`,
    and not before every client has had two answers with 200, or two minutes are over: those who begin all at once wait
    for each other's beginning. Without warming it opens at once.

    Answers come by the batch, and a window holds one more of them or less. The rate is therefore that of clients who
    never rest: as many as there are, over what one answer took them in the mean.
    """

    async def drive(ask: Callable[[Outcome], Awaitable[None]]) -> Outcome:
        outcome = Outcome(seconds)
        warm_at = time.perf_counter() + warm_s
        begin = warm_at if warm_s == 0 else warm_at + _WARM_LIMIT_S
        cold, asked_s = clients, 0.0

        async def client() -> None:
            nonlocal begin, cold, asked_s
            answers = 0
            while (start := time.perf_counter()) < begin + seconds:
                answered = Outcome()
                await ask(answered)
                now = time.perf_counter()
                if begin <= now < begin + seconds:
                    outcome.add(answered)
                    asked_s += now - start
                if answered.statuses[200]:
                    answers += 1
                    cold -= answers == _WARM_ANSWERS
                if not cold:
                    begin = min(begin, max(now, warm_at))

        await asyncio.gather(*(client() for _ in range(clients)))
        outcome.seconds = asked_s / clients or seconds
        return outcome

    return asyncio.run(_connected(url, sent, clients, drive))


def open_loop(
    url: str, sent: Payload, per_s: float, seconds: float, most: int = 2000, recovery_limit_s: float = 0.0
) -> Outcome:
    """`per_s` requests a second, evenly, whether they are answered or not; at most `most` open at a time.

    With a limit, the recovery is measured as well: the seconds from the last of these requests, answered or not, until
    a lone client, who asks from then on and again when refused, has an answer with 200; None beyond the limit.
    """

    async def drive(ask: Callable[[Outcome], Awaitable[None]]) -> Outcome:
        outcome = Outcome(seconds)
        begin = time.perf_counter()
        tasks: set[asyncio.Task[None]] = set()
        for number in range(int(per_s * seconds)):
            await asyncio.sleep(max(0.0, begin + number / per_s - time.perf_counter()))
            task = asyncio.ensure_future(ask(outcome))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        sent_for = time.perf_counter() - begin
        if recovery_limit_s:  # while the rest of them are still waiting for their answers
            outcome.recovery_s = await _recovery(url, sent, recovery_limit_s)
        await asyncio.gather(*tasks)
        outcome.seconds = max(sent_for, max(outcome.ended_at, default=0) - begin)
        return outcome

    return asyncio.run(_connected(url, sent, most, drive))


async def _recovery(url: str, sent: Payload, limit_s: float) -> float | None:
    start = time.perf_counter()

    async def drive(ask: Callable[[Outcome], Awaitable[None]]) -> Outcome:
        outcome = Outcome()
        while not outcome.latencies_s:
            await ask(outcome)
            await asyncio.sleep(_PAUSE_S)
        return outcome

    try:
        async with asyncio.timeout(limit_s):
            outcome = await _connected(url, sent, 1, drive)
    except TimeoutError:
        return None
    return outcome.ended_at[0] - start


async def _connected(
    url: str,
    sent: Payload,
    connections: int,
    drive: Callable[[Callable[[Outcome], Awaitable[None]]], Awaitable[Outcome]],
) -> Outcome:
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections), timeout=timeout) as session:

        async def ask(outcome: Outcome) -> None:
            start = time.perf_counter()
            try:
                async with session.post(url, data=sent.content, headers=sent.headers, params=sent.params) as answer:
                    await answer.read()
            except (aiohttp.ClientError, TimeoutError):
                outcome.failed += 1
                return
            end = time.perf_counter()
            outcome.statuses[answer.status] += 1
            if answer.status == 200:
                outcome.latencies_s.append(end - start)
                outcome.ended_at.append(end)
            elif answer.status in (429, 503) and "Retry-After" not in answer.headers:
                outcome.no_advice += 1

        return await drive(ask)
