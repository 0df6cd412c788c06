"""What the ingress did of late, of one replica and of several."""

import asyncio

import orjson
import pytest
from starlette.requests import Request

from serve_app.edge.activity import LAST, Activity, Counts, together
from serve_app.settings import AppSettings


def counted(notes: int, status: int, code: str | None = None) -> Activity:
    activity = Activity(32)
    for number in range(notes):
        activity.note("/analyze", status, float(number), code, f"r{number}")
    return activity


def test_replicas_are_added_up() -> None:
    first, second = counted(3, 200), counted(2, 429, "overloaded")
    with first.in_progress(), second.in_progress():
        document = together([first.counts(), second.counts()])
    assert document["replicas"] == 2
    assert (document["in_progress"], document["most_in_progress"]) == (2, 64)
    assert together([first.counts(), second.counts()])["in_progress"] == 0
    assert document["requests"] == [
        {"route": "/analyze", "status": 200, "count": 3},
        {"route": "/analyze", "status": 429, "count": 2},
    ]
    assert document["latency_ms"] == {"/analyze": {"median": 1.0, "p95": 2.0}}


def test_the_latest_refusals_of_all_stand_first_and_no_more_than_are_remembered() -> None:
    older, newer = counted(LAST, 400, "malformed_input"), counted(LAST, 429, "overloaded")
    last = together([newer.counts(), older.counts()])["last"]
    assert isinstance(last, list)
    assert len(last) == LAST
    times = [entry["at"] for entry in last]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("others", ["fail", "are gone"])
def test_without_an_answer_of_the_others_it_is_of_this_replica(others: str) -> None:
    async def everywhere() -> list[Counts]:
        if others == "fail":
            raise TimeoutError
        return []

    activity = Activity(32, everywhere)
    activity.note("/analyze", 200, 1.0, None, "r")
    answer = asyncio.run(activity.show(Request({"type": "http"})))
    assert orjson.loads(answer.body)["requests"] == [{"route": "/analyze", "status": 200, "count": 1}]


def test_an_inbox_is_begun_with_the_service_only_where_there_is_a_store(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ECG_DATA_DIR", str(tmp_path))
    assert not AppSettings().has_store
    assert AppSettings(inbox_url="postgresql://db/inbox").has_store
    (tmp_path / "inbox.sqlite").touch()
    assert AppSettings().has_store
