"""A model replica that gets a new configuration while it still works on the last one."""

import asyncio
from pathlib import Path

import pytest

from deployments.serve.model import ModelRunner
from deployments.serve.model_state import ModelState
from ecg.models.cache import cache_directory, locked
from ecg.models.weight_file import VERSION, file_sha256

STAND_IN = {"weights": "stand-in", "backend": "torch", "precision": "float32"}


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A file that is no checkpoint, and the cache entry whose lock its loader waits for."""
    monkeypatch.setenv("ECG_CACHE_DIR", str(tmp_path / "cache"))
    file = tmp_path / "model.pt"
    file.write_bytes(b"\x80\x02 no checkpoint" * 100)
    entry = cache_directory() / "weights" / f"{file_sha256(file, None)}.v{VERSION}.safetensors"
    entry.parent.mkdir(parents=True, exist_ok=True)
    return file, entry


def test_a_load_that_was_replaced_says_nothing_any_more(held: tuple[Path, Path]) -> None:
    file, entry = held

    async def scenario() -> tuple[ModelState, ModelState]:
        runner = ModelRunner("clinical")
        with locked(entry):
            first = asyncio.ensure_future(runner.reconfigure(STAND_IN | {"weights": str(file)}))
            while (await runner.state()).state != "loading":
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)  # the loader is at the lock, or will find it taken
            await runner.reconfigure(STAND_IN)
            before = await runner.state()
        # The thread goes on where it stood; it is over when the loop's threads can be joined.
        await asyncio.wait({first}, timeout=30)
        await asyncio.get_running_loop().shutdown_default_executor()
        return before, await runner.state()

    before, after = asyncio.run(asyncio.wait_for(scenario(), 120))
    assert before.state == "ready"
    assert after == before


def test_of_two_loads_that_fail_the_later_one_is_told(held: tuple[Path, Path]) -> None:
    file, entry = held

    async def scenario() -> ModelState:
        runner = ModelRunner("clinical")
        with locked(entry):
            first = asyncio.ensure_future(runner.reconfigure(STAND_IN | {"weights": str(file)}))
            while (await runner.state()).state != "loading":
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            await runner.reconfigure(STAND_IN | {"weights": "/nowhere/other.pt"})
        await asyncio.wait({first}, timeout=30)
        await asyncio.get_running_loop().shutdown_default_executor()
        return await runner.state()

    state = asyncio.run(asyncio.wait_for(scenario(), 120))
    assert state.state == "failed"
    assert "other.pt" in (state.detail or "")


def test_a_configuration_that_failed_is_tried_again_when_it_comes_again(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        runner = ModelRunner("clinical")
        await runner.reconfigure(STAND_IN)
        other = STAND_IN | {"weights": str(tmp_path / "late.pt")}
        told = []
        for content in (None, b"<html>"):
            if content is not None:
                (tmp_path / "late.pt").write_bytes(content)
            await runner.reconfigure(other)
            while (await runner.state()).change != "failed":
                await asyncio.sleep(0.01)
            told.append((await runner.state()).detail or "")
        return told

    missing, page = asyncio.run(asyncio.wait_for(scenario(), 120))
    assert "no file" in missing
    assert "web page" in page
