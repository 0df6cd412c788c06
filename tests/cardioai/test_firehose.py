"""The Firehose adapter against moto's server over a socket, with faults in between.

moto delivers every record to the stream's bucket at once, as an object of its own; it neither buffers nor enforces
Firehose's size limit nor throttles. So this proves the calls, their faults and what arrives, not the service's limits.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import urllib3
from moto.server import ThreadedMotoServer

from ecg.cardioai.bus.consumer import Stored, fetch, objects, open_queue_body, reconcile
from ecg.cardioai.bus.firehose import RECORD_MAX_BYTES, FirehoseAdapter
from ecg.cardioai.bus.layout import Clients, Layout, connect
from ecg.cardioai.sender.delivery import NotDelivered, Outgoing, Refused
from ecg.cli import main
from ecg.errors import MalformedInput
from ecg.formats.cardioai_message import encode_payload
from tests.builders.fault_proxy import proxy_to
from tests.builders.messages import FS_500, message, payload, rows

STREAM = "cardioai-stream"
LAYOUT = Layout("ecg-messages")


@pytest.fixture(scope="module")
def moto() -> Iterator[int]:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def clients(moto: int, monkeypatch: pytest.MonkeyPatch) -> Clients:
    """An account with a bucket for large messages, and a stream that delivers into another."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    urllib3.request("POST", f"http://127.0.0.1:{moto}/moto-api/reset")
    clients = connect("eu-central-1", f"http://127.0.0.1:{moto}", timeout_s=5.0)
    for bucket in (LAYOUT.bucket, "delivered"):
        where = {"LocationConstraint": "eu-central-1"}
        clients.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    to = {"RoleARN": "arn:aws:iam::123456789012:role/firehose", "BucketARN": "arn:aws:s3:::delivered"}
    clients.firehose.create_delivery_stream(DeliveryStreamName=STREAM, ExtendedS3DestinationConfiguration=to)
    return clients


def delivered(clients: Clients) -> list[bytes]:
    """The lines that the stream has delivered."""
    keys = [item["Key"] for item in clients.s3.list_objects_v2(Bucket="delivered").get("Contents", [])]
    bodies = [clients.s3.get_object(Bucket="delivered", Key=key)["Body"].read() for key in keys]
    return b"".join(bodies).splitlines()


def outgoing(message_id: str, n_rows: int = 100) -> Outgoing:
    body = message(payload(message_id, calibration=FS_500, data=rows(0, n_rows)), message_id)
    return Outgoing(body, message_id, "clinical")


def test_a_message_is_a_line_of_the_stream(clients: Clients) -> None:
    adapter = FirehoseAdapter(clients, STREAM)
    sent = [outgoing(f"m{number}") for number in range(3)]
    assert [adapter.send(each) for each in sent] == ["inline"] * 3
    assert sorted(delivered(clients)) == sorted(each.body for each in sent)


def test_a_large_message_goes_by_s3_and_its_line_says_where(clients: Clients) -> None:
    large = outgoing("m1", n_rows=90_000)
    assert len(large.body) >= RECORD_MAX_BYTES
    assert FirehoseAdapter(clients, STREAM, LAYOUT.bucket).send(large) == "s3"
    (line,) = delivered(clients)
    carried = open_queue_body(line.decode())
    assert isinstance(carried, Stored)
    assert fetch(clients, LAYOUT, carried) == large.body
    accepted: list[bytes] = []
    done = reconcile(clients, LAYOUT, objects(clients, LAYOUT, -60.0), lambda _: set(), lambda b, _: accepted.append(b))
    assert (done.accepted, accepted) == (1, [large.body])


@pytest.mark.parametrize(("spare", "outcome"), [(1, "inline"), (0, "s3")])
def test_the_limit_counts_the_line_with_its_end(clients: Clients, spare: int, outcome: str) -> None:
    body = b"x" * 2000
    adapter = FirehoseAdapter(clients, STREAM, LAYOUT.bucket, inline_max_bytes=2001 + spare)
    assert adapter.send(Outgoing(body, "m1", "clinical")) == outcome


def test_what_can_never_be_sent_is_refused(clients: Clients) -> None:
    with pytest.raises(Refused):
        FirehoseAdapter(clients, STREAM, inline_max_bytes=1024).send(outgoing("m1"))
    with pytest.raises(Refused):
        FirehoseAdapter(clients, "no-such-stream").send(outgoing("m1"))
    assert delivered(clients) == []
    for senseless in (0, RECORD_MAX_BYTES + 1):
        with pytest.raises(MalformedInput):
            FirehoseAdapter(clients, STREAM, inline_max_bytes=senseless)


@pytest.mark.parametrize("fault", ["503", "reset", "hang", "lost"])
def test_a_fault_on_the_way_can_be_tried_again(clients: Clients, moto: int, fault: str) -> None:
    with proxy_to(moto) as proxy:
        through = connect("eu-central-1", f"http://127.0.0.1:{proxy.port}", timeout_s=1.0)
        adapter = FirehoseAdapter(through, STREAM)
        proxy.faults = [fault]
        with pytest.raises(NotDelivered):
            adapter.send(outgoing("m1"))
        assert adapter.send(outgoing("m1")) == "inline"
    assert len(delivered(clients)) == (2 if fault == "lost" else 1)


def test_the_relay_sends_through_the_stream(
    clients: Clients, moto: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "payloads"
    source.mkdir()
    for number in range(4):
        part = payload(f"seq-{number}", calibration=FS_500, data=rows(0, 100 if number % 2 else 5000))
        (source / f"{number}.json").write_bytes(encode_payload(part))
    status = main(
        [
            "relay",
            "-s",
            str(source),
            "-a",
            "FIREHOSE",
            "-n",
            STREAM,
            "-o",
            "clinical",
            "-v",
            "D",
            "--bucket",
            LAYOUT.bucket,
            "--inline-max",
            "20000",
            "--region",
            "eu-central-1",
            "--endpoint",
            f"http://127.0.0.1:{moto}",
        ]
    )
    assert (status, orjson.loads(capsys.readouterr().out)["outcomes"]) == (0, {"inline": 2, "s3": 2})
    carried = [orjson.loads(line) for line in delivered(clients)]
    whole = {line["payload"]["sequenceId"] for line in carried if "payload" in line}
    by_s3 = [line["detail"] for line in carried if "detail" in line]
    assert whole == {"seq-1", "seq-3"}
    found = [fetch(clients, LAYOUT, Stored(each["bucket"], each["key"], each["sha256"])) for each in by_s3]
    assert {orjson.loads(body)["payload"]["sequenceId"] for body in found} == {"seq-0", "seq-2"}
