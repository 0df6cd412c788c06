"""The client against a real HTTP server that answers as the service does: typed answers, refusals, retries."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import ecg
from ecg.client import Answer, ServiceRefusal
from ecg.client.retries import MOST_WAIT_S, Attempts
from ecg.errors import InconsistentInput, MalformedInput, Overloaded
from ecg.values import Value

ANSWER = {
    "clinical_analysis": {"rhythm": "Sinus rhythm", "abnormalities": ["Bradycardia"]},
    "labels": [{"name": "Sinus rhythm", "probability": None, "calibrated": False}],
    "features": [1.0, None],
    "signal_quality": "Good",
    "measurements": {
        "pr_interval": {"value": 160.0, "unit": "ms", "spread": 3.0, "reason": None},
        "qt_interval": {"value": None, "unit": "ms", "spread": None, "reason": "no T wave"},
        "lead_amplitudes": {},
    },
    "findings": [{"label": "Sinus rhythm", "present": True, "evidence": "P waves", "not_excluded": ["pacemaker"]}],
    "warnings": ["careful"],
}
DROPPED = 0  # in the place of a status: the connection ends without an answer
HEADER = "{record} 2 500 4\n{file} 16 200/mV 12 0 0 0 0 I\n{file} 16 200/mV 12 0 0 0 0 II\n"
PROBLEM = {"code": "missing_leads", "detail": "Leads are missing.", "field": "lead_names", "expected": 12, "got": 3}


class Service(ThreadingHTTPServer):
    """Answers with what stands in `script`, in turn; the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        self.script: list[tuple[int, dict[str, str], object]] = [(200, {}, ANSWER)]
        self.requests: list[tuple[str, str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, self.headers["Content-Type"], body))
        script = self.server.script
        status, headers, answer = script.pop(0) if len(script) > 1 else script[0]
        if status == DROPPED:
            self.close_connection = True
            return
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def record() -> ecg.EcgRecord:
    return ecg.EcgRecord.from_array(np.arange(24.0).reshape(2, 12), 500.0, ["I", "II"], "mV")


def test_a_record_travels_bit_for_bit(service: Service, record: ecg.EcgRecord) -> None:
    with ecg.Client(service.url) as client:
        client.analyze(record)
    path, kind, body = service.requests[0]
    assert kind == "application/x-npy"
    assert path == "/analyze?fs=500.0&leads=I%2CII&units=mV"
    assert np.array_equal(np.load(BytesIO(body)), record.signal)


def test_the_answer_has_types(service: Service, record: ecg.EcgRecord) -> None:
    with ecg.Client(service.url) as client:
        answer = client.analyze(record)
    assert (answer.rhythm, answer.abnormalities, answer.grade) == ("Sinus rhythm", ("Bradycardia",), "Good")
    assert answer.measurements["pr_interval"] == Value(160.0, "ms", 3.0)
    assert answer.measurements["qt_interval"].reason == "no T wave"
    assert answer.findings[0].not_excluded == ("pacemaker",)
    assert answer.probabilities == {"Sinus rhythm": None}
    assert answer.features is not None
    np.testing.assert_array_equal(answer.features, [1.0, np.nan])
    assert answer.to_dict() == ANSWER


def test_a_wfdb_header_takes_its_signal_file_along(service: Service, tmp_path: Path) -> None:
    for name in ("a.dat", "b.dat"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "a.hea").write_text(HEADER.format(record="a", file="a.dat"))
    with ecg.Client(service.url) as client:
        client.analyze(tmp_path / "a.hea", fs=250.0)
    _, kind, body = service.requests[0]
    assert kind.startswith("multipart/form-data")
    assert [name in body for name in (b'filename="a.hea"', b'filename="a.dat"', b'filename="b.dat"')] == [
        True,
        True,
        False,
    ]
    assert b'name="fs"\r\n\r\n250.0' in body


@pytest.mark.parametrize(("stem", "file"), [("rec[1]", "rec[1].dat"), ("a", "1.dat")])
def test_the_files_that_a_header_names_are_sent(service: Service, tmp_path: Path, stem: str, file: str) -> None:
    (tmp_path / file).write_bytes(b"samples")
    (tmp_path / f"{stem}.mat").write_bytes(b"of another record")
    (tmp_path / f"{stem}.hea").write_text(HEADER.format(record="a", file=file))
    with ecg.Client(service.url) as client:
        client.analyze(tmp_path / f"{stem}.hea")
    _, _, body = service.requests[0]
    assert f'filename="{file}"'.encode() in body
    assert b"samples" in body
    assert b"of another record" not in body


