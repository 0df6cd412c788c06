"""How quiet the machine was while a benchmark ran: what the host took, what other programs took, and the clock.

A figure from a busy machine is a figure about the machine, so every result carries these shares, and a run that was
disturbed says so where it prints its answer.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

MOST_STEAL = 0.02
MOST_OTHERS = 0.05
#: Nothing that serves with an engine is faster than the engine alone; what lies above was measured in two speeds.
MOST_SHARE = 1.05
_lost_s: list[float] = []


@dataclass(frozen=True)
class Moment:
    """Processor seconds since the machine started, of all processors, and of this process with all under it."""

    wall_s: float
    busy_s: float
    steal_s: float
    own_s: float
    clock_mhz: float | None


def now() -> Moment:
    """What the machine has done so far; without /proc (not Linux) nothing is known of a host."""
    times = psutil.cpu_times()
    steal = getattr(times, "steal", 0.0)
    idle = times.idle + getattr(times, "iowait", 0.0)
    guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user and nice as well
    return Moment(time.monotonic(), sum(times) - idle - steal - guest, steal, _own_s(), _clock_mhz())


@contextmanager
def ending() -> Iterator[None]:
    """Around the end of processes under this one: what they have used stays counted as this one's own.

    Linux hands it on to who waits for a process, and Ray's raylet waits for none of its workers.
    """
    before = _own_s()
    try:
        yield
    finally:
        _lost_s.append(max(0.0, before - _own_s()))


def shares(before: Moment, after: Moment) -> dict[str, Any]:
    """Of all processor time between the two: ``host`` (steal) and ``others``, 0 to 1; the clock at both, in MHz."""
    most = max((after.wall_s - before.wall_s) * (os.cpu_count() or 1), 1e-9)
    others = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return {
        "host": round((after.steal_s - before.steal_s) / most, 3),
        "others": round(max(others, 0.0) / most, 3),
        "clock_mhz": [before.clock_mhz, after.clock_mhz],
    }


def remarks(quiet: dict[str, Any], engine_shares: dict[str, float]) -> list[str]:
    """What a reader of the figures must know, nothing on a quiet machine."""
    found = []
    if quiet["host"] > MOST_STEAL:
        found.append(f"the host took {quiet['host']:.0%} of the processors while this ran")
    if quiet["others"] > MOST_OTHERS:
        found.append(f"other programs took {quiet['others']:.0%} of the processors while this ran")
    for name, share in engine_shares.items():
        if share > MOST_SHARE:
            found.append(
                f"{name} at {share} of the engine alone cannot be: the machine changed its speed between turns"
            )
    return found


def _own_s() -> float:
    me = psutil.Process()
    total = 0.0
    for process in [me, *me.children(recursive=True)]:
        try:
            total += sum(process.cpu_times()[:4])  # user, system, and both of children that have ended
        except psutil.NoSuchProcess:
            continue
    return total + sum(_lost_s)


def cpuinfo() -> list[str]:
    """Lines of /proc/cpuinfo, none where it is not there (not Linux)."""
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _clock_mhz() -> float | None:
    clocks = [float(row.partition(":")[2]) for row in cpuinfo() if row.startswith("cpu MHz")]
    return round(sum(clocks) / len(clocks)) if clocks else None
