"""From the queues into the inbox: messages that travelled whole, and messages fetched from S3."""

import hashlib
import logging
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ecg.cardioai.bus.layout import (
    MESSAGE,
    OBJECT_NOTICE,
    SOURCE,
    VISIBILITY_S,
    Clients,
    Layout,
    calling,
    queue_url,
    will_pass,
)
from ecg.errors import BusError, EcgError, InputTooLarge, MalformedInput, Overloaded, QuotaExceeded
from ecg.formats.cardioai_message import MAX_MESSAGE_BYTES, ORIGIN_CODES

PAUSE_S = 1.0  # between two tries of a message that waits for the inbox
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
    An inbox or a storage that does not answer is no message's fault: the consumer waits with what it holds, so that
    no outage, however long, makes dead letters. `stop` ends such waiting.
    """

    clients: Clients
    layout: Layout
    accept: Accept
    stop: threading.Event = field(default_factory=threading.Event)
    counts: Counter[str] = field(default_factory=Counter)

    def poll(self, origin_code: str, wait_s: int) -> int:
        """Wait up to `wait_s` (at most 20) for messages and handle up to ten; how many came. Raises `BusError`."""
        with calling():
            url = queue_url(self.clients, self.layout.queue(origin_code))
            batch = self.clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s)
        messages = batch.get("Messages", [])
        for position, message in enumerate(messages):
            while (done := self._handle(message["Body"])) is None:
                self._hold(url, messages[position:])
                if self.stop.wait(PAUSE_S):
                    return len(messages)
            if done:
                with calling():
                    self.clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)

    def _handle(self, body: str) -> bool | None:
        """Whether the message is done with; None when it must wait for the inbox or the storage."""
        try:
            carried = open_queue_body(body)
            if isinstance(carried, Stored):
                self.accept(fetch(self.clients, self.layout, carried), "s3")
                self.counts["s3"] += 1
            elif carried is not None:
                self.accept(carried, "sqs")
                self.counts["sqs"] += 1
        except EcgError as error:
            waits = isinstance(error, Overloaded) or (isinstance(error, BusError) and will_pass(error.__cause__))
            if waits and not isinstance(error, QuotaExceeded):  # one origin's quota must not hold up the others
                self.counts["later"] += 1
                return None
            # Not the body: it is a patient's.
            log.warning("a message stays in its queue: %s: %s", error.code, error.message)
            self.counts[error.code] += 1
            return False
        return True

    def _hold(self, url: str, messages: list[dict[str, Any]]) -> None:
        """Keep received messages from being received again while they wait."""
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": VISIBILITY_S}
            for number, message in enumerate(messages)
        ]
        with calling():
            self.clients.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)


@dataclass(frozen=True)
class Reconciled:
    """How many objects a reconciliation looked at, accepted, and could not use."""

    objects: int
    accepted: int
    failed: int


def objects(
    clients: Clients, layout: Layout, older_than_s: float, newer_than_s: float | None = None
) -> Iterator[list[str]]:
    """Keys of the messages in S3 of an age, in bunches. Raises `BusError`."""
    now = datetime.now(UTC)
    first = datetime.min.replace(tzinfo=UTC) if newer_than_s is None else now - timedelta(seconds=newer_than_s)
    last = now - timedelta(seconds=older_than_s)
    with calling():
        for code in ORIGIN_CODES:
            pages = clients.s3.get_paginator("list_objects_v2").paginate(Bucket=layout.bucket, Prefix=f"{code}/")
            for page in pages:
                there = [item["Key"] for item in page.get("Contents", []) if first <= item["LastModified"] <= last]
                yield [key for key in there if key.count("/") == 2]


def reconcile(
    clients: Clients,
    layout: Layout,
    bunches: Iterable[list[str]],
    known: Callable[[list[str]], set[str]],
    accept: Accept,
) -> Reconciled:
    """Accept those of some `objects` whose message id is not `known`: their notification was lost.

    One that cannot be used does not stop the others.
    """
    seen = accepted = failed = 0
    for keys in bunches:
        seen += len(keys)
        there = known([key.split("/")[1] for key in keys])
        for key in keys:
            if key.split("/")[1] in there:
                continue
            try:
                accept(fetch(clients, layout, stored_under(layout.bucket, key)), "s3")
                accepted += 1
            except EcgError as error:
                log.warning("an object is not accepted: %s: %s", error.code, error.message)
                failed += 1
    return Reconciled(seen, accepted, failed)


def redrive(clients: Clients, layout: Layout) -> int:
    """Put all dead letters back into their queues; how many. Each is sent before it is deleted. Raises `BusError`."""
    moved = 0
    with calling():
        for code in ORIGIN_CODES:
            dead = queue_url(clients, layout.dead_letters(code))
            queue = queue_url(clients, layout.queue(code))
            while batch := clients.sqs.receive_message(
                QueueUrl=dead,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,  # without waiting, AWS asks some servers only
            ).get("Messages"):
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
