"""The relay: pacing, retries, resuming, figures; against a receiver that keeps what it gets."""

import contextlib
import http.server
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from ecg.cardioai.sender.http import retry_after_s
from ecg.cli import main
from ecg.formats.cardioai_message import encode_payload
from tests.builders.command import exit_status
from tests.builders.fault_proxy import FaultProxy, proxy_to, read_http
from tests.builders.messages import payload

ROOT = Path(__file__).resolve().parents[2]


class Sink(http.server.ThreadingHTTPServer):
    """Answers with `status`, and with 200 has noted the message before; `gate` holds answers back while it is clear."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.answer = b'{"status": "accepted"}'
        self.kept: Counter[str] = Counter()
        self.bodies: list[dict] = []
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Semaphore(0)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        fields = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.kept[fields["messageId"]] += 1
        self.server.bodies.append(fields)
        self.server.arrived.release()
        self.server.gate.wait()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    thread = threading.Thread(target=sink.serve_forever, args=(0.01,))
    thread.start()
    yield sink
    sink.gate.set()
    sink.shutdown()
    thread.join()
    sink.server_close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Six payload files."""
    folder = tmp_path / "payloads"
    folder.mkdir()
    for number in range(6):
        (folder / f"r{number}.json").write_bytes(encode_payload(payload(f"seq-{number}", record_id=f"r{number}")))
    return folder


def arguments(source: Path, port: int, *options: str) -> list[str]:
    url = f"http://127.0.0.1:{port}/data/v1/"
    return ["relay", "-s", str(source), "-a", "HTTP", "-n", url, "-o", "clinical", "-v", "D3F153", *options]


def relay(capsys: pytest.CaptureFixture[str], source: Path, port: int, *options: str) -> tuple[int, dict]:
    status = main(arguments(source, port, *options))
    return status, orjson.loads(capsys.readouterr().out)


def test_every_file_is_sent_once_with_exact_fields(
    capsys: pytest.CaptureFixture[str], source: Path, sink: Sink
) -> None:
    status, figures = relay(capsys, source, sink.server_port, "-h", "2")
    assert (status, figures["acknowledged"], figures["failed"]) == (0, 6, 0)
    assert figures["p50_ms"] <= figures["p99_ms"]
    assert {body["payload"]["recordId"] for body in sink.bodies} == {f"r{n}" for n in range(6)}
    assert set(sink.kept.values()) == {1}
    assert list(sink.bodies[0]) == [
        "originId",
        "messageId",
        "originCode",
        "deviceCode",
        "messageType",
        "messageVersion",
        "payload",
        "created",
    ]
    assert len({body["originId"] for body in sink.bodies}) == 2
    assert not list(source.parent.glob("*.relay.jsonl"))


def test_messages_per_thread_go_round_the_files_under_new_ids(
    capsys: pytest.CaptureFixture[str], source: Path, sink: Sink
) -> None:
    status, figures = relay(capsys, source, sink.server_port, "-h", "2", "--maximun", "7")
    assert (status, figures["acknowledged"], len(sink.kept)) == (0, 14, 14)
    sent = Counter(body["payload"]["recordId"] for body in sink.bodies)
    assert sorted(sent.values()) == [2, 2, 2, 2, 3, 3]


def test_more_threads_than_files_is_no_failure(capsys: pytest.CaptureFixture[str], source: Path, sink: Sink) -> None:
    status, figures = relay(capsys, source, sink.server_port, "-h", "9")
    assert (status, figures["acknowledged"], figures["failed"]) == (0, 6, 0)


@pytest.mark.parametrize("fault", ["503", "reset", "lost", "late"])
def test_a_passing_fault_is_retried_under_the_same_message_id(
    capsys: pytest.CaptureFixture[str], source: Path, sink: Sink, fault: str
) -> None:
    with proxy_to(sink.server_port) as proxy:
        proxy.faults = [fault] * 3
        status, figures = relay(capsys, source, proxy.port)
    assert (status, figures["acknowledged"], figures["failed"]) == (0, 6, 0)
    assert sum(figures["retries"].values()) == (0 if fault == "late" else 3)
    assert len(sink.kept) == 6


