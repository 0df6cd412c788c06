"""The table of formats: one row adds one, and documents, media types and folder walks follow it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from ecg import formats, read
from ecg.formats import FORMATS, Format, is_named_like_a_recording, media_types
from ecg.formats.stated import Stated
from ecg.record import EcgRecord
from serve_app.edge import recordings

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "formats.md"


def row(reader: Format) -> str:
    """The row of a format in the document."""
    endings = ", ".join(f"`{ending}`" for ending in reader.endings)
    kinds = ", ".join(f"`{kind}`" for kind in reader.media_types) or "–"
    return f"| {reader.title} | {endings} | {kinds} | {f'`{reader.extra}`' if reader.extra else '–'} |"


def test_the_document_has_every_format_and_no_other() -> None:
    lines = DOCUMENT.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| format |"))
    written = lines[start + 2 : lines.index("", start)]
    assert written == [row(reader) for reader in FORMATS]


def test_every_media_type_is_taken_as_a_body() -> None:
    assert set(media_types()) <= set(recordings.CONTENT_TYPES)


def _claims(name: str, head: bytes) -> bool:
    return head.startswith(b"TINY")


def _parse(files: Mapping[str, bytes], main: str, stated: Stated, max_duration_s: float) -> EcgRecord:
    return EcgRecord(np.frombuffer(files[main][4:], "<f4")[None], ("II",), stated.settle_fs(None), "mV", format="tiny")


def test_one_row_adds_a_format(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny = Format("tiny", "Tiny", (".tiny",), (), _claims, _parse)
    monkeypatch.setattr(formats, "FORMATS", (tiny, *FORMATS))
    path = tmp_path / "x.tiny"
    path.write_bytes(b"TINY" + np.arange(300, dtype="<f4").tobytes())
    record = read(path, fs_hz=250)
    assert (record.format, record.n_samples) == ("tiny", 300)
    assert is_named_like_a_recording("x.tiny")
    upload = recordings.Upload("application/octet-stream", {path.name: path.read_bytes()})
    sent = upload.decode({"fs": "250"})
    assert sent.sha256 == record.sha256
