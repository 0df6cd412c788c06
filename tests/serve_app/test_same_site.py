"""DNS rebinding and requests that another site's page makes: forms and scripts."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from serve_app import pages
from serve_app.origins import web_origin
from serve_app.settings import AppSettings
from tests.builders.edge import Edge, of

LOCAL = ["localhost", "127.0.0.1", "[::1]"]


def answers(tmp_path: Path, requests: list[tuple[str, str, dict[str, str]]], **settings: Any) -> list[httpx.Response]:
    edge = Edge(tmp_path, **{"keys_file": None} | settings)

    async def scenario(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [
            await client.request(method, path, headers=headers, content=of("r1") if method == "POST" else None)
            for method, path, headers in requests
        ]

    found: list[httpx.Response] = edge.run(scenario)
    return found


@pytest.mark.parametrize("host", ["localhost", "localhost:7860", "127.0.0.1:7860", "LOCALHOST", "[::1]", "[::1]:7860"])
def test_a_local_service_answers_under_its_own_names(tmp_path: Path, host: str) -> None:
    (answer,) = answers(tmp_path, [("GET", "/labels", {"Host": host})], allowed_hosts=LOCAL)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host",
    ["rebound.example", "rebound.example:7860", "127.0.0.1.rebound.example", "localhost.", "", "x:y", "10.0.0.7"],
)
def test_a_name_that_was_made_to_lead_here_is_refused(tmp_path: Path, host: str) -> None:
    requests = [("GET", path, {"Host": host}) for path in ("/labels", "/", "/data/v1/stats", "/nowhere")]
    for answer in answers(tmp_path, requests, allowed_hosts=LOCAL):
        assert (answer.status_code, answer.json()["code"]) == (421, "unknown_host")


def test_without_a_list_any_name_is_answered(tmp_path: Path) -> None:
    """In a cluster the service has many names, and asks for keys, which no page of another site has."""
    (answer,) = answers(tmp_path, [("GET", "/labels", {"Host": "ecg.ward.svc"})])
    assert answer.status_code == 200


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://edge.evil.example"},
    {"Origin": "http://edge:8080"},
    {"Origin": "https://edge@evil.example"},
    {"Origin": "http://[edge"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("path", ["/data/v1", "/analyze", "/assess_quality", "/analyze/bulk", "/extract_features"])
def test_what_a_page_of_another_site_sends_is_refused(tmp_path: Path, headers: dict[str, str], path: str) -> None:
    """As a form (its types are refused at the inbox besides) and as a script's simple request."""
    forms = ("application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded")
    requests = [("POST", path, headers | {"Content-Type": form}) for form in forms]
    requests.append(("GET", "/data/v1/records/r1", {}))
    *sent, kept = answers(tmp_path, requests)
    assert [(answer.status_code, answer.json()["code"]) for answer in sent] == [(403, "forbidden")] * len(forms)
    assert kept.status_code == 404


def test_a_key_does_not_make_a_foreign_page_welcome(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    key = edge.key("ingest", origin="ward")

    async def scenario(client: httpx.AsyncClient) -> int:
        headers = key | {"Origin": "https://evil.example"}
        return (await client.post("/data/v1", content=of("r1"), headers=headers)).status_code

    assert edge.run(scenario) == 403


def test_nothing_lets_a_foreign_script_read_an_answer(tmp_path: Path) -> None:
    foreign = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in answers(tmp_path, [("OPTIONS", "/analyze", foreign), ("GET", "/labels", foreign)]):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://edge"},
        {"Origin": "https://edge"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://a.b"},
    ],
    ids=str,
)
def test_the_services_own_page_and_programs_are_answered(tmp_path: Path, headers: dict[str, str]) -> None:
    (answer,) = answers(tmp_path, [("POST", "/data/v1", headers)], allowed_origins=["http://a.b"])
    assert answer.status_code == 200


NO_ORIGINS = [
    "ecg.example",
    "*",
    "null",
    "https://",
    "https://*.example",
    "ftp://a.b",
    "http://a:x",
    "http://a.b/page",
    "",
]


@pytest.mark.parametrize("entry", NO_ORIGINS)
def test_what_is_no_origin_cannot_be_allowed(entry: str) -> None:
    """Such an entry let in `Origin: null`, which any page can have, and nobody else."""
    with pytest.raises(ValidationError, match=r"as https://ecg\.example"):
        AppSettings(allowed_origins=["https://good.example", entry])
    assert web_origin("null") is None


def test_allowed_pages_are_compared_by_scheme_host_and_port(tmp_path: Path) -> None:
    origins = ["http://A.b:80", "https://a.b:443", "https://a.b:444", "http://a.b:0", "https://c.d", "null"]
    requests = [("POST", "/data/v1", {"Origin": origin}) for origin in origins]
    found = answers(tmp_path, requests, allowed_origins=["http://a.b", "https://a.b/"])
    assert [answer.status_code for answer in found] == [200, 200, 403, 403, 403, 403]


def test_a_public_demo_takes_requests_from_every_page(tmp_path: Path) -> None:
    (answer,) = answers(tmp_path, [("POST", "/assess_quality", {"Origin": "https://blog.example"})], demo=True)
    assert answer.status_code != 403


@pytest.mark.parametrize("path", [path for path in pages.ROUTES if "{" not in path])
def test_no_page_is_shown_inside_another_and_none_runs_a_script_from_elsewhere(tmp_path: Path, path: str) -> None:
    (answer,) = answers(tmp_path, [("GET", path, {})])
    assert answer.status_code == 200
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe-inline" not in policy.get("script-src", "")
    assert {source for source in policy.get("script-src", "").split() if not source.startswith("'")} == set()
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
