"""What programs of this project present to a service that asks for a key: that of `ECG_API_KEY`, and nothing else."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import ecg
from ecg.cardioai.sender.delivery import Outgoing, Refused, Route
from ecg.cardioai.sender.http import open_adapter
from ecg.client import ServiceRefusal

KEY = "ecg_0123456789ab_secret"


class Guarded(http.server.BaseHTTPRequestHandler):
    """Answers 200 to the right key and 401 to anything else, and redirects from one path to another host."""

    presented: list[str | None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        given = self.headers["Authorization"]
        self.presented.append(given)
        status = 200 if given == f"Bearer {KEY}" else 401
        status = 307 if self.path.startswith("/elsewhere") else status
        content = json.dumps({"status": "accepted"} if status == 200 else {"code": "unauthenticated"}).encode()
        self.send_response(status)
        if status == 307:
            self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def guarded() -> Iterator[str]:
    Guarded.presented = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def by_relay(url: str) -> None:
    open_adapter(Route(url, 1, 10.0)).send(Outgoing(b"{}", "message-1", "code"))


def by_client(url: str) -> None:
    with ecg.Client(url) as client:
        client.analyze_array(np.zeros((2, 1250)), 250.0, ["I", "II"])


@pytest.mark.parametrize("send", [by_relay, by_client])
def test_the_key_of_the_environment_is_presented(
    guarded: str, monkeypatch: pytest.MonkeyPatch, send: Callable[[str], None]
) -> None:
    monkeypatch.setenv("ECG_API_KEY", KEY)
    send(guarded)
    assert Guarded.presented == [f"Bearer {KEY}"]


@pytest.mark.parametrize(("send", "refusal"), [(by_relay, Refused), (by_client, ServiceRefusal)])
def test_without_one_nothing_is_presented_and_the_refusal_is_told(
    guarded: str, monkeypatch: pytest.MonkeyPatch, send: Callable[[str], None], refusal: type[Exception]
) -> None:
    monkeypatch.delenv("ECG_API_KEY", raising=False)
    with pytest.raises(refusal):
        send(guarded)
    assert Guarded.presented == [None]


@pytest.mark.parametrize("send", [by_relay, by_client])
def test_a_key_does_not_follow_a_redirect_to_another_host(
    guarded: str, monkeypatch: pytest.MonkeyPatch, send: Callable[[str], None]
) -> None:
    monkeypatch.setenv("ECG_API_KEY", KEY)
    with pytest.raises((Refused, ServiceRefusal)):
        send(f"{guarded}/elsewhere")
    assert Guarded.presented == [f"Bearer {KEY}"]
