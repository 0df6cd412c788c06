"""Requests made to hurt: bodies of a million parts, and refusals that repeat what they refuse."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import zstandard

from ecg.errors import InputTooLarge, MalformedInput
from serve_app.edge import bodies
from serve_app.edge.bodies import inflate
from serve_app.edge.problems import problem
from tests.builders.edge import Edge

EMPTY = {"zstd": zstandard.ZstdCompressor().compress(b""), "gzip": gzip.compress(b"")}


@pytest.mark.parametrize("encoding", EMPTY)
def test_half_a_million_empty_parts_are_refused_after_the_first_few(encoding: str) -> None:
    class Counted(bytes):
        """A body that counts the pieces taken from it."""

        taken = 0

        def __getitem__(self, key: Any) -> Any:
            Counted.taken += 1
            return super().__getitem__(key)

    with pytest.raises(InputTooLarge, match="compressed parts"):
        inflate(Counted(EMPTY[encoding] * 500_000), encoding, 1 << 26)
    assert Counted.taken < 200


def test_many_parts_with_much_in_them_are_read() -> None:
    block = bytes(range(256)) * 256  # 64 KiB, as bgzip and pzstd make them
    assert inflate(gzip.compress(block) * 300, "gzip", 1 << 26) == block * 300
    assert inflate(zstandard.ZstdCompressor().compress(block) * 300, "zstd", 1 << 26) == block * 300


@pytest.mark.parametrize(
    ("steady", "expected"), [(True, "the whole body within 0.05 s"), (False, "the next bytes within 0.04 s")]
)
def test_a_slow_body_is_told_which_bound_it_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steady: bool, expected: str
) -> None:
    monkeypatch.setattr(bodies, "BODY_PATIENCE_S", 0.05 if steady else 60.0)
    monkeypatch.setattr(bodies, "CHUNK_PATIENCE_S", 60.0 if steady else 0.04)

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        for _ in range(1000 if steady else 0):
            await asyncio.sleep(0.001)
            yield b" "
        if not steady:
            await asyncio.Event().wait()

    async def scenario(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/data/v1", content=body())

    answer = Edge(tmp_path, keys_file=None).run(scenario)
    assert (answer.status_code, answer.json()["expected"]) == (408, expected)


def test_a_frame_that_asks_for_a_large_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = writer.compress(b"x" * 1000) + writer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) + writer.flush()
    with pytest.raises(MalformedInput):
        inflate(frame, "zstd", 1 << 26)


@pytest.mark.parametrize(
    "got",
    [
        "x" * 20_000_000,
        ["x" * 20_000_000],
        [["V1"] * 1000] * 1000,
        list(range(1_000_000)),
        {"x" * 1_000_000: "y" * 1_000_000},
        10**5000,
        -(2**70),
        "\ud800",
        float("nan"),
        b"\xff" * 1_000_000,
    ],
    ids=lambda got: type(got).__name__,
)
def test_a_refusal_is_small_whatever_it_refuses(got: Any) -> None:
    message = f"The lead name {str(got)[:2_000_000] if not isinstance(got, int) else 'x' * 9000} is too long."
    response = problem(MalformedInput(message, "lead_names", got, got), "id", 2)
    assert response.status_code == 400
    assert len(response.body) < 40_000
    document = orjson.loads(response.body)
    assert document["code"] == "malformed_input"
    assert document["detail"].startswith("The lead name")


def test_what_a_refusal_repeats_is_the_beginning_of_what_came() -> None:
    response = problem(MalformedInput("No.", "fs", ["Hz", 500], {"fs": -1.5}), "id", 2)
    document = orjson.loads(response.body)
    assert (document["expected"], document["got"]) == (["Hz", 500], {"fs": -1.5})
