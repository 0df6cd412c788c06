"""Requests drawn from the API document: nothing undocumented, no server error, and without a key 401 alone."""

from collections.abc import Iterator

import pytest

from benchmarks.fuzz import fuzz
from ecg.access.keys import KeyRing
from serve_app.edge.access import SCOPES
from tests.builders.served import served


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of an edge with keys, and a key for everything."""
    folder = tmp_path_factory.mktemp("guarded")
    key = KeyRing(folder / "keys.json").create("fuzz", ("admin",))[1]
    with served(folder, keys_file=str(folder / "keys.json")) as url:
        yield url, key


def test_with_a_key_every_answer_is_as_documented(guarded: tuple[str, str]) -> None:
    """`python -m benchmarks.fuzz` makes 5,000 requests to the whole service; here are the systematic ones."""
    found = fuzz(*guarded, examples=3, seed=1)
    assert found.passed, found.said[-4000:]
    assert found.cases > 300
    assert {path for _, path, status in found.answers if status == 200} >= set(SCOPES)
    assert not [status for status in found.statuses() if status >= 500]


def test_without_a_key_every_answer_is_401_where_a_key_is_needed(guarded: tuple[str, str]) -> None:
    checks = "not_a_server_error,status_code_conformance"
    found = fuzz(guarded[0], None, examples=2, seed=1, checks=checks, phases="coverage,fuzzing")
    assert found.passed, found.said[-4000:]
    assert {path for _, path, status in found.answers if status == 401} == set(SCOPES)
    assert found.let_in() == {}
