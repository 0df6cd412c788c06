"""Limits of a key where several ingress replicas answer: together they let through what the key may, and no more."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from ecg.access.keys import Key, KeyRing
from ecg.access.limiter import Limiter
from ecg.errors import QuotaExceeded
from tests.builders.served import served
from tests.serve_app.test_haproxy import Proxy


def key(rate_hz: float | None = None, concurrency: int | None = None) -> Key:
    return Key("id", "test", ("read",), None, rate_hz, concurrency, 0.0, None, "0" * 64)


def limiters(count: int) -> list[Limiter]:
    made = [Limiter() for _ in range(count)]
    for limiter in made:
        limiter.replicas = count
    return made


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("rate_hz", [0.5, 10.0, 64.0])
def test_all_replicas_together_let_through_the_rate_of_a_key(count: int, rate_hz: float) -> None:
    """A hundred seconds of ten times as many requests as the key may make, each to the next replica."""
    several, limited = limiters(count), key(rate_hz)
    passed = 0
    asked = int(100 * rate_hz * 10)
    for number in range(asked):
        try:
            with several[number % count].place(limited, now=number / (rate_hz * 10)):
                passed += 1
        except QuotaExceeded:
            continue
    burst = max(count, rate_hz)
    assert 100 * rate_hz * 0.95 - 1 <= passed <= 100 * rate_hz + burst


@pytest.mark.parametrize(("count", "concurrency", "most"), [(1, 3, 3), (2, 4, 4), (3, 6, 6), (2, 3, 4), (4, 1, 4)])
def test_all_replicas_together_have_room_for_the_concurrency_of_a_key(count: int, concurrency: int, most: int) -> None:
    """Rounded up in each, so that none is without room."""
    limited = key(concurrency=concurrency)
    with ExitStack() as held:
        for limiter in limiters(count):
            for _ in range(-(-concurrency // count)):
                held.enter_context(limiter.place(limited))
                most -= 1
            with pytest.raises(QuotaExceeded), limiter.place(limited):
                pass
    assert most == 0


def test_a_replica_that_is_no_longer_alone_keeps_no_more_than_its_part() -> None:
    limiter, limited = Limiter(), key(100.0)
    with limiter.place(limited, now=0.0):
        pass
    limiter.replicas = 4
    passed = 0
    for _ in range(100):
        try:
            with limiter.place(limited, now=0.0):
                passed += 1
        except QuotaExceeded:
            break
    assert passed == 25


def test_two_replicas_behind_haproxy_keep_one_rate(tmp_path: Path) -> None:
    """Four clients as fast as they can; with a limit in each replica alone twice as many requests would pass."""
    ring, rate = KeyRing(tmp_path / "keys.json"), 8.0
    headers = {"Authorization": f"Bearer {ring.create('test', ('read',), rate_hz=rate)[1]}"}
    with ExitStack() as running:
        ports = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            url = running.enter_context(served(tmp_path / name, replicas=2, keys_file=str(ring.path)))
            ports.append(int(url.rpartition(":")[2]))
        proxy = Proxy(tmp_path, ports, {})
        running.callback(proxy.stop)
        address = f"http://127.0.0.1:{proxy.port}"
        clients = [running.enter_context(httpx.Client(base_url=address, headers=headers, timeout=60)) for _ in range(4)]

        def ask(client: httpx.Client) -> list[int]:
            return [client.get("/data/v1/stats").status_code for _ in range(75)]

        begun = time.monotonic()
        with ThreadPoolExecutor(4) as threads:
            statuses = [status for found in threads.map(ask, clients) for status in found]
        elapsed = time.monotonic() - begun
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= rate * elapsed + rate
