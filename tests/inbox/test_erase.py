"""Erasing a record, an origin or a device leaves nothing of it in the store or its files, and nothing else harmed."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from ecg.access.audit import AuditLog
from ecg.cardioai.erase import Erased, erase
from ecg.cardioai.receipts import Limits
from ecg.cardioai.receiver import Receiver
from ecg.cardioai.upkeep import quarantined, replay
from ecg.cardioai.views import record_view
from ecg.cli import main
from ecg.errors import MalformedInput, UnknownRecording
from ecg.formats.cardioai_message import Sender
from ecg.store.claims import claim, finish
from ecg.store.database import Engine, open_database
from ecg.store.tables import metadata
from tests.builders.messages import FS_500, message, payload, rows


def filled(engine: Engine) -> None:
    """Two records of two origins and devices: one analysed, with a conflicting and an unreadable message of each."""
    with Receiver(engine) as receiver:
        for name in ("canary", "other"):
            sender = Sender(f"{name}-origin", "clinical", "D")
            changes = {"record_id": f"{name}-record", "device_id": f"{name}-device", "calibration": FS_500}
            receiver.accept(message(payload(f"{name}-seq", **changes), f"{name}-1", sender))  # type: ignore[arg-type]
            conflicting = payload(f"{name}-seq", data=rows(0, 100, offset=1), **changes)  # type: ignore[arg-type]
            receiver.accept(message(conflicting, f"{name}-2", sender))
            strange = payload(f"{name}-strange", **changes)  # type: ignore[arg-type]
            receiver.accept(message(strange, f"{name}-3", sender, messageVersion=9))
            claimed = claim(engine, 60.0, 5)
            assert claimed is not None
            finish(engine, claimed, orjson.dumps({"found": f"{name}-result"}), "w")


@pytest.mark.parametrize("what", ["record_id", "origin_id", "device_id"])
def test_all_of_it_goes_and_nothing_else(engine: Engine, what: str) -> None:
    filled(engine)
    name = f"canary-{what.removesuffix('_id')}"
    assert erase(engine, **{what: name}) == Erased(recordings=1, messages=3, quarantined=2)
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            assert not [row for row in connection.execute(select(table)) if "canary" in repr(row)], table.name
    with pytest.raises(UnknownRecording):
        record_view(engine, "canary-record")
    assert b"other-result" in record_view(engine, "other-record")
    assert len(quarantined(engine)) == 2
    assert erase(engine, **{what: name}) == Erased(0, 0, 0)


@pytest.mark.parametrize("what", ["record_id", "origin_id", "device_id"])
@pytest.mark.parametrize("escape", [json.dumps, lambda fields: json.dumps(fields).replace("/", "\\/")])
def test_a_quarantined_message_goes_however_its_sender_escapes_the_id(
    engine: Engine, what: str, escape: Callable[[Any], str]
) -> None:
    with Receiver(engine) as receiver:
        for name in ("M\u00fcller/1", "M\u00fcller/12"):
            part = payload(record_id=f"{name}-record_id", device_id=f"{name}-device_id")
            strange = message(part, name, Sender(f"{name}-origin_id", "clinical", "D"), messageVersion=9)
            # The key of the sender decides the origin, so that the id stands in the body alone.
            assert receiver.accept(escape(orjson.loads(strange)).encode(), origin="ward").outcome == "quarantined"
    assert erase(engine, **{what: f"M\u00fcller/1-{what}"}) == Erased(recordings=0, messages=1, quarantined=1)
    assert [entry.message_id for entry in quarantined(engine)] == ["M\u00fcller/12"]


def test_not_a_byte_of_it_is_left_in_the_files_of_sqlite(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'inbox.sqlite'}")
    filled(engine)
    erase(engine, origin_id="canary-origin")
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert files
    assert not [path.name for path in files if b"canary" in path.read_bytes()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    engine.dispose()


def test_nothing_is_erased_without_exactly_one_name(engine: Engine) -> None:
    for names in ({}, {"record_id": ""}, {"record_id": "a", "origin_id": "b"}):
        with pytest.raises(MalformedInput):
            erase(engine, **names)


def test_the_command_notes_it_in_the_audit_log_and_says_when_it_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'inbox.sqlite'}"
    engine = open_database(url)
    filled(engine)
    engine.dispose()
    audit = tmp_path / "audit"
    assert main(["inbox", "--store", url, "erase", "--record", "canary-record", "--audit", str(audit)]) == 0
    told = capsys.readouterr()
    assert orjson.loads(told.out)["erased"]["recordings"] == 1
    assert told.err == ""
    noted = [orjson.loads(line) for line in AuditLog(audit).export()]
    assert [(entry["action"], entry["subject"], entry["outcome"]) for entry in noted] == [
        ("erase", "canary-record", "begun"),
        ("erase", "canary-record", "done"),
    ]
    assert main(["inbox", "--store", url, "erase", "--record", "other-record"]) == 0
    assert "--audit" in capsys.readouterr().err
    assert len(list(AuditLog(audit).export())) == 2


def test_a_replay_does_not_give_a_message_the_origin_it_claims(engine: Engine) -> None:
    with Receiver(engine) as receiver:
        receiver.accept(message(payload("seq", sequence=2)), origin="ward")
        refused = receiver.accept(message(payload("seq", sequence=2, index=2)), origin="other")
    assert refused.outcome == "quarantined"
    (entry,) = quarantined(engine)
    again = replay(engine, entry.id, Limits())
    assert again is not None
    assert again.outcome == "quarantined"
