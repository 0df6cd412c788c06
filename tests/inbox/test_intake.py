"""Every rule on what a message means for its recording, on SQLite and PostgreSQL."""

import threading
from dataclasses import replace

import orjson
import pytest
import zstandard

from ecg.cardioai.devices import Device, register, registered
from ecg.cardioai.receipts import Limits, Receipt
from ecg.cardioai.receiver import Receiver
from ecg.cardioai.upkeep import give_up_waiting, quarantined, replay
from ecg.cardioai.views import record_view, stats
from ecg.errors import InputTooLarge, MalformedInput, Overloaded, QuotaExceeded, StoreUnavailable
from ecg.formats.cardioai_message import Calibration, Sender
from ecg.store.claims import claim
from ecg.store.database import Engine
from tests.builders.messages import FS_500, message, payload, rows


def view(engine: Engine, record_id: str = "record-1") -> dict:
    return orjson.loads(record_view(engine, record_id))["recordings"][0]


def said(receipt: Receipt) -> tuple[str, str | None]:
    return receipt.outcome, receipt.state


def test_a_whole_recording_of_known_rate_is_ready(engine: Engine, receiver: Receiver) -> None:
    receipt = receiver.accept(message(payload(calibration=FS_500), "m1"))
    assert said(receipt) == ("accepted", "ready")
    assert orjson.loads(receipt.json()) == {
        "messageId": "m1",
        "status": "accepted",
        "sequenceId": "seq-1",
        "index": 1,
        "state": "ready",
        "reason": None,
    }
    assert view(engine)["fs"] == 500.0
    assert view(engine)["fsSource"] == "sender"


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_parts_may_come_in_any_order(engine: Engine, receiver: Receiver, order: tuple[int, ...]) -> None:
    states = [receiver.accept(message(payload(sequence=3, index=index, calibration=FS_500))).state for index in order]
    assert states == ["open", "open", "ready"]


def test_the_same_message_again_is_a_duplicate(engine: Engine, receiver: Receiver) -> None:
    body = message(payload(calibration=FS_500), "m1")
    receiver.accept(body)
    assert said(receiver.accept(body)) == ("duplicate", "ready")
    assert said(receiver.accept(message(payload(calibration=FS_500), "m1", created=99))) == ("duplicate", "ready")
    assert stats(engine).recordings["ready"] == 1


def test_the_same_part_under_a_new_message_id_is_a_duplicate(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500), "m1"))
    assert said(receiver.accept(message(payload(calibration=FS_500), "m2"))) == ("duplicate", "ready")
    counts = {(row.outcome, row.count) for row in stats(engine).messages}
    assert counts == {("accepted", 1), ("duplicate", 1)}


def test_a_part_with_other_samples_is_quarantined_and_the_first_kept(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500)))
    receipt = receiver.accept(message(payload(calibration=FS_500, data=rows(0, 100, offset=1))))
    assert receipt.outcome == "quarantined"
    assert [entry.code for entry in quarantined(engine)] == ["conflicting_part"]
    assert view(engine)["state"] == "ready"


def test_a_message_id_with_another_content_is_quarantined(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(calibration=FS_500), "m1"))
    other = message(payload("seq-2", calibration=FS_500), "m1")
    assert receiver.accept(other).outcome == "quarantined"
    assert receiver.accept(other).outcome == "quarantined"
    assert [entry.code for entry in quarantined(engine)] == ["message_id_reused"]


@pytest.mark.parametrize(
    ("second", "field"),
    [
        (payload(sequence=3, index=2), "sequence"),
        (payload(sequence=2, index=2, headers="INDEX,I,III"), "headers"),
        (payload(sequence=2, index=2, record_id="record-2"), "recordId"),
        (payload(sequence=2, index=2, customer_id="another patient"), "customerId"),
        (payload(sequence=2, index=2, device_id="another device"), "deviceId"),
        (payload(sequence=2, index=2, calibration=Calibration(fs_hz=250.0)), "fs"),
        (payload(sequence=2, index=2, calibration=Calibration(gain=(1.0, 2.0))), "gain"),
    ],
)
def test_a_part_that_disagrees_with_the_others_is_quarantined(
    engine: Engine, receiver: Receiver, second: object, field: str
) -> None:
    known = Calibration(fs_hz=500.0, gain=(1.0, 1.0))
    receiver.accept(message(payload(sequence=2, index=1, calibration=known)))
    receipt = receiver.accept(message(second))  # type: ignore[arg-type]
    assert receipt.outcome == "quarantined"
    assert receipt.reason is not None
    assert receipt.reason.startswith(f"inconsistent_part: {field} ")


