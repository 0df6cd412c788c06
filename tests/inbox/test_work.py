"""Claims, leases, results; and the recording that a worker is given."""

import asyncio
import sys
import threading
import uuid
from datetime import datetime
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from ecg.cardioai.assemble import load
from ecg.cardioai.inbox import Inbox
from ecg.cardioai.receipts import Limits
from ecg.cardioai.receiver import Receiver
from ecg.cardioai.tables import parts
from ecg.cardioai.views import record_view, stats
from ecg.errors import AnalysisLost, MissingLeads, ModelNotReady, Overloaded, RecordingTooLong
from ecg.formats.cardioai_message import Calibration
from ecg.record import EcgRecord
from ecg.store.claims import claim, fail, finish, renew
from ecg.store.database import Engine, open_database, reading, writing
from ecg.store.tables import recordings
from ecg.store.worker import Patience, Worker
from tests.builders.messages import FS_500, message, payload, rows

SCALED = Calibration(500.0, (200.0, 100.0), (1024, -5), ("mV", "uV"), "2020-02-03T04:05:06")


def view(engine: Engine, record_id: str = "record-1") -> dict:
    return orjson.loads(record_view(engine, record_id))["recordings"][0]


def only(engine: Engine, receiver: Receiver, *parts: object) -> EcgRecord:
    for part in parts:
        receiver.accept(message(part))  # type: ignore[arg-type]
    claimed = claim(engine, 60.0, 5)
    assert claimed is not None
    return load(engine, claimed.recording)


def test_parts_become_one_recording_in_millivolt(engine: Engine, receiver: Receiver) -> None:
    data = ["7,1024,-5", "8,1224,95", "9,-32768,-"]
    first = payload(sequence=2, index=1, calibration=SCALED, data=data)
    second = payload(sequence=2, index=2, calibration=SCALED, data=["10,1025,-6"])
    record = only(engine, receiver, second, first)
    in_microvolt = np.array([0.0, 1.0, np.nan, -0.01])
    expected = np.array([[0, 1, np.nan, 0.005], in_microvolt * np.float32(1e-3)], np.float32)
    np.testing.assert_array_equal(record.signal, expected)
    assert (record.leads, record.fs_hz, record.unit, record.name) == (("I", "II"), 500.0, "mV", "record-1")
    assert record.notes == ("2 samples were sent as invalid.",)
    assert view(engine)["acquired"] == "2020-02-03T04:05:06"
    assert record.acquired == datetime(2020, 2, 3, 4, 5, 6)


def test_a_start_time_that_cannot_be_read_is_left_out_with_a_note(engine: Engine, receiver: Receiver) -> None:
    record = only(engine, receiver, payload(calibration=Calibration(fs_hz=500.0, acquired="last Tuesday")))
    assert record.acquired is None
    assert "The start time is not ISO 8601 and was left out." in record.notes


def test_without_a_scale_the_samples_stay_adc_values(engine: Engine, receiver: Receiver) -> None:
    record = only(engine, receiver, payload(calibration=FS_500, data=["0,3,-4", "1,5,6"]))
    np.testing.assert_array_equal(record.signal, np.array([[3, 5], [-4, 6]], np.float32))
    assert record.unit is None


