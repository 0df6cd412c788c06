"""What a caller is told between the start of the launcher and the first replica."""

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.service import answers, free_port, wait_until
from ecg._version import __version__
from ecg.client.retries import MOST_WAIT_S
from serve_app import early, haproxy
from serve_app.environment import fast_plane_available
from serve_app.web.page_files import PAGE_FILES, PAGE_HEADERS, PLACE
from tests.serve_app.test_haproxy import Proxy, backend

pytestmark = pytest.mark.skipif(not fast_plane_available(), reason="there is no HAProxy for this system")
LIMIT_S = 60
until = partial(wait_until, said=lambda: "it did not come to that", limit_s=LIMIT_S)
__all__ = ["backend"]  # a fixture


def processes(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        gone = process.info["status"] == psutil.STATUS_ZOMBIE
        if str(folder / early.FILE) in (process.info["cmdline"] or []) and not gone:
            found.append(process)
    return found


def begin(folder: Path, port: int, ready_at: int = 0) -> None:
    command = [sys.executable, "-c", "print('went on')"]
    arguments = [sys.executable, "-m", "serve_app.early", str(folder), "127.0.0.1", str(port), str(ready_at), *command]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=LIMIT_S)
    assert done.stdout == "went on\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    haproxy.wrapper(tmp_path, {})
    yield tmp_path
    for process in processes(tmp_path):
        process.kill()


def test_the_page_and_health_are_there_and_nothing_else(folder: Path) -> None:
    port = free_port()
    begin(folder, port)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        until(lambda: answers(f"{client.base_url}/health"))
        health = client.get("/health")
        said = {"status": "starting", "models": {}, "versions": {"ecg-serve": __version__}}
        assert (health.json(), health.headers["Cache-Control"]) == (said, "no-store")
        for name, kind in PAGE_FILES.items():
            answer = client.get("/" if name == "index.html" else f"/static/{name}")
            assert (answer.status_code, answer.content) == (200, (PLACE / name).read_bytes())
            assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
            assert {header: answer.headers[header] for header in PAGE_HEADERS} == PAGE_HEADERS
        others = [client.post("/analyze", content=b"x" * 300_000), client.post("/health"), client.get("/data/v1/stats")]
        for answer in [*others, client.get("/health/ready"), client.get("/static/../early.py")]:
            assert (answer.status_code, answer.headers["Retry-After"], answer.json()["code"]) == (
                503,
                "2",
                "unavailable",
            )


@pytest.mark.parametrize(
    ("expected_s", "least", "most"),
    [
        (30, 20, 30 + early.SPREAD_S),  # ten seconds may pass until it is asked
        (-100, haproxy.RETRY_AFTER_S, haproxy.RETRY_AFTER_S + early.SPREAD_S),  # it takes longer than the last time
        (500, early.LONGEST_S, early.LONGEST_S + early.SPREAD_S),
    ],
)
def test_callers_are_sent_back_when_the_service_is_expected(
    folder: Path, expected_s: int, least: int, most: int
) -> None:
    port = free_port()
    begin(folder, port, int(time.time()) + expected_s)
    until(lambda: answers(f"http://127.0.0.1:{port}/health"))
    told = {int(httpx.post(f"http://127.0.0.1:{port}/analyze").headers["Retry-After"]) for _ in range(50)}
    # Not all are sent to one moment, and `ecg.Client` waits for so long.
    assert least <= min(told) < max(told) <= most <= MOST_WAIT_S


def test_the_first_proxy_with_an_application_takes_the_port_over(tmp_path: Path, backend: int) -> None:
    proxy = Proxy(tmp_path, [backend], {})
    try:
        proxy.stop()
        begin(tmp_path, proxy.port)
        with httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}") as client:
            until(lambda: answers(f"{client.base_url}/health"))
            first = proxy.start(known=False)
            until((tmp_path / "idle.sock").exists)  # it leaves the port to the other
            assert client.get("/health").json()["status"] == "starting"
            (one,) = processes(tmp_path)
            proxy.start(True, "-sf", str(first.pid))
            until(lambda: not processes(tmp_path))
            assert not one.is_running() or one.status() == psutil.STATUS_ZOMBIE
            assert client.get("/health").text == "ok"
            first.wait(LIMIT_S)
    finally:
        proxy.stop()
        for process in processes(tmp_path):
            process.kill()
