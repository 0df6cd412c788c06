"""From the queues into the inbox: messages that travelled whole, and messages fetched from S3."""

import hashlib
import logging
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ecg.cardioai.bus.layout import MESSAGE, OBJECT_NOTICE, SOURCE, Clients, Layout, calling, queue_url
from ecg.cardioai.message import MAX_MESSAGE_BYTES, ORIGIN_CODES
from ecg.errors import EcgError, InputTooLarge, MalformedInput, Overloaded

log = logging.getLogger(__name__)
#: Keeps one message durably; `route` is ``sqs`` or ``s3``.
Accept = Callable[[bytes, str], object]


@dataclass(frozen=True)
class Stored:
    """A message that lies in S3, and the SHA-256 of its bytes in hex."""

    bucket: str
    key: str
    sha256: str


def stored_under(bucket: str, key: str) -> Stored:
    """A message by its key, which ends with its hash (`ecg.cardioai.bus.sender.object_key`)."""
    return Stored(bucket, key, key.rpartition("/")[2].removesuffix(".json"))


def open_queue_body(body: str) -> bytes | Stored | None:
    """What a queue's message carries: a CardioAI message, or where one lies; None for S3's test event.

    Understood are the events of both buses, and S3's own notifications, direct or through EventBridge. Raises
    `MalformedInput` for anything else.
    """
    try:
        event = orjson.loads(body)
        if "Records" in event:
            found = event["Records"][0]["s3"]
            return stored_under(found["bucket"]["name"], urllib.parse.unquote_plus(found["object"]["key"]))
        if event.get("Event") == "s3:TestEvent":
            return None
        source, detail_type, detail = event["source"], event["detail-type"], event["detail"]
        if (source, detail_type) == (SOURCE, MESSAGE):
            return orjson.dumps(detail)
        if (source, detail_type) == (SOURCE, OBJECT_NOTICE):
            return Stored(detail["bucket"], detail["key"], detail["sha256"])
        if (source, detail_type) == ("aws.s3", "Object Created"):
            return stored_under(detail["bucket"]["name"], detail["object"]["key"])
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError):
        raise MalformedInput("The queue's message is no event of these buses.", "body", "an event") from None
    raise MalformedInput("The event is of an unknown kind.", "detail-type", [MESSAGE, OBJECT_NOTICE], str(detail_type))


def fetch(clients: Clients, layout: Layout, stored: Stored) -> bytes:
    """A message from S3, checked against its checksum.

    Raises `MalformedInput` when it lies outside the layout's bucket or its bytes differ from what was announced,
    `InputTooLarge`, or `BusError`.
    """
    if stored.bucket != layout.bucket:
        raise MalformedInput("The notification points at a foreign bucket.", "bucket", layout.bucket, stored.bucket)
    with calling():
        answer = clients.s3.get_object(Bucket=stored.bucket, Key=stored.key)
        if answer["ContentLength"] > MAX_MESSAGE_BYTES:
            raise InputTooLarge("The object is too large.", "size", MAX_MESSAGE_BYTES, answer["ContentLength"])
        body: bytes = answer["Body"].read()
    digest = hashlib.sha256(body).hexdigest()
    if digest != stored.sha256:
        raise MalformedInput("The object's bytes are not those announced.", "sha256", stored.sha256, digest)
    return body


@dataclass
class Consumer:
    """Moves messages from one origin's queue into the inbox; each is deleted only once it is durably kept.

    A message that cannot be kept stays in the queue, and SQS moves it to the dead letters after `MAX_RECEIVES` tries.
    """

    clients: Clients
    layout: Layout
    accept: Accept
    counts: Counter[str] = field(default_factory=Counter)

    def poll(self, origin_code: str, wait_s: int) -> int:
        """Wait up to `wait_s` (at most 20) for messages and handle up to ten; how many came. Raises `BusError`."""
        with calling():
            url = queue_url(self.clients, self.layout.queue(origin_code))
            batch = self.clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s)
        messages = batch.get("Messages", [])
        for message in messages:
            if self._handle(message["Body"]):
                with calling():
                    self.clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)

    def _handle(self, body: str) -> bool:
        """Whether the message is done with."""
        try:
            carried = open_queue_body(body)
            if isinstance(carried, Stored):
                self.accept(fetch(self.clients, self.layout, carried), "s3")
                self.counts["s3"] += 1
            elif carried is not None:
                self.accept(carried, "sqs")
                self.counts["sqs"] += 1
        except Overloaded as error:
            self.counts["later"] += 1
            time.sleep(error.retry_after_s or 1.0)
            return False
        except EcgError as error:
            # Not the body: it is a patient's.
            log.warning("a message stays in its queue: %s: %s", error.code, error.message)
            self.counts[error.code] += 1
            return False
        return True


def reconcile(
    clients: Clients, layout: Layout, known: Callable[[list[str]], set[str]], accept: Accept, older_than_s: float
) -> tuple[int, int]:
    """Accept the objects whose notification was lost: those older than `older_than_s` whose message id is not `known`.

    Returns how many objects were looked at and how many were accepted. Raises `BusError`.
    """
    before = datetime.now(UTC) - timedelta(seconds=older_than_s)
    seen = accepted = 0
    for code in ORIGIN_CODES:
        with calling():
            pages = clients.s3.get_paginator("list_objects_v2").paginate(Bucket=layout.bucket, Prefix=f"{code}/")
            for page in pages:
                by_id = {
                    item["Key"].split("/")[1]: item["Key"]
                    for item in page.get("Contents", [])
                    if item["LastModified"] <= before and item["Key"].count("/") == 2
                }
                seen += len(by_id)
                for message_id in sorted(set(by_id) - known(list(by_id))):
                    accept(fetch(clients, layout, stored_under(layout.bucket, by_id[message_id])), "s3")
                    accepted += 1
    return seen, accepted


def redrive(clients: Clients, layout: Layout) -> int:
    """Put all dead letters back into their queues; how many. Each is sent before it is deleted. Raises `BusError`."""
    moved = 0
    with calling():
        for code in ORIGIN_CODES:
            dead = queue_url(clients, layout.dead_letters(code))
            queue = queue_url(clients, layout.queue(code))
            while batch := clients.sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10).get("Messages"):
                for message in batch:
                    clients.sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
                    clients.sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
                    moved += 1
    return moved


def depths(clients: Clients, layout: Layout) -> dict[str, dict[str, int]]:
    """Per origin code: messages waiting, in work, and dead. AWS calls these counts approximate."""
    names = {"ApproximateNumberOfMessages": "waiting", "ApproximateNumberOfMessagesNotVisible": "in_work"}
    found: dict[str, dict[str, int]] = {}
    with calling():
        for code in ORIGIN_CODES:
            attributes = _counts(clients, layout.queue(code), list(names))
            found[code] = {names[name]: count for name, count in attributes.items()}
            found[code]["dead"] = sum(_counts(clients, layout.dead_letters(code), list(names)).values())
    return found


def _counts(clients: Clients, queue: str, names: list[str]) -> dict[str, int]:
    answer: dict[str, Any] = clients.sqs.get_queue_attributes(QueueUrl=queue_url(clients, queue), AttributeNames=names)
    return {name: int(answer["Attributes"][name]) for name in names}