@pytest.mark.parametrize(
    ("index", "first", "reason"),
    [
        (3, 201, "index_gap: Part 3 starts at sample 201, but the part before it ends at 199."),
        (3, 199, "index_gap: Part 3 starts at sample 199, but the part before it ends at 199."),
        (1, 1, "index_gap: Part 1 ends at sample 100, but the part after it starts at 100."),
    ],
)
def test_a_part_that_does_not_continue_its_neighbour_is_quarantined_and_the_right_one_still_fits(
    engine: Engine, receiver: Receiver, index: int, first: int, reason: str
) -> None:
    receiver.accept(message(payload(sequence=3, index=2, calibration=FS_500)))
    receipt = receiver.accept(message(payload(sequence=3, index=index, calibration=FS_500, data=rows(first, 100))))
    assert (receipt.outcome, receipt.reason) == ("quarantined", reason)
    assert [entry.code for entry in quarantined(engine)] == ["index_gap"]
    states = [receiver.accept(message(payload(sequence=3, index=part, calibration=FS_500))).state for part in (1, 3)]
    assert states == ["open", "ready"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"data": ["0,1,2", "1,1"]}, "malformed_input"),
        ({"data": ["0,1,2", "1,1,x"]}, "malformed_input"),
        ({"data": ["0,1,2", "2,1,1"]}, "malformed_input"),
        ({"data": []}, "malformed_input"),
        ({"index": 0}, "malformed_input"),
        ({"index": 2}, "malformed_input"),
        ({"sequence": 0}, "malformed_input"),
        ({"headers": "TIME,I,II"}, "malformed_input"),
        ({"record_id": None}, "malformed_input"),
    ],
)
def test_a_bad_payload_is_kept_with_its_reason(engine: Engine, receiver: Receiver, changes: dict, code: str) -> None:
    receipt = receiver.accept(message(replace(payload(), **changes), "m1"))
    assert receipt.outcome == "quarantined"
    (entry,) = quarantined(engine)
    assert (entry.code, entry.message_id) == (code, "m1")
    assert stats(engine).recordings["open"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"messageVersion": "2"},
        {"messageVersion": 2.5},
        {"messageVersion": None},
        {"messageType": 7},
        {"originCode": {}},
        {"originId": "x" * 129},
        {"deviceCode": "a\nb"},
    ],
)
def test_a_bad_outer_field_is_kept_with_its_reason(engine: Engine, receiver: Receiver, changes: dict) -> None:
    """The original sender never sends again what was refused: whatever has a key is kept."""
    receipt = receiver.accept(message(payload(), "m1", **changes))
    assert (receipt.outcome, receipt.message_id) == ("quarantined", "m1")
    (entry,) = quarantined(engine)
    assert entry.code == "malformed_input"
    assert next(iter(changes)) in entry.reason


@pytest.mark.parametrize("changes", [{"messageVersion": 3}, {"messageType": "cardioai.eeg.data"}])
def test_an_unknown_version_or_type_is_kept_with_its_reason(engine: Engine, receiver: Receiver, changes: dict) -> None:
    assert receiver.accept(message(payload(), **changes)).outcome == "quarantined"
    assert [entry.code for entry in quarantined(engine)] == ["unknown_message_version"]


def test_a_foreign_origin_code_is_kept_with_its_reason(engine: Engine, receiver: Receiver) -> None:
    receipt = receiver.accept(message(payload(), originCode="a-home-for-sick-robots"))
    assert receipt.outcome == "quarantined"
    assert quarantined(engine)[0].reason == "Unknown origin code. (originCode)"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"messageId": "m"}',
        message(payload(), messageId=None),
        message(payload(), payload=[]),
    ],
)
def test_what_has_no_key_to_keep_it_under_is_refused(receiver: Receiver, body: bytes) -> None:
    with pytest.raises(MalformedInput):
        receiver.accept(body)


def test_a_message_above_the_limit_is_refused(engine: Engine) -> None:
    with Receiver(engine, Limits(max_message_bytes=1000)) as receiver, pytest.raises(InputTooLarge):
        receiver.accept(message(payload()))


def test_without_a_rate_the_recording_waits_and_the_address_can_tell(engine: Engine, receiver: Receiver) -> None:
    assert said(receiver.accept(message(payload()))) == ("accepted", "waiting_fs")
    assert view(engine)["reason"].startswith("unknown_fs")
    assert said(receiver.accept(message(payload()), fs_hz=360.0)) == ("duplicate", "ready")
    assert (view(engine)["fs"], view(engine)["reason"]) == (360.0, None)


