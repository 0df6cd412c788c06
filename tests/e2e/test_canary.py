"""What was in a request is in nothing that the service wrote, but in the store of the inbox."""

import base64
import os
import re
import resource
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from ecg.models.cache import cache_directory
from ecg.record import EcgRecord
from tests.e2e.canaries import KEPT, MARK, raw, requests
from tests.e2e.conftest import Deployed, folder_of_launcher, launcher_of
from tests.ecg.formats.test_canary import CANARY

#: Longer than the second in which Serve and Ray write out what they hold back.
SETTLE_S = 3.0
MOST_BYTES = 1 << 30


def spellings(mark: str) -> Iterator[bytes]:
    """A text as a log may hold it: plain, in UTF-16, in hex, in base64 at each of its three positions."""
    text = mark.encode()
    yield text
    yield mark.encode("utf-16-le")
    yield text.hex().encode()
    for offset in range(3):
        yield base64.b64encode(bytes(offset) + text)[4 if offset else 0 : -4]


MARKS = [spelling.lower() for mark in (MARK, CANARY) for spelling in spellings(mark)]


def marks_in(content: bytes) -> list[bytes]:
    """The spellings that are there, in letters of either case."""
    lowered = content.lower()
    return [mark for mark in MARKS if mark in lowered]


def tree(deployed: Deployed) -> list[psutil.Process]:
    """The launcher and every process under it."""
    launcher = launcher_of(deployed)
    return [launcher, *launcher.children(recursive=True)]


def open_files(process: psutil.Process) -> Iterator[Path]:
    """What a process has open for writing, also where the name is gone already; shared memory is no file."""
    for number in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(OSError):
            flags = Path(f"/proc/{process.pid}/fdinfo/{number.name}").read_text()
            writes = int(flags.split("flags:")[1].split()[0], 8) & (os.O_WRONLY | os.O_RDWR)
            name = os.readlink(number)
            if writes and stat.S_ISREG(number.stat().st_mode) and not name.startswith(("/dev/shm", "/memfd")):
                yield Path(name) if Path(name).exists() else number


def written(deployed: Deployed, launcher_log: Path, since: float) -> set[Path]:
    """Every file that the service has written, or may have, but for the store."""
    folders = [
        deployed.temporary_files,
        folder_of_launcher(deployed),
        deployed.logs,
        cache_directory(),
        Path.home() / ".ray",
    ]
    found = {launcher_log, deployed.config}
    for folder in folders:
        for path in folder.rglob("*"):
            with suppress(OSError):
                if path.is_file() and path.stat().st_mtime >= since:
                    found.add(path)
    for process in tree(deployed):
        found |= {path for path in open_files(process) if not path.is_relative_to(deployed.data)}
    return found


@pytest.fixture(scope="module")
def sent(service: httpx.Client, sinus: EcgRecord) -> float:
    """When the first of the requests with a canary was sent; all of them are answered."""
    begun = time.time()
    count = 0
    for request in requests(sinus):
        with httpx.Client(base_url=service.base_url, timeout=60) as client:
            answer = client.request(request.method, request.path, **request.more)
        assert answer.status_code < 500, (request, answer.text)
        count += 1
    address = (str(service.base_url.host), int(service.base_url.port or 80))
    for content in raw():
        with socket.create_connection(address, timeout=2) as connection:
            connection.sendall(content)
            with suppress(OSError):  # some wait for more until their time is over
                while connection.recv(65536):
                    pass
        count += 1
    assert count >= 80
    time.sleep(SETTLE_S)
    return begun


@pytest.mark.usefixtures("sent")
def test_the_requests_reached_the_service(service: httpx.Client, deployed: Deployed) -> None:
    assert service.get(f"/data/v1/records/{KEPT}").status_code == 200
    kept = b"".join(path.read_bytes() for path in deployed.data.rglob("*") if path.is_file())
    assert marks_in(kept)


def test_no_canary_is_in_any_file_but_the_store(sent: float, deployed: Deployed, launcher_log: Path) -> None:
    files = written(deployed, launcher_log, sent)
    names = [str(path) for path in files]
    for part in ("/session_", "/haproxy.cfg", "replica_", "worker", "raylet", "gcs_server", "/logs/serve-"):
        assert any(part in name for name in names), part
    leaks = {}
    for path in files:
        with suppress(FileNotFoundError):
            assert path.stat().st_size < MOST_BYTES
            if marks := marks_in(path.read_bytes()):
                leaks[str(path)] = marks
    assert leaks == {}
    assert not [name for name in names if marks_in(name.encode())]


@pytest.mark.usefixtures("sent")
def test_no_canary_is_in_the_metrics(service: httpx.Client, deployed: Deployed, launcher_log: Path) -> None:
    urls = re.findall(r"^metrics.*: (\S+)", launcher_log.read_text(), re.MULTILINE)
    assert len(urls) == 2
    (proxy,) = folder_of_launcher(deployed).rglob("haproxy.cfg")
    (stats,) = re.findall(r"^ +bind (127\.0\.0\.1:\d+)\n +stats enable", proxy.read_text(), re.MULTILINE)
    pages = [httpx.get(url, timeout=60).content for url in (*urls, f"http://{stats}/stats")]
    pages += [
        service.get(path).content for path in ("/data/v1/metrics", "/data/v1/stats", "/health", "/health/activity")
    ]
    assert b"ecg_requests_total" in b"".join(pages)
    assert b"haproxy" in b"".join(pages)
    assert [marks_in(page) for page in pages] == [[]] * len(pages)


@pytest.mark.usefixtures("sent")
def test_no_canary_is_on_a_command_line_or_in_an_environment(deployed: Deployed) -> None:
    for process in tree(deployed):
        with suppress(psutil.NoSuchProcess):
            text = "\n".join([*process.cmdline(), *(f"{k}={v}" for k, v in process.environ().items())])
            assert not marks_in(text.encode()), process


@pytest.mark.usefixtures("service")
def test_the_proxy_logs_to_serve_alone(deployed: Deployed) -> None:
    (proxy,) = folder_of_launcher(deployed).rglob("haproxy.cfg")
    targets = set(re.findall(r"^ *log (\S+)", proxy.read_text(), re.MULTILINE)) - {"global"}
    assert {Path(target) for target in targets} == {proxy.parent / "metrics.sock"}  # Serve counts, and keeps nothing


@pytest.mark.usefixtures("service")
def test_no_process_that_holds_a_request_leaves_a_core_dump(deployed: Deployed) -> None:
    """A limit of 1 byte also keeps the kernel from handing the memory to a program (core_pattern with a pipe)."""
    (keeper,) = [child for child in launcher_of(deployed).children() if "serve_app.keeper" in child.cmdline()]
    processes = keeper.children(recursive=True)
    assert len(processes) > 8
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                assert process.rlimit(resource.RLIMIT_CORE)[1] in (0, 1), process.cmdline()
