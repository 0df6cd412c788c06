"""The bus over real sockets: moto's server, with a fault proxy before it where faults are wanted.

moto proves the shape of the calls and the routing; it proves nothing about AWS's durability, throttling or IAM.
"""

import base64
import dataclasses
import hashlib
import json
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import urllib3
from moto.server import ThreadedMotoServer

from benchmarks.service import free_port
from ecg.cardioai.bus.consumer import (
    Consumer,
    Reconciled,
    Stored,
    depths,
    objects,
    open_queue_body,
    reconcile,
    redrive,
)
from ecg.cardioai.bus.layout import MAX_RECEIVES, Clients, Layout, connect, queue_url, set_up, verify
from ecg.cardioai.bus.sender import BusAdapter, entry_bytes, object_key
from ecg.cardioai.receiver import Receiver
from ecg.cardioai.sender.delivery import NotDelivered, Outgoing, Refused
from ecg.cardioai.views import known_messages, stats
from ecg.cli import main
from ecg.cli.metrics_page import MetricsPage
from ecg.errors import BusError, MalformedInput, Overloaded, QuotaExceeded, StoreUnavailable
from ecg.formats.cardioai_message import Sender, encode_payload
from ecg.store.database import open_database
from tests.builders.command import bus, exit_status, relay
from tests.builders.fault_proxy import proxy_to
from tests.builders.messages import FS_500, message, payload, rows

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "cardioai-samples"
CONSUMER = Sender("origin-2", "consumer", "W1")


@pytest.fixture(scope="module")
def moto() -> Iterator[int]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture(scope="module")
def connected(moto: int) -> Iterator[Clients]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield connect("eu-central-1", f"http://127.0.0.1:{moto}", timeout_s=5.0)


@pytest.fixture
def aws(moto: int, connected: Clients) -> str:
    """An empty account's endpoint."""
    urllib3.request("POST", f"http://127.0.0.1:{moto}/moto-api/reset")
    return f"http://127.0.0.1:{moto}"


@pytest.fixture
def layout() -> Layout:
    return Layout("ecg-messages")


@pytest.fixture
def clients(aws: str, connected: Clients, layout: Layout) -> Clients:
    """Everything set up."""
    set_up(connected, layout)
    return connected


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    engine = open_database(f"sqlite:///{tmp_path / 'inbox.db'}")
    with Receiver(engine) as receiver:
        yield receiver
    engine.dispose()


def adapter(clients: Clients, layout: Layout, inline_max_bytes: int = 262_144) -> BusAdapter:
    return BusAdapter(clients, layout.secondary_bus, layout.primary_bus, layout.bucket, inline_max_bytes)


def outgoing(message_id: str, sequence_id: str, sender: Sender | None = None, n_rows: int = 100) -> Outgoing:
    part = payload(sequence_id, calibration=FS_500, data=rows(0, n_rows))
    body = message(part, message_id, sender) if sender else message(part, message_id)
    return Outgoing(body, message_id, sender.origin_code if sender else "clinical")


def test_set_up_can_be_repeated_and_verify_sees_what_is_missing(aws: str, layout: Layout) -> None:
    clients = connect("eu-central-1", aws)
    assert len(verify(clients, layout)) == 9
    set_up(clients, layout)
    set_up(clients, layout)
    assert verify(clients, layout) == []
    clients.events.remove_targets(Rule="cardioai-clinical", EventBusName=layout.primary_bus, Ids=["queue"])
    clients.events.put_rule(
        Name="cardioai-consumer", EventBusName=layout.secondary_bus, EventPattern='{"source":["other"]}'
    )
    clients.sqs.set_queue_attributes(
        QueueUrl=queue_url(clients, "cardioai-clinical"),
        Attributes={"RedrivePolicy": ""},
    )
    clients.sqs.set_queue_attributes(QueueUrl=queue_url(clients, "cardioai-consumer"), Attributes={"Policy": ""})
    clients.sqs.set_queue_attributes(
        QueueUrl=queue_url(clients, "cardioai-consumer-dead"), Attributes={"MaximumMessageSize": "1024"}
    )
    assert verify(clients, layout) == [
        "queue cardioai-clinical is not as set up",
        "queue cardioai-consumer is not as set up",
        "queue cardioai-consumer-dead is not as set up",
        "rule cardioai-clinical on cardioai-primary is not as set up",
        "rule cardioai-consumer on cardioai-secondary is not as set up",
    ]
    set_up(clients, layout)
    assert verify(clients, layout) == []