def test_the_address_states_the_rate(engine: Engine, receiver: Receiver) -> None:
    assert said(receiver.accept(message(payload()), fs_hz=250.0)) == ("accepted", "ready")
    assert view(engine)["fs"] == 250.0


def test_a_rate_that_contradicts_the_message_is_quarantined(engine: Engine, receiver: Receiver) -> None:
    assert receiver.accept(message(payload(calibration=FS_500)), fs_hz=360.0).outcome == "quarantined"
    assert [entry.code for entry in quarantined(engine)] == ["fs_contradiction"]


@pytest.mark.parametrize("message_id", ["m1", "m2"])
@pytest.mark.parametrize(
    ("repeated", "fs_hz"),
    [
        (payload(calibration=Calibration(fs_hz=250.0)), None),
        (payload(calibration=FS_500, record_id="record-2"), None),
        (payload(calibration=FS_500), 250.0),
    ],
)
def test_the_same_samples_with_another_statement_are_no_duplicate(
    engine: Engine, receiver: Receiver, repeated: object, fs_hz: float | None, message_id: str
) -> None:
    receiver.accept(message(payload(calibration=FS_500), "m1"))
    again = message(repeated, message_id)  # type: ignore[arg-type]
    assert receiver.accept(again, fs_hz=fs_hz).outcome == "quarantined"
    assert receiver.accept(again, fs_hz=fs_hz).outcome == "quarantined"
    assert len(quarantined(engine)) == 1
    assert view(engine)["fs"] == 500.0


def test_what_either_part_leaves_out_does_not_contradict(receiver: Receiver) -> None:
    receiver.accept(message(payload(sequence=2, customer_id=None), "m1", deviceCode=None))
    assert receiver.accept(message(payload(sequence=2, index=2, device_id=None))).outcome == "accepted"


def test_a_quarantined_message_sent_again_to_the_right_address_is_accepted(engine: Engine, receiver: Receiver) -> None:
    body = message(payload(calibration=FS_500), "m1")
    assert receiver.accept(body, fs_hz=360.0).outcome == "quarantined"
    assert said(receiver.accept(body, fs_hz=500.0)) == ("accepted", "ready")
    assert said(receiver.accept(body, fs_hz=500.0)) == ("duplicate", "ready")
    assert quarantined(engine) == []


def test_a_refusal_for_quota_leaves_the_quarantine_as_it_is(engine: Engine) -> None:
    body = message(payload("seq-2", sequence=2, calibration=FS_500), "m2")
    with Receiver(engine, Limits(open_recordings_per_origin=1)) as receiver:
        receiver.accept(body, fs_hz=360.0)
        receiver.accept(message(payload("seq-1", sequence=2)))
        with pytest.raises(QuotaExceeded):
            receiver.accept(body)
    assert [entry.message_id for entry in quarantined(engine)] == ["m2"]


@pytest.mark.parametrize("fs_hz", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(receiver: Receiver, fs_hz: float) -> None:
    with pytest.raises(MalformedInput):
        receiver.accept(message(payload()), fs_hz=fs_hz)


def test_the_registry_tells_the_rate_before_and_after(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload()))
    assert register(engine, Device("OTHER", 100.0)) == 0
    assert register(engine, Device("D3F153", 360.0, 200.0, 1024, "mV")) == 1
    assert (view(engine)["state"], view(engine)["fs"], view(engine)["fsSource"]) == ("ready", 360.0, "device")
    receipt = receiver.accept(message(payload("seq-2", record_id="record-2")))
    assert said(receipt) == ("accepted", "ready")
    assert receiver.accept(message(payload("seq-3", calibration=FS_500))).state == "ready"
    assert view(engine)["fsSource"] == "sender"


def test_missing_parts_make_it_incomplete_and_a_late_part_reopens_it(engine: Engine, receiver: Receiver) -> None:
    receiver.accept(message(payload(sequence=3, index=2, calibration=FS_500)))
    assert give_up_waiting(engine, idle_s=3600.0) == 0
    assert give_up_waiting(engine, idle_s=-1.0) == 1
    assert (view(engine)["state"], view(engine)["missing"]) == ("incomplete", [1, 3])
    assert receiver.accept(message(payload(sequence=3, index=1, calibration=FS_500))).state == "open"
    assert receiver.accept(message(payload(sequence=3, index=3, calibration=FS_500))).state == "ready"


