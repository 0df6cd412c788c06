"""API keys at the edge: who is let in, what for, how often, whose recordings they see, and what is noted of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy
from pydantic import ValidationError
from starlette.types import Message, Receive, Scope, Send

from ecg.access.audit import AuditLog
from ecg.access.limiter import Limiter
from ecg.store.database import open_database
from serve_app.edge.access import SCOPES, Access, Guard
from serve_app.launcher.options import open_to_all
from serve_app.openapi import document
from serve_app.settings import AppSettings
from tests.builders.edge import Edge, of
from tests.builders.messages import message, payload
from tests.ecg.access.test_tokens import AUDIENCE, FORGED, ISSUER, RSA_JWK, key_set, signed


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    return Edge(tmp_path)


def requests_of(path: str) -> tuple[str, str]:
    (method,) = document()["paths"][path]
    return method.upper(), path.replace("{recordId}", "example")


@pytest.mark.parametrize("path", SCOPES)
@pytest.mark.parametrize("credential", [None, "Bearer nonsense", "Basic dTpw", "Bearer ", "Bearer ecg_x_y", "\xff"])
def test_without_a_valid_key_a_route_answers_401(edge: Edge, path: str, credential: str | None) -> None:
    edge.key("admin")
    headers = {} if credential is None else {"Authorization": credential.encode("latin-1")}

    async def scenario(client: httpx.AsyncClient) -> httpx.Response:
        return await client.request(*requests_of(path), headers=headers)  # type: ignore[arg-type]

    answer = edge.run(scenario)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_route_of_the_document_needs_a_key_or_is_named_here(edge: Edge) -> None:
    samples = {"/samples", "/samples/{name}", "/sample.json"}
    free = {"/health", "/health/ready", "/labels", "/features/schema", *samples}
    assert set(document()["paths"]) == set(SCOPES) | free
    guarded = [operation for path in SCOPES for operation in document()["paths"][path].values()]
    assert all({"401", "403", "429", "503"} <= set(operation["responses"]) for operation in guarded)

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        return [(await client.get(path)).status_code for path in ("/labels", "/features/schema", "/", "/docs")]

    assert edge.run(scenario) == [200] * 4


@pytest.mark.parametrize("path", SCOPES)
def test_a_key_without_the_scope_answers_403(edge: Edge, path: str) -> None:
    other = next(scope for scope in ("analyze", "read") if scope not in SCOPES[path])
    key = edge.key(other)

    async def scenario(client: httpx.AsyncClient) -> httpx.Response:
        return await client.request(*requests_of(path), headers=key)

    answer = edge.run(scenario)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_revoked_key_ends_at_once(edge: Edge) -> None:
    created, presented = edge.ring.create("test", ("read",))
    headers = {"Authorization": f"Bearer {presented}"}

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        before = (await client.get("/data/v1/stats", headers=headers)).status_code
        edge.ring.revoke(created.id)
        return [before, (await client.get("/data/v1/stats", headers=headers)).status_code]

    assert edge.run(scenario) == [200, 401]


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'[{"id": "a"}]', b"[{"])
def test_a_damaged_key_file_answers_503_and_does_not_name_itself(edge: Edge, content: bytes) -> None:
    key = edge.key("ingest")
    edge.ring.path.write_bytes(content)

    async def scenario(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.post("/data/v1", content=of("r1"), headers=headers) for headers in (key, {})]

    refused, anonymous = edge.run(scenario)
    assert (refused.status_code, refused.json()["code"]) == (503, "keys_unreadable")
    assert int(refused.headers["Retry-After"]) > 0
    assert str(edge.folder) not in refused.text
    assert (anonymous.status_code, anonymous.json()["code"]) == (401, "unauthenticated")


def test_a_damaged_audit_log_answers_503_so_that_the_sender_comes_again(edge: Edge) -> None:
    key = edge.key("ingest")
    log = AuditLog(edge.folder / "audit")
    log.append("k1", "read")
    (file,) = log.files()
    file.write_bytes(file.read_bytes() + b"damaged\n")

    async def scenario(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/data/v1", content=of("r1"), headers=key)

    answer = edge.run(scenario)
    assert (answer.status_code, answer.json()["code"]) == (503, "audit_broken")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_key_over_its_rate_answers_429_and_says_when_to_come_back(edge: Edge) -> None:
    key = edge.key("read", rate_hz=0.01)

    async def scenario(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.get("/data/v1/stats", headers=key) for _ in range(2)]

    first, second = edge.run(scenario)
    assert (first.status_code, second.status_code) == (200, 429)
    assert 1 <= int(second.headers["Retry-After"]) <= 100


def test_the_key_decides_the_origin_and_other_origins_do_not_see_the_recording(edge: Edge) -> None:
    ward, other = edge.key("ingest", origin="ward"), edge.key("ingest", origin="other")
    reader, nobody = edge.key("read"), edge.key("ingest")

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        assert (await client.post("/data/v1", content=of("r1", originId="spoofed"), headers=ward)).status_code == 200
        return [
            (await client.get("/data/v1/records/r1", headers=key)).status_code for key in (ward, reader, other, nobody)
        ]

    assert edge.run(scenario) == [200, 200, 404, 404]
    engine = open_database(edge.url)
    with engine.connect() as connection:
        assert connection.scalars(sqlalchemy.text("SELECT DISTINCT origin_id FROM recordings")).all() == ["ward"]
    engine.dispose()


def test_a_guess_tells_nobody_whether_a_recording_is_there(edge: Edge) -> None:
    """To another origin, a recording that is kept and one that never was are answered alike."""
    ward, other = edge.key("ingest", origin="ward"), edge.key("ingest", origin="other")

    async def scenario(client: httpx.AsyncClient) -> list[httpx.Response]:
        assert (await client.post("/data/v1", content=of("r1"), headers=ward)).status_code == 200
        return [
            await client.get(f"/data/v1/records/{name}", headers=other) for name in ("r1", "r2", "r1/", "R1", "%721")
        ]

    answers = edge.run(scenario)
    assert {answer.status_code for answer in answers} == {404}
    told = [answer.json() | {"got": None, "request_id": None} for answer in answers]
    assert told == [told[0]] * len(told)
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1


def test_another_origin_adds_no_part_to_a_recording(edge: Edge) -> None:
    ward, other = edge.key("ingest", origin="ward"), edge.key("ingest", origin="other")

    async def scenario(client: httpx.AsyncClient) -> list[str]:
        answers = [
            await client.post("/data/v1", content=message(payload("one", sequence=2, index=index)), headers=key)
            for index, key in ((1, ward), (2, other), (2, ward))
        ]
        return [answer.json()["status"] for answer in answers]

    assert edge.run(scenario) == ["accepted", "quarantined", "accepted"]


def test_sending_and_reading_are_noted_with_the_key_and_the_id(edge: Edge) -> None:
    created, presented = edge.ring.create("test", ("ingest",), "ward")
    key = {"Authorization": f"Bearer {presented}"}

    async def scenario(client: httpx.AsyncClient) -> None:
        await client.post("/data/v1", content=of("r1"), headers=key)
        await client.get("/data/v1/records/r1", headers=key)
        await client.get("/data/v1/records/not%07there", headers=key)

    edge.run(scenario)
    noted = edge.audited()
    assert {entry["who"] for entry in noted} == {created.id}
    assert [(entry["action"], entry["outcome"]) for entry in noted] == [
        ("send", "200"),
        ("read", "200"),
        ("read", "404"),
    ]
    assert [entry["subject"] for entry in noted[1:]] == ["r1", "not?there"]
    assert presented.encode() not in b"".join(path.read_bytes() for path in edge.folder.rglob("*") if path.is_file())


def test_a_client_that_leaves_is_noted(edge: Edge) -> None:
    """Its message may be kept all the same."""
    key = edge.key("ingest")

    async def scenario(client: httpx.AsyncClient) -> None:
        asked = asyncio.Event()

        async def half_a_body() -> AsyncIterator[bytes]:
            asked.set()
            await asyncio.Event().wait()
            yield b"never sent"

        request = asyncio.create_task(client.post("/data/v1", content=half_a_body(), headers=key))
        await asked.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    edge.run(scenario)
    assert [(entry["action"], entry["outcome"]) for entry in edge.audited()] == [("send", "cancelled")]


def test_a_client_that_leaves_once_its_answer_has_begun_is_noted_once(edge: Edge) -> None:
    created, presented = edge.ring.create("test", ("ingest",))
    audit = AuditLog(edge.folder / "audit")

    async def answers_and_waits(_: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    async def scenario() -> None:
        begun = asyncio.Event()

        async def send(_: Message) -> None:
            begun.set()

        async def nothing() -> Message:
            return await asyncio.Event().wait()  # type: ignore[return-value]

        guard = Guard(answers_and_waits, Access(edge.ring, None, audit, Limiter()), ("ingest",), "send")
        scope = {"headers": [(b"authorization", f"Bearer {presented}".encode())], "state": {}}
        request = asyncio.create_task(guard(scope, nothing, send))
        await begun.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    asyncio.run(scenario())
    assert [(entry["who"], entry["outcome"]) for entry in edge.audited()] == [(created.id, "200")]


def test_what_a_form_on_a_web_page_can_send_is_no_message(edge: Edge) -> None:
    key = edge.key("ingest")

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        kinds = ("text/plain", "text/plain; charset=utf-8", "application/x-www-form-urlencoded", "multipart/form-data")
        return [
            (await client.post("/data/v1", content=of("r"), headers=key | {"Content-Type": kind})).status_code
            for kind in kinds
        ]

    assert edge.run(scenario) == [415] * 4


def test_answers_are_not_to_be_kept_by_caches(edge: Edge) -> None:
    key = edge.key("read")

    async def scenario(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.get(path, headers=key) for path in ("/data/v1/stats", "/data/v1/records/x")]

    for answer in edge.run(scenario):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_public_demo_keeps_nothing(tmp_path: Path) -> None:
    edge = Edge(tmp_path, keys_file=None, demo=True)

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        sent = await client.post("/data/v1", content=of("r"))
        return [sent.status_code, (await client.get("/data/v1/records/r")).status_code]

    assert edge.run(scenario) == [404, 404]


@pytest.mark.parametrize(
    ("host", "settings", "refused"),
    [
        ("127.0.0.1", {}, False),
        ("localhost", {}, False),
        ("::1", {}, False),
        ("0.0.0.0", {}, True),
        ("10.0.0.7", {}, True),
        ("::", {}, True),
        ("0.0.0.0", {"keys_file": "k"}, False),
        ("0.0.0.0", {"demo": True}, False),
        ("0.0.0.0", {"oidc": {"issuer": "i"}}, False),
    ],
)
def test_a_service_for_the_network_asks_for_keys_or_says_that_it_is_a_demo(
    host: str, settings: dict[str, Any], refused: bool
) -> None:
    config = {"http_options": {"host": host}, "applications": [{"args": settings}]}
    said = open_to_all(config)
    assert (said is not None) == refused
    if said is not None:
        assert "ecg keys" in said
        assert "--demo" in said


@pytest.fixture
def with_tokens(tmp_path: Path) -> Edge:
    """An edge that takes keys and tokens."""
    (tmp_path / "jwks.json").write_text(key_set(RSA_JWK))
    oidc = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(tmp_path / "jwks.json"), "rate_hz": 1000}
    return Edge(tmp_path, oidc=oidc)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_has_its_scopes_its_own_origin_and_a_line_in_the_audit_log(with_tokens: Edge) -> None:
    ward, other = bearer(signed(scope="ecg:ingest")), bearer(signed(scope="ecg:ingest", sub="ward-4"))
    key = with_tokens.key("read")

    async def scenario(client: httpx.AsyncClient) -> list[int]:
        sent = await client.post("/data/v1", content=of("r1", originId="spoofed"), headers=ward)
        read = [(await client.get("/data/v1/records/r1", headers=who)).status_code for who in (ward, other, key)]
        return [sent.status_code, *read, (await client.get("/data/v1/stats", headers=ward)).status_code]

    assert with_tokens.run(scenario) == [200, 200, 404, 200, 403]
    assert [entry["who"] for entry in with_tokens.audited()][:3] == ["oidc:ward-3", "oidc:ward-3", "oidc:ward-4"]


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_or_stale_token_answers_401(with_tokens: Edge, case: str) -> None:
    with_tokens.key("admin")
    headers = {"Authorization": f"Bearer {FORGED[case]()}".encode("latin-1")}

    async def scenario(client: httpx.AsyncClient) -> httpx.Response:
        return await client.get("/data/v1/stats", headers=headers)  # type: ignore[arg-type]

    answer = with_tokens.run(scenario)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_two_credentials_in_one_request_are_none(with_tokens: Edge) -> None:
    """A gateway and this service might each look at another one."""
    key = with_tokens.key("read")["Authorization"]

    async def scenario(client: httpx.AsyncClient) -> int:
        headers = [("Authorization", key), ("Authorization", f"Bearer {signed()}")]
        return (await client.get("/data/v1/stats", headers=headers)).status_code

    assert with_tokens.run(scenario) == 401


@pytest.mark.parametrize("algorithms", [["HS256"], ["none"], []])
def test_settings_that_would_take_forged_tokens_are_refused(algorithms: list[str]) -> None:
    oidc = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": "jwks.json", "algorithms": algorithms}
    with pytest.raises(ValidationError, match="oidc"):
        AppSettings.model_validate({"oidc": oidc})
