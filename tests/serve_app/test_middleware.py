"""The chain of the edge around small routes: admission, problem documents, request ids, final slashes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from deployments.serve.admission import AdmissionLimit
from ecg.errors import MalformedInput
from serve_app.edge.middleware import Admission, PlainPath, Problems, RequestId


def chain(routes: list[Route], most: int = 1) -> Starlette:
    """The middleware of `serve_app.edge.application` around other routes."""
    middleware = [
        Middleware(RequestId),
        Middleware(Problems, retry_after_s=7),
        Middleware(
            Admission, limit=AdmissionLimit(most, "full", "requests"), messages=AdmissionLimit(None, "", "messages")
        ),
        Middleware(PlainPath),
    ]
    return Starlette(routes=routes, middleware=middleware)


def ask(app: Starlette, method: str, path: str, **options: Any) -> httpx.Response:
    async def answer() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
            return await client.request(method, path, **options)

    return asyncio.run(answer())


async def with_receive_and_send(app: Starlette, send: Callable[[Any], Any], path: str = "/") -> None:
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.Event().wait()  # a client that stays
        raise AssertionError

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await app(scope, receive, send)


def test_a_place_is_held_until_the_answer_begins_and_no_longer() -> None:
    async def scenario() -> list[int]:
        begin, finish = asyncio.Event(), asyncio.Event()

        async def stream(request: Request) -> Response:
            await begin.wait()

            async def lines() -> AsyncGenerator[bytes, None]:
                await finish.wait()
                yield b"last"

            return StreamingResponse(lines())

        async def quick(request: Request) -> Response:
            return Response(b"quick")

        app = chain([Route("/", stream, methods=["POST"]), Route("/quick", quick, methods=["POST"])])
        started = asyncio.Event()

        async def streamed(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.set()

        streaming = asyncio.ensure_future(with_receive_and_send(app, streamed))
        await asyncio.sleep(0)
        statuses: list[int] = []

        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await with_receive_and_send(app, noted, "/quick")
        begin.set()
        await started.wait()
        await with_receive_and_send(app, noted, "/quick")
        finish.set()
        await streaming
        return statuses

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) == [503, 200]


async def _refuses(request: Request) -> Response:
    raise MalformedInput("No.", "fs", "> 0", -1)


async def _fails(request: Request) -> Response:
    raise RuntimeError("a secret")


@pytest.mark.parametrize(
    ("endpoint", "status", "code"), [(_refuses, 400, "malformed_input"), (_fails, 500, "internal_error")]
)
def test_whatever_a_route_raises_is_a_problem_document_with_the_request_id(
    endpoint: Any, status: int, code: str
) -> None:
    response = ask(chain([Route("/", endpoint)]), "GET", "/", headers={"X-Request-ID": "mine/1"})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == "mine/1"
    assert "secret" not in response.text


def test_a_place_is_given_back_when_a_route_fails() -> None:
    app = chain([Route("/", _fails, methods=["POST"])])
    assert [ask(app, "POST", "/").status_code for _ in range(3)] == [500] * 3


def test_an_answer_that_breaks_off_is_not_made_whole_by_a_second_one() -> None:
    async def breaks(request: Request) -> Response:
        async def lines() -> AsyncGenerator[bytes, None]:
            yield b"first"
            raise RuntimeError

        return StreamingResponse(lines())

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    with pytest.raises(RuntimeError):
        asyncio.run(with_receive_and_send(chain([Route("/", breaks, methods=["POST"])]), send))
    assert sent.count("http.response.start") == 1


def test_a_request_without_an_id_is_given_one_and_a_final_slash_is_nothing() -> None:
    async def echo(request: Request) -> Response:
        return Response(request.state.request_id)

    response = ask(chain([Route("/echo", echo)]), "GET", "/echo/")
    assert response.status_code == 200
    assert response.text == response.headers["X-Request-ID"]