def test_messages_reach_the_inbox_by_both_routes_and_their_own_queue(
    clients: Clients, layout: Layout, receiver: Receiver
) -> None:
    send = adapter(clients, layout, inline_max_bytes=3000).send
    assert send(outgoing("m1", "seq-1")) == "inline"
    assert send(outgoing("m2", "seq-2", n_rows=500)) == "s3"
    assert send(outgoing("m3", "seq-3", CONSUMER)) == "inline"
    assert send(outgoing("m4", "seq-4", CONSUMER, n_rows=500)) == "s3"
    consumer = Consumer(clients, layout, receiver.accept)
    assert consumer.poll("clinical", 0) == 2
    assert known_messages(receiver.engine, ["m1", "m2", "m3", "m4"]) == {"m1", "m2"}
    assert consumer.poll("consumer", 0) == 2
    assert consumer.counts == {"sqs": 2, "s3": 2}
    found = {(row.origin_code, row.route, row.outcome, row.count) for row in stats(receiver.engine).messages}
    assert found == {
        ("clinical", "sqs", "accepted", 1),
        ("clinical", "s3", "accepted", 1),
        ("consumer", "sqs", "accepted", 1),
        ("consumer", "s3", "accepted", 1),
    }
    assert depths(clients, layout) == {
        code: {"waiting": 0, "in_work": 0, "dead": 0} for code in ("clinical", "consumer")
    }


def test_the_limit_is_strict_and_counts_what_is_sent(clients: Clients, layout: Layout) -> None:
    one = outgoing("m1", "seq-1")
    size = entry_bytes(one.body, "cardioai.esb")
    assert size == len(one.body) + 20
    assert adapter(clients, layout, size + 1).send(one) == "inline"
    assert adapter(clients, layout, size).send(one) == "s3"
    with pytest.raises(MalformedInput):
        adapter(clients, layout, 1_048_576)


def test_a_large_message_without_a_bucket_is_refused(clients: Clients, layout: Layout) -> None:
    with pytest.raises(Refused):
        BusAdapter(clients, layout.secondary_bus, inline_max_bytes=1024).send(outgoing("m1", "seq-1"))


def test_a_large_message_lies_under_a_key_of_its_id_and_hash_with_a_checksum(clients: Clients, layout: Layout) -> None:
    one = outgoing("m1", "seq-1")
    sent: list[dict] = []
    clients.s3.meta.events.register("before-sign.s3.PutObject", lambda request, **_: sent.append(dict(request.headers)))
    send = adapter(clients, layout, 1024).send
    assert [send(one), send(one)] == ["s3", "s3"]
    (found,) = clients.s3.list_objects_v2(Bucket=layout.bucket)["Contents"]
    assert found["Key"] == object_key(one)[0]
    assert clients.s3.get_object(Bucket=layout.bucket, Key=found["Key"])["Body"].read() == one.body
    digest = base64.b64encode(hashlib.sha256(one.body).digest()).decode()
    assert [(headers["x-amz-checksum-sha256"], headers["If-None-Match"]) for headers in sent] == [(digest, "*")] * 2


@pytest.mark.parametrize("fault", ["503", "reset", "hang", "lost", "failed entry"])
def test_each_failure_on_the_way_is_seen_and_can_be_retried(
    aws: str, clients: Clients, layout: Layout, receiver: Receiver, fault: str
) -> None:
    assert clients.events.meta.region_name == "eu-central-1"
    with proxy_to(int(aws.rpartition(":")[2])) as proxy:
        through = connect("eu-central-1", f"http://127.0.0.1:{proxy.port}", timeout_s=1.0)
        sender = adapter(through, layout)
        proxy.faults = [fault]
        with pytest.raises(NotDelivered):
            sender.send(outgoing("m1", "seq-1"))
        assert sender.send(outgoing("m1", "seq-1")) == "inline"
    consumer = Consumer(clients, layout, receiver.accept)
    assert consumer.poll("clinical", 0) == (2 if fault == "lost" else 1)
    assert stats(receiver.engine).recordings["ready"] == 1


def test_an_endpoint_that_nobody_listens_on_may_listen_later(clients: Clients, layout: Layout) -> None:
    nobody = connect("eu-central-1", "http://127.0.0.1:1", timeout_s=1.0)
    with pytest.raises(NotDelivered):
        adapter(nobody, layout).send(outgoing("m1", "seq-1"))
    with pytest.raises(NotDelivered):
        adapter(nobody, layout, 1024).send(outgoing("m1", "seq-1"))