def test_a_recording_goes_to_one_worker_and_is_answered_once(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    first = claim(engine, 60.0, 5)
    assert first is not None
    assert claim(engine, 60.0, 5) is None
    assert finish(engine, first, b'{"a":1}', "w1") is True
    assert finish(engine, first, b'{"a":2}', "w1") is False
    assert view(engine)["state"] == "done"
    assert view(engine)["result"] == {"a": 1}


def test_a_lapsed_lease_is_taken_over_and_the_late_worker_changes_nothing(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    dead = claim(engine, -1.0, 5)
    alive = claim(engine, 60.0, 5)
    assert dead is not None
    assert alive is not None
    assert (alive.attempt, alive.recording) == (2, dead.recording)
    assert renew(engine, dead, 60.0) is False
    assert finish(engine, dead, b'"late"', "w1") is False
    assert fail(engine, dead, "late") is False
    assert finish(engine, alive, b'"right"', "w2") is True
    assert view(engine)["result"] == "right"


def test_a_dead_workers_lease_does_not_outlast_a_clock_that_is_put_back(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    assert claim(engine, 60.0, 5) is not None
    assert claim(engine, 60.0, 5) is None
    with writing(engine) as connection:  # an hour back
        connection.execute(update(recordings).values(lease_until=recordings.c.lease_until + 3600.0))
    assert claim(engine, 60.0, 5) is not None


def test_a_renewed_lease_is_not_taken_over(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    claimed = claim(engine, -1.0, 5)
    assert claimed is not None
    assert renew(engine, claimed, 60.0) is True
    assert claim(engine, 60.0, 5) is None


def test_a_recording_that_takes_workers_down_fails_in_the_end(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    receiver.accept(message(payload("seq-2", calibration=FS_500, record_id="record-2")))
    for _ in range(2):
        assert claim(engine, -1.0, 2) is not None
        assert claim(engine, -1.0, 2) is not None
    assert claim(engine, -1.0, 2) is None
    assert view(engine)["reason"] == "worker_lost: 2 workers ended without a result."
    assert stats(engine).recordings["failed"] == 2


def test_claims_of_many_workers_never_overlap(engine: Engine, receiver: Receiver) -> None:
    for number in range(20):
        receiver.accept(message(payload(f"seq-{number}", calibration=FS_500)))
    claimed: list[str] = []

    def take() -> None:
        while (mine := claim(engine, 60.0, 5)) is not None:
            claimed.append(mine.recording)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # With SKIP LOCKED a worker can find nothing while another's claim of the last rows is uncommitted; none is twice.
    assert len(claimed) == len(set(claimed))
    while (left := claim(engine, 60.0, 5)) is not None:
        claimed.append(left.recording)
    assert sorted(claimed) == sorted(f"seq-{number}" for number in range(20))


def test_a_recording_beyond_the_limits_is_refused_before_its_parts_are_read(engine: Engine, receiver: Receiver) -> None:
    """One that is kept from before the limits were set."""
    receiver.accept(message(payload(calibration=FS_500)))
    with writing(engine) as connection:
        connection.execute(update(parts).values(body=b"not to be read"))
    claimed = claim(engine, 60.0, 5)
    assert claimed is not None
    with pytest.raises(RecordingTooLong):
        load(engine, claimed.recording, Limits(recording_s=0.1))


def test_a_worker_stores_what_the_analysis_says(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    worker = Worker(engine, load, lambda record: orjson.dumps({"samples": record.n_samples}))
    assert [worker.step(), worker.step()] == [True, False]
    assert view(engine)["result"] == {"samples": 100}


def test_a_refused_recording_fails_with_the_reason(engine: Engine, receiver: Receiver) -> None:
    def refuse(_: EcgRecord) -> bytes:
        raise MissingLeads("Missing leads: V1.", "lead_names")

    receiver.accept(message(payload(calibration=FS_500)))
    assert Worker(engine, load, refuse).step() is True
    assert (view(engine)["state"], view(engine)["reason"]) == ("failed", "missing_leads: Missing leads: V1.")


def test_an_invalid_recording_fails_with_the_reason(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=Calibration(fs_hz=10.0))))
    assert Worker(engine, load, lambda _: b"{}").step() is True
    assert view(engine)["reason"].startswith("sampling_rate_out_of_range")


@pytest.mark.parametrize("error", [Overloaded("full"), ModelNotReady("loading")])
def test_a_busy_analysis_does_not_use_up_attempts(engine: Engine, receiver: Receiver, error: Exception) -> None:
    def busy(_: EcgRecord) -> bytes:
        raise error

    receiver.accept(message(payload(calibration=FS_500)))
    for _ in range(3):
        with pytest.raises(type(error)):
            Worker(engine, load, busy, Patience(lease_s=-1.0, max_attempts=1)).step()
    assert view(engine)["state"] == "ready"
    assert Worker(engine, load, lambda _: b"{}", Patience(max_attempts=1)).step() is True
    assert view(engine)["state"] == "done"


def test_a_recording_that_is_always_refused_lets_the_others_pass_and_fails_in_the_end(
    engine: Engine, receiver: Receiver
) -> None:
    def analyse(record: EcgRecord) -> bytes:
        if record.name == "refused":
            raise Overloaded("full")
        return b"{}"

    receiver.accept(message(payload("seq-1", calibration=FS_500, record_id="refused")))
    receiver.accept(message(payload("seq-2", calibration=FS_500, record_id="good")))
    with pytest.raises(Overloaded):
        Worker(engine, load, analyse).step()
    assert [Worker(engine, load, analyse).step(), Worker(engine, load, analyse).step()] == [True, False]
    assert view(engine, "good")["state"] == "done"
    with writing(engine) as connection:
        connection.execute(update(recordings).values(lease_until=None))
    with pytest.raises(Overloaded):
        Worker(engine, load, analyse, Patience(max_refusals=2)).step()
    assert (view(engine, "refused")["state"], view(engine, "refused")["reason"]) == (
        "failed",
        "overloaded: full (2 times)",
    )


def test_a_recording_whose_analysis_is_lost_every_time_fails_with_the_reason(
    engine: Engine, receiver: Receiver
) -> None:
    """A recording that ends the process which analyses it: every attempt counts, as after a fault."""

    def lost(_: EcgRecord) -> bytes:
        raise AnalysisLost("The replica has ended.")

    receiver.accept(message(payload(calibration=FS_500)))
    worker = Worker(engine, load, lost, Patience(lease_s=-1.0, max_attempts=3))
    assert [worker.step() for _ in range(4)] == [True, True, True, False]
    assert (view(engine)["state"], view(engine)["reason"]) == ("failed", "analysis_lost: The replica has ended.")


def test_an_analysis_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """A stuck model: the inbox goes on with the next recording and shuts down in time."""
    url = f"sqlite:///{tmp_path / 'inbox.db'}"
    analysed: list[str | None] = []
    good_done = asyncio.Event()

    async def analyse(record: EcgRecord) -> bytes:
        if record.name == "stuck":
            await asyncio.Event().wait()
        analysed.append(record.name)
        good_done.set()
        return b"{}"

    async def scenario() -> None:
        inbox = Inbox(open_database(url), analyse, Limits(), Patience(analysis_s=0.2))
        await inbox.accept(message(payload("seq-1", calibration=FS_500, record_id="stuck")), None)
        await inbox.accept(message(payload("seq-2", calibration=FS_500, record_id="good")), None)
        await asyncio.wait_for(good_done.wait(), 30.0)
        await inbox.close()

    asyncio.run(scenario())
    assert analysed == ["good"]
    engine = open_database(url)
    assert view(engine, "stuck")["state"] == "ready"
    assert view(engine, "stuck")["reason"] == "analysis_lost: No analysis within 0.2 s."
    engine.dispose()


def crash(_: EcgRecord) -> bytes:
    raise ZeroDivisionError


def test_a_fault_of_ours_leaves_the_recording_to_a_later_attempt(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    assert Worker(engine, load, crash, Patience(lease_s=-1.0)).step() is True
    assert view(engine)["state"] == "ready"
    assert view(engine)["reason"] == "internal_error: ZeroDivisionError in 1 attempts."
    assert Worker(engine, load, lambda _: b"{}").step() is True
    assert (view(engine)["state"], view(engine)["reason"]) == ("done", None)


def test_a_recording_that_fails_every_time_stops_nobody(engine: Engine, receiver: Receiver) -> None:
    def analyse(record: EcgRecord) -> bytes:
        return crash(record) if record.name == "poison" else b"{}"

    receiver.accept(message(payload("seq-1", calibration=FS_500, record_id="poison")))
    receiver.accept(message(payload("seq-2", calibration=FS_500, record_id="good")))
    worker = Worker(engine, load, analyse)
    assert [worker.step() for _ in range(3)] == [True, True, False]  # put off for a lease, not tried at once
    assert view(engine, "good")["state"] == "done"
    receiver.accept(message(payload("seq-3", calibration=FS_500, record_id="poison-2")))
    assert Worker(engine, load, crash, Patience(max_attempts=1)).step() is True
    assert view(engine, "poison-2")["state"] == "failed"
    assert view(engine, "poison-2")["reason"] == "internal_error: ZeroDivisionError in 1 attempts."


def test_any_number_of_lost_recordings_is_closed_in_one_claim(engine: Engine) -> None:
    lost = {"record_id": "r", "origin_id": "o", "first_received_at": 0.0, "last_received_at": 0.0}
    lost |= {"state": "running", "attempts": 5, "ready_at": 0.0, "lease_until": 0.0}
    count = sys.getrecursionlimit() + 1
    with writing(engine) as connection:
        connection.execute(insert(recordings), [lost | {"id": str(number)} for number in range(count)])
    assert claim(engine, 60.0, 5) is None
    assert stats(engine).recordings["failed"] == count


def test_a_long_analysis_renews_its_lease(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    leases: set[float] = set()

    def slow(_: EcgRecord) -> bytes:
        while len(leases) < 3:
            with reading(engine) as connection:
                leases.add(connection.scalars(select(recordings.c.lease_until)).one())
        return b"{}"

    assert Worker(engine, load, slow, Patience(lease_s=0.6)).step() is True
    assert view(engine)["state"] == "done"


def test_a_running_worker_stops_when_told(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    stop = threading.Event()

    def analyse(_: EcgRecord) -> bytes:
        stop.set()
        return b"{}"

    Worker(engine, load, analyse).run(stop)
    assert stats(engine).results == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.data())
def test_any_order_with_any_repeats_makes_the_one_recording(
    engine: Engine, receiver: Receiver, lengths: list[int], data: st.DataObject
) -> None:
    """Parts of any lengths, each sent at least once, in any order, under old or new message ids."""
    sequence_id = str(uuid.uuid4())
    starts = np.cumsum([0, *lengths]).tolist()
    cut = [rows(start, length) for start, length in zip(starts, lengths, strict=False)]
    extra = data.draw(st.lists(st.integers(0, len(cut) - 1), max_size=4))
    order = data.draw(st.permutations([*range(len(cut)), *extra]))
    fresh_ids = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    for position, (k, fresh) in enumerate(zip(order, fresh_ids, strict=True)):
        part = payload(sequence_id, len(cut), k + 1, FS_500, cut[k], record_id=sequence_id)
        receiver.accept(message(part, f"{sequence_id}-{k}-{position if fresh else 0}"))
    claimed = claim(engine, 60.0, 5)
    assert claimed is not None
    assert claimed.recording == sequence_id
    whole = [[int(value) for value in row.split(",")[1:]] for row in rows(0, starts[-1])]
    np.testing.assert_array_equal(load(engine, claimed.recording).signal, np.array(whole, np.float32).T)
    assert claim(engine, 60.0, 5) is None
    assert finish(engine, claimed, b"{}", "w") is True
