"""The log of all processes on standard output: every line once, whole, across a rotation."""

import logging.handlers
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve_app.log_stream import Stream


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "serve"


@pytest.fixture
def stream(folder: Path) -> Iterator[Stream]:
    opened = Stream(folder)
    yield opened
    opened.close()


def test_every_line_comes_once_across_rotations_and_files(folder: Path, stream: Stream) -> None:
    assert stream.new_lines() == b""  # Ray has not made it yet
    folder.mkdir()
    (folder / "notes.txt").write_text("not a log\n")
    writer = logging.handlers.RotatingFileHandler(folder / "replica_a.log", maxBytes=200, backupCount=1)
    came = b""
    for number in range(50):
        writer.emit(logging.LogRecord("ray.serve", logging.INFO, "", 0, f'{{"n": {number}}}', (), None))
        came += stream.new_lines()
    writer.close()
    (folder / "proxy_b.log").write_text("of another process\n")
    came += stream.new_lines()
    assert came.decode().splitlines() == [f'{{"n": {number}}}' for number in range(50)] + ["of another process"]


def test_half_a_line_waits_for_the_other_half(folder: Path, stream: Stream) -> None:
    folder.mkdir()
    path = folder / "replica.log"
    path.write_text("whole\nhal")
    assert stream.new_lines() == b"whole\n"
    assert stream.new_lines() == b""
    with path.open("a") as file:
        file.write("f\n")
    assert stream.new_lines() == b"half\n"