def test_a_header_does_not_choose_files_elsewhere(service: Service, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (tmp_path / "in").mkdir()
    for number, named in enumerate(("../secret.txt", str(tmp_path / "secret.txt"))):
        header = tmp_path / "in" / f"{number}.hea"
        header.write_text(HEADER.format(record="a", file=named))
        with ecg.Client(service.url) as client:
            list(client.analyze_many([header]))
    assert not any(b"secret\r\n" in body for _, _, body in service.requests)


@pytest.mark.parametrize("other", [{"fs": 250.0}, {"units": "uV"}, {"leads": ["V1", "V2"]}])
def test_what_a_record_knows_is_not_stated_otherwise(service: Service, record: ecg.EcgRecord, other: Any) -> None:
    with ecg.Client(service.url) as client:
        with pytest.raises(InconsistentInput):
            client.analyze(record, **other)
        client.analyze(record, fs=500.0, units="mV", leads=["I", "II"])
    assert [path for path, _, _ in service.requests] == ["/analyze?fs=500.0&leads=I%2CII&units=mV"]


def test_samples_go_as_they_are_with_what_is_stated(service: Service) -> None:
    with ecg.Client(service.url) as client:
        client.analyze([[1000.0, 2000.0]], fs=500, leads=["II"], units="uV")
        with pytest.raises(MalformedInput) as refused:
            client.analyze([[1.0, 2.0]], leads=["II"])
        with pytest.raises(MalformedInput):
            client.analyze(123, fs=500, leads=["II"])
    path, kind, body = service.requests[0]
    assert (path, kind) == ("/analyze?fs=500.0&leads=II&units=mV", "application/x-npy")
    np.testing.assert_array_equal(np.load(BytesIO(body)), [[1.0, 2.0]])
    assert refused.value.field == "fs"


def test_a_dropped_connection_is_tried_again(service: Service, record: ecg.EcgRecord) -> None:
    service.script = [(DROPPED, {}, b""), (200, {}, ANSWER)]
    with ecg.Client(service.url) as client:
        assert client.analyze(record).rhythm == "Sinus rhythm"
    assert len(service.requests) == 2


def test_one_that_stays_dropped_loses_no_other_answer(service: Service, record: ecg.EcgRecord) -> None:
    script = [(200, {}, ANSWER), (DROPPED, {}, b""), (DROPPED, {}, b""), (200, {}, ANSWER)]

    async def ask() -> list[object]:
        async with ecg.AsyncClient(service.url, attempts=2) as client:
            return [outcome async for outcome in client.analyze_many([record] * 3, concurrency=1)]

    service.script = [*script]
    with ecg.Client(service.url, attempts=2) as client:
        found = [list(client.analyze_many([record] * 3, concurrency=1))]
    service.script = [*script]
    found.append(asyncio.run(ask()))
    for outcomes in found:
        assert [isinstance(outcome, Answer) for outcome in outcomes] == [True, False, True]
        assert isinstance(outcomes[1], httpx.TransportError)


@pytest.mark.parametrize("asked", ["-5", "nan", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_wait_that_is_none_is_that_of_the_attempt(asked: str) -> None:
    attempts, busy = Attempts(4), httpx.Response(503, headers={"Retry-After": asked})
    assert [attempts.answer_or_wait(busy) for _ in range(3)] == [1.0, 2.0, 4.0]


def test_a_service_that_starts_anew_is_waited_for(service: Service, record: ecg.EcgRecord) -> None:
    """Its connections break before it says how long that takes: those do not count as attempts at a busy service."""
    dropped, starting = [(DROPPED, {}, b"")] * 2, [(503, {"Retry-After": "0"}, PROBLEM)] * 2
    service.script = [*dropped, *starting, (200, {}, ANSWER)]
    with ecg.Client(service.url, attempts=3) as client:
        assert client.analyze(record).rhythm == "Sinus rhythm"
    assert len(service.requests) == 5


def test_an_empty_list_of_parts_asks_for_the_whole_answer(
    service: Service, record: ecg.EcgRecord, tmp_path: Path
) -> None:
    file = tmp_path / "recording.json"
    file.write_bytes(b"{}")
    with ecg.Client(service.url) as client:
        for source in (record, file):
            client.analyze(source, include=())
            path, _, body = service.requests[-1]
            assert "include" not in path
            assert b"include" not in body


@pytest.mark.parametrize("number", [0, -1])
def test_no_attempt_at_all_is_refused(number: int) -> None:
    for kind in (ecg.Client, ecg.AsyncClient):
        with pytest.raises(ValueError, match="attempts must be at least 1"):
            kind(attempts=number)


@pytest.mark.parametrize(
    ("status", "answer"), [(200, b"<html>welcome</html>"), (200, ["x"]), (200, {"labels": [1]}), (400, ["x"])]
)
def test_what_another_server_says_is_a_refusal(
    service: Service, record: ecg.EcgRecord, status: int, answer: object
) -> None:
    service.script = [(status, {}, answer)]
    with ecg.Client(service.url) as client, pytest.raises(ServiceRefusal) as told:
        client.analyze(record)
    assert told.value.status == status
    assert str(told.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with ecg.Client() as client, pytest.raises(MalformedInput, match="No such file") as told:
        client.analyze("/nowhere/x.hea")
    assert told.value.got == "/nowhere/x.hea"


def test_a_busy_service_is_asked_again(service: Service, record: ecg.EcgRecord) -> None:
    service.script = [(503, {"Retry-After": "0"}, PROBLEM), (429, {"Retry-After": "0"}, PROBLEM), (200, {}, ANSWER)]
    with ecg.Client(service.url) as client:
        assert client.analyze(record).rhythm == "Sinus rhythm"
    assert len(service.requests) == 3


def test_a_service_that_stays_busy_is_given_up(service: Service, record: ecg.EcgRecord) -> None:
    service.script = [(503, {"Retry-After": "0"}, PROBLEM)]
    with ecg.Client(service.url, attempts=3) as client, pytest.raises(Overloaded, match="stayed busy"):
        client.analyze(record)
    assert len(service.requests) == 3


def test_a_long_absence_is_not_waited_for(service: Service, record: ecg.EcgRecord) -> None:
    service.script = [(503, {"Retry-After": str(MOST_WAIT_S + 1)}, PROBLEM)]
    with ecg.Client(service.url) as client, pytest.raises(ServiceRefusal):
        client.analyze(record)
    assert len(service.requests) == 1


def test_a_refusal_says_field_expected_and_got(service: Service, record: ecg.EcgRecord) -> None:
    service.script = [(422, {}, PROBLEM)]
    with ecg.Client(service.url) as client, pytest.raises(ServiceRefusal) as told:
        client.analyze(record)
    error = told.value
    assert (error.code, error.status, error.field, error.expected, error.got) == (
        "missing_leads",
        422,
        "lead_names",
        12,
        3,
    )


def test_what_is_no_problem_document_is_a_refusal_too(service: Service, record: ecg.EcgRecord) -> None:
    service.script = [(502, {}, b"<html>bad gateway</html>")]
    with ecg.Client(service.url) as client, pytest.raises(ServiceRefusal, match="HTTP 502"):
        client.analyze(record)


def test_many_are_answered_in_order_and_one_refusal_harms_no_other(service: Service, record: ecg.EcgRecord) -> None:
    steps = []
    with ecg.Client(service.url) as client:
        outcomes = list(client.analyze_many([record, "/nowhere", record], 2, lambda done, of: steps.append((done, of))))
    assert [type(outcome) for outcome in outcomes] == [Answer, MalformedInput, Answer]
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_the_client_for_an_event_loop_does_the_same(service: Service, record: ecg.EcgRecord) -> None:
    service.script = [(503, {"Retry-After": "0"}, PROBLEM), (200, {}, ANSWER)]

    async def ask() -> list[object]:
        async with ecg.AsyncClient(service.url) as client:
            return [
                (await client.analyze(record)).rhythm,
                *[o async for o in client.analyze_many([record, "/nowhere"])],
            ]

    rhythm, first, second = asyncio.run(ask())
    assert rhythm == "Sinus rhythm"
    assert isinstance(first, Answer)
    assert isinstance(second, MalformedInput)