def test_an_origin_may_not_leave_too_much_unfinished(engine: Engine) -> None:
    with Receiver(engine, Limits(open_recordings_per_origin=2)) as receiver:
        for number in range(2):
            receiver.accept(message(payload(f"seq-{number}", sequence=2)))
        with pytest.raises(Overloaded) as refusal:
            receiver.accept(message(payload("seq-3", sequence=2)))
        assert refusal.value.retry_after_s == 60.0
        assert receiver.accept(message(payload("seq-1", sequence=2, index=2))).outcome == "accepted"
        other = Sender("origin-2", "consumer", "D3F153")
        assert receiver.accept(message(payload("seq-4", sequence=2), sender=other)).outcome == "accepted"


def test_an_open_recording_may_not_grow_beyond_its_origins_bytes_but_can_be_completed(engine: Engine) -> None:
    bodies = [message(payload(sequence=3, index=index, calibration=FS_500)) for index in (1, 2, 3)]
    with Receiver(engine, Limits(open_bytes_per_origin=2 * len(bodies[0]))) as receiver:
        receiver.accept(bodies[0])
        receiver.accept(bodies[1])
        with pytest.raises(QuotaExceeded):
            receiver.accept(message(payload("seq-2", sequence=2)))
        assert receiver.accept(bodies[2]).state == "ready"
        receiver.accept(message(payload("seq-2", sequence=4)))
        receiver.accept(message(payload("seq-2", sequence=4, index=2)))
        with pytest.raises(QuotaExceeded):
            receiver.accept(message(payload("seq-2", sequence=4, index=3)))


def test_recordings_given_up_leave_room_for_others(engine: Engine) -> None:
    with Receiver(engine, Limits(open_recordings_per_origin=1)) as receiver:
        receiver.accept(message(payload("seq-1", sequence=2)))
        give_up_waiting(engine, idle_s=-1.0)
        assert receiver.accept(message(payload("seq-2", sequence=2))).outcome == "accepted"


def test_a_recording_of_hours_is_quarantined_at_the_part_that_is_too_much(engine: Engine) -> None:
    """Each part holds one second of two leads at 100 Hz."""
    slow = Calibration(fs_hz=100.0)
    with Receiver(engine, Limits(recording_s=3.0)) as receiver:
        receipts = [receiver.accept(message(payload(sequence=6, index=k, calibration=slow))) for k in range(1, 7)]
    assert [receipt.outcome for receipt in receipts] == ["accepted"] * 3 + ["quarantined"] * 3
    assert receipts[3].reason == "recording_too_long: 4 s are more than 3 s."
    assert (view(engine)["state"], view(engine)["missing"]) == ("open", [4, 5, 6])
    assert claim(engine, 60.0, 5) is None


@pytest.mark.parametrize("device", [False, True])
def test_a_rate_that_comes_later_shows_that_a_recording_is_too_long(engine: Engine, device: bool) -> None:
    limits = Limits(recording_s=3.0)
    with Receiver(engine, limits) as receiver:
        whole = message(payload(data=rows(0, 400)))
        assert receiver.accept(whole).state == "waiting_fs"
        if device:
            register(engine, Device("D3F153", 100.0), limits)
        else:
            receipt = receiver.accept(whole, fs_hz=100.0)
            assert (receipt.state, receipt.reason) == ("failed", "recording_too_long: 4 s are more than 3 s.")
    assert (view(engine)["state"], view(engine)["fs"]) == ("failed", 100.0)
    assert claim(engine, 60.0, 5) is None


def test_without_a_rate_the_number_of_samples_is_bounded(engine: Engine) -> None:
    with Receiver(engine, Limits(recording_samples=2 * 250)) as receiver:
        receipts = [receiver.accept(message(payload(sequence=4, index=index))) for index in (1, 2, 3)]
    assert [receipt.outcome for receipt in receipts] == ["accepted", "accepted", "quarantined"]
    assert receipts[2].reason == "recording_too_long: 600 samples are more than 500."


def test_an_origin_has_a_share_of_the_quarantine(engine: Engine) -> None:
    bad = [message(payload(f"seq-{number}"), f"m{number}", messageVersion=9) for number in range(4)]
    with Receiver(engine, Limits(quarantined_per_origin=3)) as receiver:
        for body in bad[:3]:
            receiver.accept(body)
        with pytest.raises(QuotaExceeded):
            receiver.accept(bad[3])
        assert receiver.accept(bad[0]).outcome == "quarantined"  # it is kept already
        other = Sender("origin-2", "consumer", "D3F153")
        assert receiver.accept(message(payload(), sender=other, messageVersion=9)).outcome == "quarantined"
        assert receiver.accept(message(payload(calibration=FS_500))).state == "ready"
    assert len(quarantined(engine)) == 4


