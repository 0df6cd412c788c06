"""An inbox that does not answer: senders are told, and `/analyze` keeps its places."""

import asyncio
from typing import Any

import httpx
import pytest

from deployments.serve.graph import Handles
from ecg.pipeline import Examination, examine
from ecg.record import EcgRecord
from ecg.simulation import Scenario, simulate
from serve_app.edge import ingress
from serve_app.settings import AppSettings
from tests.builders.messages import message, payload
from tests.deployments.fakes import handle
from tests.e2e.payloads import as_npy

SENT = {"content": message(payload()), "headers": {"Content-Type": "application/json"}}


async def _examined(record: EcgRecord, findings: bool, features: bool) -> Examination:
    return await asyncio.to_thread(examine, record, findings, features)


def test_it_takes_half_of_the_places_for_a_while_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingress, "INBOX_S", 3.0)
    given_up = []

    async def never(*_: Any) -> Any:
        waiting.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.append(True)
            raise

    async def scenario() -> None:
        inbox = handle(accept=never, record=never, stats=never, metrics=never)
        settings = AppSettings(max_requests=4, inbox_application="inbox")
        edge = ingress.Ingress(settings, Handles(None, {}, handle(examine=_examined)), inbox)
        transport = httpx.ASGITransport(app=edge._answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            held = [asyncio.create_task(client.post("/data/v1", **SENT)) for _ in range(2)]
            for _ in held:
                await waiting.acquire()
            refused = await client.post("/data/v1/", **SENT)
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            asked = as_npy(simulate(Scenario()).record)
            asked["params"]["include"] = "measurements"
            assert (await client.post("/analyze", **asked)).status_code == 200
            assert not any(task.done() for task in held)
            for answer in await asyncio.gather(*held):
                assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
                assert int(answer.headers["Retry-After"]) >= 1
            assert len(given_up) == 2

    waiting = asyncio.Semaphore(0)
    asyncio.run(scenario())