def test_a_receiver_that_never_answers_is_given_up_and_tried_again(
    capsys: pytest.CaptureFixture[str], source: Path, sink: Sink
) -> None:
    with proxy_to(sink.server_port) as proxy:
        proxy.faults = ["hang"]
        status, figures = relay(capsys, source, proxy.port, "--timeout", "1")
    assert (status, figures["retries"]) == (0, {"no answer in time": 1})


@pytest.mark.parametrize("code", [202, 302, 400, 422])
def test_anything_but_200_is_a_failure_and_stays_for_the_next_run(
    capsys: pytest.CaptureFixture[str], source: Path, sink: Sink, code: int
) -> None:
    sink.status = code
    status, figures = relay(capsys, source, sink.server_port)
    assert (status, figures["acknowledged"], figures["failures"]) == (1, 0, {f"HTTP {code}": 6})
    sink.status = 200
    status, figures = relay(capsys, source, sink.server_port)
    assert (status, figures["acknowledged"]) == (0, 6)
    assert set(sink.kept.values()) == {2}  # the same ids as in the first run


def test_patience_ends(capsys: pytest.CaptureFixture[str], source: Path, sink: Sink) -> None:
    sink.status = 503
    status, figures = relay(capsys, source, sink.server_port, "--patience", "0.01", "-h", "6")
    assert (status, figures["failures"]) == (1, {"gave up: HTTP 503": 6})


def test_a_quarantined_message_is_told_by_the_exit_status(
    capsys: pytest.CaptureFixture[str], source: Path, sink: Sink
) -> None:
    sink.answer = b'{"status": "quarantined"}'
    status, figures = relay(capsys, source, sink.server_port)
    assert (status, figures["outcomes"], figures["failed"]) == (1, {"quarantined": 6}, 0)


def test_an_unreadable_file_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str], source: Path, sink: Sink
) -> None:
    (source / "broken.json").write_text("{")
    status, figures = relay(capsys, source, sink.server_port)
    assert (status, figures["acknowledged"], figures["failures"]) == (1, 6, {"malformed_input": 1})


def test_a_strange_file_name_is_sent_like_any_other(
    capsys: pytest.CaptureFixture[str], source: Path, sink: Sink
) -> None:
    for name in (b"\xff.json", b"two\nlines.json", "心.json".encode()):
        (source / os.fsdecode(name)).write_bytes((source / "r0.json").read_bytes())
    (source / "gone.json").symlink_to("/nowhere/at/all")
    (source / "folder.json").mkdir()
    status, figures = relay(capsys, source, sink.server_port)
    assert (status, figures["acknowledged"], figures["failures"]) == (1, 9, {"unreadable file": 2})
    status, figures = relay(capsys, source, sink.server_port)
    assert (status, figures["acknowledged"]) == (1, 0)  # all that could be sent was


def test_a_file_changed_between_runs_is_sent(capsys: pytest.CaptureFixture[str], source: Path, sink: Sink) -> None:
    (source / "broken.json").write_text("{")
    relay(capsys, source, sink.server_port)
    (source / "broken.json").unlink()
    (source / "r0.json").write_bytes(encode_payload(payload("seq-new", record_id="r0")))
    status, figures = relay(capsys, source, sink.server_port)
    assert (status, figures["acknowledged"], sink.bodies[-1]["payload"]["sequenceId"]) == (0, 1, "seq-new")