def test_a_rejected_entry_and_a_missing_bus_are_final(clients: Clients, layout: Layout) -> None:
    with pytest.raises(Refused):
        adapter(clients, layout).send(Outgoing(b"not json", "m1", "clinical"))
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        BusAdapter(clients, "no-such-bus").send(outgoing("m1", "seq-1"))


def test_the_relay_sends_through_the_bus(
    aws: str,
    clients: Clients,
    layout: Layout,
    receiver: Receiver,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = tmp_path / "payloads"
    source.mkdir()
    for number in range(4):
        part = payload(f"seq-{number}", calibration=FS_500, data=rows(0, 100 if number % 2 else 5000))
        (source / f"{number}.json").write_bytes(encode_payload(part))
    with proxy_to(int(aws.rpartition(":")[2])) as proxy:
        proxy.faults = ["none", "503", "none", "reset", "lost"]
        status = main(
            [
                *relay(source, "ESB", layout.secondary_bus, "D", "--primary-bus", layout.primary_bus),
                *("--bucket", layout.bucket, "--inline-max", "20000", "--region", "eu-central-1"),
                *("--endpoint", f"http://127.0.0.1:{proxy.port}"),
            ]
        )
    figures = orjson.loads(capsys.readouterr().out)
    assert (status, figures["outcomes"], sum(figures["retries"].values())) == (0, {"inline": 2, "s3": 2}, 3)
    consumer = Consumer(clients, layout, receiver.accept)
    while consumer.poll("clinical", 0):
        pass
    assert stats(receiver.engine).recordings["ready"] == 4


def test_an_outage_of_the_inbox_makes_no_dead_letters(
    clients: Clients, layout: Layout, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than all tries of a message: it waits with the consumer, hidden, and is kept in the end."""
    monkeypatch.setattr("ecg.cardioai.bus.consumer.PAUSE_S", 0.0)
    tries = iter(range(3 * MAX_RECEIVES))

    def out_of_order(body: bytes, route: str) -> None:
        if next(tries, None) is not None:
            raise StoreUnavailable("The durable store does not answer.")
        receiver.accept(body, route)

    _forget_at_once(clients, layout)
    for number in range(3):
        adapter(clients, layout).send(outgoing(f"m{number}", f"seq-{number}"))
    consumer = Consumer(clients, layout, out_of_order)
    assert consumer.poll("clinical", 0) == 3
    assert known_messages(receiver.engine, ["m0", "m1", "m2"]) == {"m0", "m1", "m2"}
    assert sum(depths(clients, layout)["clinical"].values()) == 0
    assert consumer.counts == {"later": 3 * MAX_RECEIVES, "sqs": 3}


def test_a_waiting_consumer_ends_when_told_and_its_message_stays(clients: Clients, layout: Layout) -> None:
    def full(_: bytes, __: str) -> None:
        stop.set()
        raise Overloaded("full")

    stop = threading.Event()
    adapter(clients, layout).send(outgoing("m1", "seq-1"))
    assert Consumer(clients, layout, full, stop).poll("clinical", 0) == 1
    assert depths(clients, layout)["clinical"] == {"waiting": 0, "in_work": 1, "dead": 0}


def test_one_origins_quota_does_not_hold_up_the_others(clients: Clients, layout: Layout, receiver: Receiver) -> None:
    def limited(body: bytes, route: str) -> None:
        if b"seq-0" in body:
            raise QuotaExceeded("too much", retry_after_s=60.0)
        receiver.accept(body, route)

    for number in range(2):
        adapter(clients, layout).send(outgoing(f"m{number}", f"seq-{number}"))
    consumer = Consumer(clients, layout, limited)
    assert consumer.poll("clinical", 0) == 2
    assert consumer.counts == {"quota_exceeded": 1, "sqs": 1}
    assert depths(clients, layout)["clinical"]["in_work"] == 1


def test_a_storage_that_is_away_makes_no_dead_letters_and_a_lost_object_does(
    aws: str, clients: Clients, layout: Layout, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecg.cardioai.bus.consumer.PAUSE_S", 0.0)
    adapter(clients, layout, 1024).send(outgoing("m1", "seq-1"))
    with proxy_to(int(aws.rpartition(":")[2])) as proxy:
        through = connect("eu-central-1", f"http://127.0.0.1:{proxy.port}", timeout_s=1.0)
        proxy.faults = ["503", "reset"]
        away = Consumer(dataclasses.replace(clients, s3=through.s3), layout, receiver.accept)
        assert away.poll("clinical", 0) == 1
    assert away.counts == {"later": 2, "s3": 1}
    adapter(clients, layout, 1024).send(outgoing("m2", "seq-2"))
    clients.s3.delete_object(Bucket=layout.bucket, Key=object_key(outgoing("m2", "seq-2"))[0])
    consumer = Consumer(clients, layout, receiver.accept)
    consumer.poll("clinical", 0)
    assert consumer.counts == {"bus_error": 1}


def test_what_cannot_be_kept_becomes_a_dead_letter_and_can_be_redriven(
    clients: Clients, layout: Layout, receiver: Receiver
) -> None:
    event = {"source": "cardioai", "detail-type": "cardioai.esb", "detail": {"no": "message"}}
    url = queue_url(clients, layout.queue("clinical"))
    clients.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
    consumer = Consumer(clients, layout, receiver.accept)
    _forget_at_once(clients, layout)
    for _ in range(MAX_RECEIVES):
        assert consumer.poll("clinical", 0) == 1
    assert consumer.poll("clinical", 0) == 0
    assert consumer.counts == {"malformed_input": MAX_RECEIVES}
    assert depths(clients, layout)["clinical"]["dead"] == 1
    assert redrive(clients, layout) == 1
    assert depths(clients, layout)["clinical"] == {"waiting": 1, "in_work": 0, "dead": 0}


def test_an_object_whose_notification_was_lost_is_found(
    aws: str, clients: Clients, layout: Layout, receiver: Receiver
) -> None:
    """The object is stored, then the process dies or the primary bus refuses for good."""
    broken = BusAdapter(clients, layout.secondary_bus, "no-such-bus", layout.bucket, 1024)
    with pytest.raises(Refused):
        broken.send(outgoing("m1", "seq-1"))
    adapter(clients, layout, 1024).send(outgoing("m2", "seq-2"))
    Consumer(clients, layout, receiver.accept).poll("clinical", 0)

    def known(ids: list[str]) -> set[str]:
        return known_messages(receiver.engine, ids)

    def reconciled(*ages: float) -> Reconciled:
        return reconcile(clients, layout, objects(clients, layout, *ages), known, receiver.accept)

    assert reconciled(3600.0) == Reconciled(0, 0, 0)
    assert reconciled(-60.0, -1.0) == Reconciled(0, 0, 0)  # as old as what retention has deleted
    assert reconciled(-60.0, 3600.0) == Reconciled(2, 1, 0)
    assert reconciled(-60.0) == Reconciled(2, 0, 0)
    assert known(["m1", "m2"]) == {"m1", "m2"}
    clients.s3.put_object(Bucket=layout.bucket, Key=f"clinical/a/{'0' * 64}.json", Body=b"damaged")
    broken_again = outgoing("m3", "seq-3")
    with pytest.raises(Refused):
        broken.send(broken_again)
    assert reconciled(-60.0) == Reconciled(4, 1, 1)
    assert known(["m3"]) == {"m3"}


def test_a_changed_object_or_a_foreign_bucket_is_not_kept(clients: Clients, layout: Layout, receiver: Receiver) -> None:
    one = outgoing("m1", "seq-1")
    adapter(clients, layout, 1024).send(one)
    clients.s3.put_object(Bucket=layout.bucket, Key=object_key(one)[0], Body=one.body + b" ")
    consumer = Consumer(clients, layout, receiver.accept)
    consumer.poll("clinical", 0)
    notice = {"bucket": "elsewhere", "key": "k", "sha256": "0"}
    event = {"source": "cardioai", "detail-type": "cardioai.esb.object", "detail": notice}
    url = queue_url(clients, layout.queue("clinical"))
    clients.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
    consumer.poll("clinical", 0)
    assert consumer.counts == {"malformed_input": 2}
    assert stats(receiver.engine).messages == ()


@pytest.mark.shared
@pytest.mark.skipif(not SAMPLES.is_dir(), reason="../shared/cardioai-samples is absent")
def test_real_queue_bodies_are_understood() -> None:
    inline = open_queue_body((SAMPLES / "moto-sqs-body-eventbridge-envelope.json").read_text())
    assert isinstance(inline, bytes)
    assert orjson.loads(inline) == orjson.loads((SAMPLES / "message-missing_250hz_4s.json").read_bytes())
    name = "682162d9-955f-4782-88d8-35a9c767f007"
    expected = Stored("ecg", f"clinical/{name}.json", name)
    assert open_queue_body((SAMPLES / "moto-s3-eventbridge-envelope.json").read_text()) == expected
    assert open_queue_body((SAMPLES / "moto-s3-notification-sqs-body.json").read_text()) == expected


@pytest.mark.parametrize(
    "body", ["", "[]", "1", "{}", '{"Records": []}', '{"source": "x", "detail-type": "y", "detail": 1}']
)
def test_other_queue_bodies_are_refused(body: str) -> None:
    with pytest.raises(MalformedInput):
        open_queue_body(body)


def test_s3s_test_event_is_passed_over() -> None:
    assert open_queue_body('{"Service":"Amazon S3","Event":"s3:TestEvent"}') is None


def test_the_command_sets_up_verifies_and_reconciles(
    aws: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = bus("bucket-b", aws)
    assert main([*base, "verify"]) == 1
    assert main([*base, "setup"]) == 0
    assert main([*base, "redrive"]) == 0
    assert main([*base, "reconcile", "--store", f"sqlite:///{tmp_path / 'i.db'}"]) == 0
    said = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [said[0]["ok"], *said[1:]] == [
        False,
        {"ok": True, "problems": []},
        {"moved": 0},
        {"objects": 0, "accepted": 0, "failed": 0},
    ]


def test_consuming_ends_well_when_told_and_watching_shows_the_queues(
    aws: str, clients: Clients, layout: Layout, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'inbox.db'}"
    base = [sys.executable, "-m", "ecg", *bus(layout.bucket, aws)]
    adapter(clients, layout).send(outgoing("m1", "seq-1"))
    open_database(url).dispose()
    metrics_port = str(free_port())
    watching = subprocess.Popen(
        [*base, "watch", "--store", url, "--metrics-port", metrics_port], stdout=subprocess.PIPE
    )
    assert watching.stdout is not None
    shown = orjson.loads(watching.stdout.readline())
    assert shown["queues"]["clinical"] == {"waiting": 1, "in_work": 0, "dead": 0}
    assert shown["inbox"]["results"] == 0
    page = _when_there(f"http://127.0.0.1:{metrics_port}/metrics")
    assert 'ecg_bus_messages{origin_code="clinical",state="waiting"} 1' in page
    assert 'ecg_bus_messages{origin_code="clinical",state="dead"} 0' in page
    assert "ecg_inbox_results 0" in page
    watching.kill()
    watching.communicate()
    engine = open_database(url)
    consuming = subprocess.Popen([*base, "consume", "--store", url], stdout=subprocess.PIPE)
    while not known_messages(engine, ["m1"]) and consuming.poll() is None:
        threading.Event().wait(0.1)
    engine.dispose()
    consuming.send_signal(signal.SIGTERM)
    said, _ = consuming.communicate(timeout=60)
    assert (consuming.returncode, orjson.loads(said)) == (0, {"sqs": 1})


def test_an_absent_aws_is_a_bus_error() -> None:
    with pytest.raises(BusError):
        set_up(connect("eu-central-1", "http://127.0.0.1:1"), Layout("b"))
    with pytest.raises(BusError):
        connect(None, "not a url")


def test_a_watch_outlives_an_outage(aws: str, clients: Clients, layout: Layout) -> None:
    assert clients.sqs.meta.region_name == "eu-central-1"
    with proxy_to(int(aws.rpartition(":")[2])) as proxy:
        # Each look asks twice for each of the four queues.
        proxy.faults = [*["none"] * 8, "503"]
        watch = bus(layout.bucket, f"http://127.0.0.1:{proxy.port}", "watch", "--every", "0.01")
        watching = subprocess.Popen(
            [sys.executable, "-m", "ecg", *watch],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert [b"queues" in watching.stdout.readline() for _ in range(2)] == [True, True]
        assert b"503" in watching.stderr.readline()
        watching.kill()
        watching.communicate()


def test_a_page_without_text_is_unavailable() -> None:
    with MetricsPage(0) as page:
        url = f"http://127.0.0.1:{page.server_port}/metrics"
        assert urllib3.request("GET", url, retries=False).status == 503
        page.text = "a 1\n"
        assert urllib3.request("GET", url, retries=False).data == b"a 1\n"


@pytest.mark.parametrize("every", ["0", "-1", "nan"])
def test_a_watch_needs_a_time_between_looks(aws: str, every: str) -> None:
    assert exit_status(bus("b", aws, "watch", "--every", every)) == 2


def _when_there(url: str) -> str:
    """A page's text, once it has one."""
    while True:
        page = urllib3.request("GET", url, retries=False, timeout=10.0)
        if page.status == 200:
            return page.data.decode()


def _forget_at_once(clients: Clients, layout: Layout) -> None:
    """A received message is visible again at once, as after the visibility timeout."""
    url = queue_url(clients, layout.queue("clinical"))
    clients.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})