def test_quarantined_bytes_are_bounded_and_room_is_made_by_a_replay(engine: Engine) -> None:
    bad = [message(payload(f"seq-{number}", sequence=3, calibration=FS_500)) for number in range(2)]
    kept_bytes = len(zstandard.compress(bad[0], level=1))
    with Receiver(engine, Limits(max_parts=2, quarantined_bytes_per_origin=kept_bytes + 10)) as receiver:
        receiver.accept(bad[0])
        with pytest.raises(QuotaExceeded):
            receiver.accept(bad[1])
        replay(engine, quarantined(engine)[0].id, Limits(max_parts=3))
        assert receiver.accept(bad[1]).outcome == "quarantined"


def test_a_recording_has_a_largest_size(engine: Engine) -> None:
    first = message(payload(sequence=2, calibration=FS_500))
    with Receiver(engine, Limits(recording_bytes=len(first) + 1)) as receiver:
        receiver.accept(first)
        receipt = receiver.accept(message(payload(sequence=2, index=2, calibration=FS_500)))
    assert (receipt.outcome, quarantined(engine)[0].code) == ("quarantined", "recording_too_large")


@pytest.mark.parametrize(
    "device",
    [
        Device("D", float("inf")),
        Device("D", float("nan")),
        Device("D", -1.0),
        Device("", 500.0),
        Device("x" * 129, 500.0),
        Device("D", 500.0, 200.0),
        Device("D", 500.0, 0.0, 0, "mV"),
        Device("D", 500.0, float("nan"), 0, "mV"),
        Device("D", 500.0, 1.0, 2**31, "mV"),
        Device("D", 500.0, 1.0, 0, "m" * 17),
        Device("D", 500.0, 1.0, 0, ""),
    ],
)
def test_a_device_that_no_recording_can_have_is_refused(engine: Engine, device: Device) -> None:
    with pytest.raises(MalformedInput):
        register(engine, device)
    assert registered(engine) == []


def test_too_many_parts_are_quarantined(engine: Engine) -> None:
    with Receiver(engine, Limits(max_parts=10)) as receiver:
        assert receiver.accept(message(payload(sequence=11))).outcome == "quarantined"


def test_one_refusal_in_a_group_commit_leaves_the_others_untouched(engine: Engine) -> None:
    """Many senders at once, one over its quota and one resending: each gets its own answer."""
    answers: dict[int, str] = {}
    with Receiver(engine, Limits(open_recordings_per_origin=1)) as receiver:
        receiver.accept(message(payload("seq-a", sequence=2)))

        def send(number: int) -> None:
            own = Sender(f"sender-{number}" if number != 7 else "origin-1", "clinical", "D")
            try:
                body = message(payload(f"seq-{number // 2 if number < 6 else number}", sequence=2), sender=own)
                answers[number] = receiver.accept(body).outcome
            except Overloaded:
                answers[number] = "overloaded"

        threads = [threading.Thread(target=send, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers[7] == "overloaded"
    first_six = sorted(answers[number] for number in range(6))
    assert first_six == ["accepted"] * 3 + ["duplicate"] * 3
    assert [answers[number] for number in (6, *range(8, 16))] == ["accepted"] * 9


def test_a_closed_receiver_refuses_at_once(engine: Engine) -> None:
    with Receiver(engine) as receiver:
        pass
    with pytest.raises(StoreUnavailable):
        receiver.accept(message(payload()))


def test_two_nodes_taking_parts_of_the_same_recordings_agree(store_url: str, engine: Engine) -> None:
    """Two receivers on one store, both sent everything, in opposite orders: every part counts once."""
    from ecg.store.database import open_database

    other_engine = open_database(store_url)
    bodies = [
        message(payload(f"seq-{s}", sequence=4, index=i, calibration=FS_500, record_id=f"r{s}"))
        for s in range(8)
        for i in range(1, 5)
    ]
    outcomes: list[str] = []

    def send(receiver: Receiver, mine: list[bytes]) -> None:
        outcomes.extend(receiver.accept(body).outcome for body in mine)

    with Receiver(engine) as one, Receiver(other_engine) as two:
        threads = [
            threading.Thread(target=send, args=(node, order[k::4]))
            for node, order in ((one, bodies), (two, bodies[::-1]))
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    other_engine.dispose()
    assert sorted(outcomes) == ["accepted"] * 32 + ["duplicate"] * 32
    assert stats(engine).recordings["ready"] == 8
