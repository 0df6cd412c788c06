"""The patient of a FHIR answer over HTTP: the reference that the caller gives, and no other."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle
from starlette.requests import Request

from ecg.simulation import Scenario, simulate
from tests.e2e.payloads import as_json
from tests.golden.answers import Service

FHIR = "application/fhir+json"
BODY = as_json(simulate(Scenario()).record)["content"]


def post(tmp_path: Path, path: str = "/analyze", accept: str = FHIR, **query: str) -> httpx.Response:
    service = Service(f"sqlite:///{tmp_path}/inbox.sqlite")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (await service.ingress(Request(scope, receive)))(scope, receive, send)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
            headers = {"Accept": accept, "Content-Type": "application/json"}
            address = f"{path}?{urlencode({'include': 'quality'} | query if path == '/analyze' else query)}"
            return await client.post(address, headers=headers, content=BODY)

    return asyncio.run(ask())


def test_the_bundle_is_about_the_patient_that_was_named(tmp_path: Path) -> None:
    answer = post(tmp_path, subject="Patient/123")
    assert (answer.status_code, answer.headers["content-type"]) == (200, FHIR)
    made = answer.json()
    Bundle.model_validate(made)
    assert made["entry"][0]["resource"]["subject"] == {"reference": "Patient/123"}


def test_no_patient_is_invented(tmp_path: Path) -> None:
    made = post(tmp_path).json()
    assert not any("subject" in entry["resource"] for entry in made["entry"])


@pytest.mark.parametrize(
    ("accept", "path", "subject"),
    [
        (FHIR, "/analyze", "Jane Doe"),
        (FHIR, "/analyze", "Patient/" + "1" * 65),
        ("application/json", "/analyze", "Patient/1"),  # has no place for it
        (FHIR, "/assess_quality", "Patient/1"),
    ],
)
def test_what_is_no_reference_or_has_no_place_is_refused(tmp_path: Path, accept: str, path: str, subject: str) -> None:
    answer = post(tmp_path, path, accept, subject=subject)
    assert (answer.status_code, answer.json()["field"]) == (400, "subject")
    assert subject not in answer.text
