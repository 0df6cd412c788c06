"""The short form of `benchmarks/kill_inbox.py`: a few kills, few messages, the same count afterwards."""

import pytest

from benchmarks.kill_inbox import run
from tests.builders.postgres import find_binaries


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_kills_lose_nothing_and_double_nothing(store: str) -> None:
    if store == "postgresql" and find_binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    said = run(count=200, kills=5, seed=3, store=store)
    assert said["good"], said
