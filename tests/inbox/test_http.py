"""The inbox behind a real socket: clients as they are in the field, and a receipt that means "on disk"."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from ecg.cardioai.views import known_messages
from ecg.store.database import open_database
from tests.builders.messages import FS_500, message, payload

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT.parent / "shared" / "cardioai-samples"
JAVA = shutil.which("java")


class Server:
    """The inbox server as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.url = f"sqlite:///{folder / 'inbox.db'}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.inbox_server", self.url, *options], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request(
            method, f"http://127.0.0.1:{self.port}{path}", body=body, headers=headers, retries=False, timeout=30.0
        )

    def stop(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop(signal.SIGTERM)


@pytest.mark.parametrize("path", ["/data/v1", "/data/v1/"])
def test_both_slash_forms_answer_200_with_a_receipt(server: Server, path: str) -> None:
    body = message(payload(f"seq{len(path)}", calibration=FS_500, record_id=f"r{len(path)}"), f"m{len(path)}")
    answer = server.request("POST", path, body)
    assert (answer.status, answer.json()["status"], answer.json()["state"]) == (200, "accepted", "ready")
    found = server.request("GET", f"/data/v1/records/r{len(path)}").json()
    assert found["recordings"][0]["state"] == "ready"


@pytest.mark.parametrize("path", ["/data/v1", "/data/v1/"])
def test_a_client_that_offers_h2c_and_sends_its_body_late_is_served(server: Server, path: str) -> None:
    """What Java's HttpClient does on a cleartext connection: the body in a later segment than the header."""
    body = message(payload(f"h2c{len(path)}", calibration=FS_500))
    head = (
        f"POST {path} HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: {len(body)}\r\n"
        f"Host: 127.0.0.1:{server.port}\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
        "Upgrade: h2c\r\nUser-Agent: Java-http-client/17.0.15\r\nContent-Type: application/json\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30.0) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(head.encode())
        assert server.request("GET", "/data/v1/stats").status == 200  # by now the header has been read alone
        connection.sendall(body)
        answer = connection.makefile("rb").readline()
    assert answer.startswith(b"HTTP/1.1 200 ")


SENDER = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.*;
public class Send {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newBuilder().build();
        for (int i = 1; i < args.length; i++) {
            HttpRequest request = HttpRequest.newBuilder().uri(URI.create(args[0]))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(Files.readString(Path.of(args[i])))).build();
            System.out.println(client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
        }
    }
}
"""


@pytest.mark.skipif(JAVA is None, reason="no Java here")
def test_the_original_senders_http_client_is_served(server: Server, tmp_path: Path) -> None:
    """The same client calls as the original's HTTPDataRelayAdapter, on both slash forms."""
    (tmp_path / "Send.java").write_text(SENDER)
    files = []
    for number in range(3):
        files.append(str(tmp_path / f"{number}.json"))
        data = [",".join(["%d"] * 13) % ((n,) * 13) for n in range(5000)]
        headers = "INDEX," + ",".join(f"L{k}" for k in range(12))
        Path(files[-1]).write_bytes(message(payload(f"java{number}", data=data, headers=headers)))
    for url in ("/data/v1", "/data/v1/"):
        done = subprocess.run(
            [str(JAVA), str(tmp_path / "Send.java"), f"http://127.0.0.1:{server.port}{url}", *files],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout.split() == ["200"] * 3


@pytest.mark.shared
@pytest.mark.skipif(not SAMPLES.is_dir(), reason="../shared/cardioai-samples is absent")
def test_every_real_message_is_accepted(server: Server) -> None:
    for entry in json.loads((SAMPLES / "index.json").read_text()):
        if "files" in entry:
            continue
        body = (SAMPLES / f"message-{entry['record']}.json").read_bytes()
        assert len(body) == entry["message_body_bytes"]
        answer = server.request("POST", f"/data/v1/?fs={entry['true_fs_hz']:g}", body)
        assert (answer.status, answer.json()["status"], answer.json()["state"]) == (200, "accepted", "ready")
        found = server.request("GET", f"/data/v1/records/{entry['recordId']}").json()["recordings"][0]
        assert (found["fs"], found["fsSource"]) == (entry["true_fs_hz"], "sender")


@pytest.mark.shared
@pytest.mark.skipif(not SAMPLES.is_dir(), reason="../shared/cardioai-samples is absent")
def test_a_real_sequence_of_two_parts_is_put_together(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        states = [
            server.request("POST", "/data/v1", (SAMPLES / f"handmade-seq2-message-{n}of2.json").read_bytes()).json()
            for n in (2, 1)
        ]
    finally:
        server.stop(signal.SIGTERM)
    assert [(said["status"], said["state"]) for said in states] == [("accepted", "open"), ("accepted", "waiting_fs")]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/data/v1", b"{", 400),
        ("/data/v1?fs=often", message(payload("bad")), 400),
        ("/data/v1?fs=500&fs=360", message(payload("bad")), 400),
        ("/data/v1?FS=500", message(payload("bad")), 400),
        ("/data/v1", b" " * (17 * 2**20), 413),
    ],
)
def test_what_cannot_be_kept_is_refused(server: Server, path: str, body: bytes, status: int) -> None:
    assert server.request("POST", path, body).status == status


def test_an_unknown_record_is_404(server: Server) -> None:
    assert server.request("GET", "/data/v1/records/none").status == 404


def test_a_compressed_body_is_read(server: Server) -> None:
    import gzip

    body = gzip.compress(message(payload("gzip", calibration=FS_500)))
    answer = server.request("POST", "/data/v1", body, **{"Content-Encoding": "gzip"})
    assert answer.json()["status"] == "accepted"


def test_metrics_are_served_as_text(server: Server) -> None:
    answer = server.request("GET", "/data/v1/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"ecg_inbox_oldest_waiting_seconds" in answer.data


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_acknowledged_is_there_after_the_process_is_gone(tmp_path: Path, number: int) -> None:
    server = Server(tmp_path)
    for k in range(5):
        body = message(payload(f"seq-{k}"), f"m{k}")
        assert server.request("POST", "/data/v1", body).status == 200
    server.stop(number)
    engine = open_database(server.url)
    assert known_messages(engine, [f"m{k}" for k in range(6)]) == {f"m{k}" for k in range(5)}
    engine.dispose()


def test_a_full_inbox_says_when_to_come_back(tmp_path: Path) -> None:
    """Quota of one origin: 429 with Retry-After, for the relay and every other client to honour."""
    server = Server(tmp_path, "--open-recordings", "3")
    try:
        statuses = [
            server.request("POST", "/data/v1", message(payload(f"seq-{k}", sequence=2))).status for k in range(3)
        ]
        refused = server.request("POST", "/data/v1", message(payload("one-more", sequence=2)))
    finally:
        server.stop(signal.SIGTERM)
    assert set(statuses) == {200}
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
