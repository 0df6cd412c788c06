"""Heads of requests that Ray's own HTTP code cannot take."""

import asyncio
from typing import Any

import orjson
import pytest
from starlette.types import Receive, Scope, Send

from serve_app.edge.front import CleanHead


def through(
    headers: list[tuple[bytes, bytes]], kind: str = "http", extensions: dict[str, Any] | None = None
) -> tuple[list[Scope], list[Any]]:
    """What an application behind the front sees of a request, and what the client is sent."""
    seen: list[Scope] = []
    sent: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(CleanHead(app)({"type": kind, "headers": headers, "extensions": extensions or {}}, receive, send))
    return seen, sent


def test_a_usable_request_id_is_kept() -> None:
    ((scope,), _) = through([(b"x-request-id", b"4bf92f3577b34da6/7"), (b"accept", b"*/*")])
    assert dict(scope["headers"]) == {b"x-request-id": b"4bf92f3577b34da6/7", b"accept": b"*/*"}


@pytest.mark.parametrize("given", [b"\xff", b"", b"a b", b"x" * 129, b"a\tb", "ü".encode(), b'"<script>'])
def test_any_other_request_id_is_replaced(given: bytes) -> None:
    ((scope,), _) = through([(b"x-request-id", given), (b"x-request-id", given)])
    ((_, value),) = scope["headers"]
    assert len(value) == 36
    assert value.isascii()


def test_header_values_that_are_not_ascii_are_dropped() -> None:
    ((scope,), _) = through([(b"x-session-id", b"\xe9"), (b"content-type", b"text/csv")])
    assert [name for name, _ in scope["headers"]] == [b"content-type", b"x-request-id"]


def test_a_websocket_reaches_no_route() -> None:
    seen, sent = through([], "websocket")
    assert seen == []
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_a_server_that_can_is_given_the_problem_document_of_a_websocket() -> None:
    seen, sent = through([], "websocket", {"websocket.http.response": {}})
    assert seen == []
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 404
    assert orjson.loads(sent[1]["body"])["code"] == "not_found"
