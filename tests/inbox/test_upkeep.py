"""Replay, retention, counts, migrations."""

from pathlib import Path

import alembic.autogenerate
import orjson
import pytest
from alembic.migration import MigrationContext
from sqlalchemy import insert, text, update

from ecg.cardioai.receipts import Limits
from ecg.cardioai.receiver import Receiver
from ecg.cardioai.tables import messages, quarantine
from ecg.cardioai.upkeep import Pruned, prune, quarantined, quarantined_body, replay
from ecg.cardioai.views import known_messages, prometheus, record_view, stats
from ecg.errors import InconsistentInput, MalformedInput, StoreUnavailable, UnknownRecording
from ecg.formats.cardioai_message import Sender
from ecg.store.claims import claim, finish
from ecg.store.database import Engine, open_database, writing
from ecg.store.tables import metadata, recordings
from tests.builders.messages import FS_500, message, payload, rows


def test_a_replay_is_judged_as_if_it_came_now(engine: Engine) -> None:
    body = message(payload(sequence=3, calibration=FS_500), "m1")
    with Receiver(engine, Limits(max_parts=2)) as receiver:
        receiver.accept(body)
    (entry,) = quarantined(engine, "too_many_parts")
    assert quarantined_body(engine, entry.id) == body
    still = replay(engine, entry.id, Limits(max_parts=2))
    assert still is not None
    assert still.outcome == "quarantined"
    (entry,) = quarantined(engine)
    receipt = replay(engine, entry.id, Limits(max_parts=3))
    assert receipt is not None
    assert (receipt.outcome, receipt.state) == ("accepted", "open")
    assert quarantined(engine) == []
    assert replay(engine, entry.id, Limits()) is None
    with Receiver(engine) as receiver:
        assert receiver.accept(body).outcome == "duplicate"


def test_replaying_a_conflict_changes_nothing(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    receiver.accept(message(payload(calibration=FS_500, data=rows(0, 100, offset=1))))
    receipt = replay(engine, quarantined(engine)[0].id, Limits())
    assert receipt is not None
    assert receipt.outcome == "quarantined"
    assert [entry.code for entry in quarantined(engine)] == ["conflicting_part"]


def test_retention_deletes_what_is_finished_and_old(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload("seq-done", calibration=FS_500, record_id="done"), "m1"))
    claimed = claim(engine, 60.0, 5)
    assert claimed is not None
    finish(engine, claimed, b"{}", "w")
    receiver.accept(message(payload("seq-open", sequence=2, record_id="open"), "m2"))
    receiver.accept(message(payload("seq-ready", calibration=FS_500, record_id="ready"), "m3"))
    receiver.accept(message(payload("seq-bad"), "m4", messageVersion=9))
    assert prune(engine, older_than_s=3600.0).recordings == 0
    for senseless in (0.0, -60.0, float("nan")):
        with pytest.raises(MalformedInput):
            prune(engine, senseless)
    _let_a_day_pass(engine)
    gone = prune(engine, older_than_s=3600.0)
    assert (gone.recordings, gone.messages, gone.quarantined) == (1, 2, 1)
    with pytest.raises(UnknownRecording):
        record_view(engine, "done")
    assert known_messages(engine, ["m1", "m2", "m3", "m4"]) == {"m2", "m3"}
    assert stats(engine).results == 0


def test_retention_deletes_any_number(engine: Engine, receiver: Receiver) -> None:
    """In transactions of a few hundred, with nothing left over."""
    count = 1201
    old = {"content_hash": "c", "origin_id": "o", "route": "http", "code": "x", "reason": "x", "size": 0, "body": b""}
    with writing(engine) as connection:
        rows_of = [old | {"message_id": str(number), "received_at": 0.0} for number in range(count)]
        connection.execute(insert(quarantine), rows_of)
    receiver.accept(message(payload(), "m1"))
    assert len(quarantined(engine)) == count
    assert prune(engine, older_than_s=3600.0) == Pruned(0, 0, count)
    assert known_messages(engine, ["m1"]) == {"m1"}


def _let_a_day_pass(engine: Engine) -> None:
    day = 86_400.0
    with writing(engine) as connection:
        connection.execute(update(quarantine).values(received_at=quarantine.c.received_at - day))
        connection.execute(update(messages).values(received_at=messages.c.received_at - day))
        times = ("last_received_at", "finished_at")
        connection.execute(update(recordings).values({name: recordings.c[name] - day for name in times}))


def test_counts_by_origin_and_route_and_as_metrics(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload("seq-1", calibration=FS_500)))
    consumer = Sender("origin-2", "consumer", "W1")
    receiver.accept(message(payload("seq-2"), sender=consumer), "sqs")
    receiver.accept(message(payload("seq-3"), sender=consumer, messageVersion=9), "s3")
    counts = stats(engine)
    found = {(row.origin_code, row.route, row.outcome, row.count) for row in counts.messages}
    assert found == {
        ("clinical", "http", "accepted", 1),
        ("consumer", "sqs", "accepted", 1),
        ("consumer", "s3", "quarantined", 1),
    }
    assert counts.oldest_waiting_s is not None
    assert orjson.loads(counts.json())["recordings"]["waiting_fs"] == 1
    lines = prometheus(counts).splitlines()
    assert 'ecg_inbox_messages{origin_code="consumer",route="sqs",outcome="accepted"} 1' in lines
    assert 'ecg_inbox_recordings{state="ready"} 1' in lines
    assert 'ecg_inbox_quarantined{code="unknown_message_version"} 1' in lines


def test_one_record_read_twice_has_two_recordings(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload("seq-1", calibration=FS_500)))
    receiver.accept(message(payload("seq-2", calibration=FS_500)))
    found = orjson.loads(record_view(engine, "record-1"))["recordings"]
    assert {recording["sequenceId"] for recording in found} == {"seq-1", "seq-2"}


def test_the_migrations_make_the_tables_the_code_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        assert alembic.autogenerate.compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_opening_a_store_again_keeps_it(store_url: str, engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(), "m1"))
    again = open_database(store_url)
    assert known_messages(again, ["m1"]) == {"m1"}
    again.dispose()


def test_a_schema_of_a_later_version_is_refused_by_name(store_url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        (known,) = connection.execute(text("SELECT version_num FROM alembic_version")).one()
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(InconsistentInput):
            open_database(store_url)
    finally:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :known"), {"known": known})


def test_a_damaged_file_is_a_store_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnavailable):
        open_database(f"sqlite:///{tmp_path / 'text.db'}")
    path = tmp_path / "inbox.db"
    engine = open_database(f"sqlite:///{path}")
    with Receiver(engine) as receiver:
        for number in range(20):
            receiver.accept(message(payload(f"seq-{number}")))
    engine.dispose()  # the last connection writes the log back into the file
    whole = bytearray(path.read_bytes())
    whole[2 * 16384 :: 3] = b"\x5a" * len(whole[2 * 16384 :: 3])
    path.write_bytes(whole)
    engine = open_database(f"sqlite:///{path}")
    with Receiver(engine) as receiver, pytest.raises(StoreUnavailable):
        receiver.accept(message(payload("one-more")))
    engine.dispose()


def test_a_store_that_does_not_answer_is_named_so() -> None:
    with pytest.raises(StoreUnavailable):
        open_database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable):
        open_database("sqlite:////nowhere/at/all.db")  # no such directory