def test_a_checkpoint_that_cannot_be_written_ends_the_run_and_says_so(source: Path, sink: Sink) -> None:
    """A full disk, here the file size limit: what was not noted down must not look delivered."""
    checkpoint = source.parent / "payloads.relay.jsonl"
    code = (
        "import resource, signal, sys; from ecg.cli import main; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (250, 250)); sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *arguments(source, sink.server_port)]
    ended = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "cannot be written" in ended.stderr
    assert checkpoint.exists()
    assert main(arguments(source, sink.server_port)) == 0
    assert len(sink.kept) == 6


@pytest.mark.parametrize("kind", ["drips", "never ends"])
def test_an_answer_without_end_holds_nobody(capsys: pytest.CaptureFixture[str], source: Path, kind: str) -> None:
    """200 and then a body that never ends: in drops, the answer is given up; at full speed its start is enough."""
    drop, pause_s = (b"x", 0.05) if kind == "drips" else (b"x" * 10**6, 0.0)

    def serve(listener: socket.socket) -> None:
        while True:
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                with client:
                    read_http(client)
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
                    while True:
                        client.sendall(drop)
                        threading.Event().wait(pause_s)
            if listener.fileno() < 0:
                return

    for path in sorted(source.iterdir())[1:]:
        path.unlink()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        status, figures = relay(capsys, source, port, "--timeout", "0.3", "--patience", "0.1")
        listener.shutdown(socket.SHUT_RDWR)
    expected = (1, {}) if kind == "drips" else (0, {"acknowledged": 1})
    assert (status, figures["outcomes"]) == expected


def test_a_killed_relay_goes_on_where_it_stopped(capsys: pytest.CaptureFixture[str], source: Path, sink: Sink) -> None:
    """Killed while its third message waits for an answer: the receiver has it, the checkpoint has not."""
    command = [sys.executable, "-m", "ecg", *arguments(source, sink.server_port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sink.arrived.acquire()
    sink.arrived.acquire()
    sink.gate.clear()
    while sum(sink.kept.values()) < 3:
        sink.arrived.acquire()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = sum(sink.kept.values())
    sink.gate.set()
    with (source.parent / "payloads.relay.jsonl").open("ab") as torn:
        torn.write(b'{"done":"r5.js')
    status, _ = relay(capsys, source, sink.server_port)
    assert status == 0
    assert len(sink.kept) == 6  # one id a message, over both runs
    assert sum(sink.kept.values()) - before < 6  # what was acknowledged was not sent again


def test_a_checkpoint_serves_one_destination_and_one_relay(source: Path, sink: Sink) -> None:
    sink.status = 400
    assert main(arguments(source, sink.server_port)) == 1
    checkpoint = source.parent / "payloads.relay.jsonl"
    with checkpoint.open("ab") as file:  # nothing was delivered so far, and what was not binds nobody
        file.write(b'{"done":"earlier"}\n')
    assert main(arguments(source, sink.server_port, "-v", "OTHER")) == 2
    checkpoint.write_text("no checkpoint\n")
    assert main(arguments(source, sink.server_port)) == 2


def test_an_open_loop_rate_counts_waiting_as_latency(
    capsys: pytest.CaptureFixture[str], source: Path, sink: Sink
) -> None:
    """The first answer is held back; the messages that were due meanwhile are as late as they are."""
    sink.gate.clear()

    def open_later() -> None:
        sink.arrived.acquire()
        threading.Event().wait(0.5)
        sink.gate.set()

    opener = threading.Thread(target=open_later)
    opener.start()
    status, figures = relay(capsys, source, sink.server_port, "--rate", "1000")
    assert status == 0
    opener.join()
    assert figures["p50_ms"] > 400  # a closed loop would have one slow message and a fast median


@pytest.mark.parametrize(
    "options",
    [
        ["-h", "0"],
        ["-x", "0"],
        ["-b", "-1"],
        ["-c", "0"],
        ["--rate", "0"],
        ["--timeout", "nan"],
        ["-s", "/nowhere"],
        ["-n", "host"],
        ["-n", "http://"],
        ["-n", "http://host:99999/"],
        ["-n", "http://two words/"],
        ["-v", ""],
        ["-v", "x" * 65],
        ["--checkpoint", "/nowhere/checkpoint"],
    ],
)
def test_bad_arguments_exit_with_2(source: Path, options: list[str]) -> None:
    assert exit_status(arguments(source, 1, *options)) == 2


def test_help_is_long_and_h_is_threads(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["relay", "--help"])
    assert ended.value.code == 0
    assert "-h N, --threads N" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("7", 7.0),
        ("soon", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("-3", 0.0),
        ("²", 0.0),
        ("٣", 0.0),
        ("9" * 400, math.inf),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float) -> None:
    assert retry_after_s(header) == seconds


def test_the_fault_proxy_is_honest_without_faults(capsys: pytest.CaptureFixture[str], source: Path, sink: Sink) -> None:
    with proxy_to(sink.server_port) as proxy:
        assert isinstance(proxy, FaultProxy)
        status, figures = relay(capsys, source, proxy.port)
    assert (status, figures["retries"], proxy.connections) == (0, {}, 6)
