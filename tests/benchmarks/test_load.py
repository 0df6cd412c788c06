"""The load generator: what it calls recovery, and that it ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.load import Payload, closed_loop, open_loop
from benchmarks.service import free_port

SENT = Payload(b"x", {}, {})


@contextmanager
def server(answer: Callable[[int], int]) -> Iterator[str]:
    """URL of a server that answers its n-th request, from 1, with the status `answer(n)`."""
    arrived = 0
    counting = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal arrived
            with counting:
                arrived += 1
                number = arrived
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(answer(number))
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/"
        http.shutdown()
        thread.join()


def test_recovery_counts_from_the_last_excess_request_and_not_from_its_answer():
    sixth = threading.Event()

    def answer(number: int) -> int:
        if number == 6:
            sixth.set()
        return 200 if sixth.wait(60) else 500  # five wait until somebody asks who is not one of them

    with server(answer) as url:
        outcome = open_loop(url, SENT, 100, 0.05, recovery_limit_s=60)
    assert outcome.statuses == {200: 5}
    assert outcome.recovery_s is not None


def test_a_lone_client_who_is_refused_asks_again():
    asked = []

    def answer(number: int) -> int:
        asked.append(number)
        return 200 if number == 3 else 503

    with server(answer) as url:
        outcome = open_loop(url, SENT, 1, 0.5, recovery_limit_s=60)  # no excess request at all
    assert outcome.recovery_s is not None
    assert asked == [1, 2, 3]


def test_a_dead_server_is_not_waited_for_beyond_the_limit():
    outcome = open_loop(f"http://127.0.0.1:{free_port()}/", SENT, 1, 0.5, recovery_limit_s=0.3)
    assert outcome.recovery_s is None


def test_the_closed_loop_counts_nothing_before_every_client_has_had_two_answers():
    fiftieth = threading.Event()

    def answer(number: int) -> int:
        if number == 50:
            fiftieth.set()
        if number == 1:
            fiftieth.wait(60)
        return 500 if number <= 50 else 200

    with server(answer) as url:
        outcome = closed_loop(url, SENT, 2, 0.5, warm_s=0.001)
    assert set(outcome.statuses) == {200}
    assert outcome.failed == 0
