"""Names of the buses, rules, queues and bucket; creating them and checking them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import botocore.parsers
import orjson

from ecg.cardioai.message import ORIGIN_CODES
from ecg.errors import BusError

SOURCE = "cardioai"
MESSAGE = "cardioai.esb"  # detail-type of a message; the original's word
OBJECT_NOTICE = "cardioai.esb.object"  # detail-type of the notification of a message that lies in S3
MAX_RECEIVES = 5
VISIBILITY_S = 120
RETENTION_S = 14 * 86_400


@dataclass(frozen=True)
class Layout:
    """What the parts are called; `prefix` keeps several installations in one account apart."""

    bucket: str
    prefix: str = "cardioai"

    @property
    def primary_bus(self) -> str:
        """The bus of notifications about messages in S3."""
        return f"{self.prefix}-primary"

    @property
    def secondary_bus(self) -> str:
        """The bus of messages that travel whole."""
        return f"{self.prefix}-secondary"

    def queue(self, origin_code: str) -> str:
        """The queue of one origin code, fed from both buses."""
        return f"{self.prefix}-{origin_code}"

    def dead_letters(self, origin_code: str) -> str:
        """Where a message goes that was received `MAX_RECEIVES` times and never deleted."""
        return f"{self.prefix}-{origin_code}-dead"

    def rules(self) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        """Origin code, bus, rule name and event pattern of every rule."""
        for bus, detail_type in ((self.primary_bus, OBJECT_NOTICE), (self.secondary_bus, MESSAGE)):
            for code in ORIGIN_CODES:
                pattern = {"source": [SOURCE], "detail-type": [detail_type], "detail": {"originCode": [code]}}
                yield code, bus, f"{self.prefix}-{code}", pattern


@dataclass(frozen=True)
class Clients:
    """One connection set to the three services; boto3 clients may be shared by threads."""

    events: Any
    sqs: Any
    s3: Any


def connect(region: str | None, endpoint: str | None, timeout_s: float = 30.0, connections: int = 10) -> Clients:
    """Clients with time limits. They never retry by themselves: who calls knows what to repeat and when."""
    config = botocore.config.Config(
        connect_timeout=min(timeout_s, 10.0),
        read_timeout=timeout_s,
        retries={"total_max_attempts": 1},
        max_pool_connections=connections,
        s3={"addressing_style": "path"} if endpoint else None,
    )
    try:
        session = boto3.Session(region_name=region)
        return Clients(
            *(session.client(name, endpoint_url=endpoint, config=config) for name in ("events", "sqs", "s3"))
        )
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise BusError(f"AWS cannot be used: {error}", "region") from None


@contextmanager
def calling() -> Iterator[None]:
    """Turns what AWS or the way to it answers into `BusError`."""
    try:
        yield
    except (
        botocore.exceptions.BotoCoreError,
        botocore.exceptions.ClientError,
        botocore.parsers.ResponseParserError,
    ) as error:
        raise BusError(f"AWS: {error}") from error


def set_up(clients: Clients, layout: Layout) -> None:
    """Create what is missing and bring what is there to the layout; safe to repeat. Raises `BusError`."""
    with calling():
        _unless("BucketAlreadyOwnedByYou", _create_bucket, clients, layout.bucket)
        for bus in (layout.primary_bus, layout.secondary_bus):
            _unless("ResourceAlreadyExistsException", clients.events.create_event_bus, Name=bus)
        arns = {code: _set_up_queues(clients, layout, code) for code in ORIGIN_CODES}
        for code, bus, rule, pattern in layout.rules():
            clients.events.put_rule(Name=rule, EventBusName=bus, EventPattern=orjson.dumps(pattern).decode())
            queue_arn, dead_arn = arns[code]
            target = {"Id": "queue", "Arn": queue_arn, "DeadLetterConfig": {"Arn": dead_arn}}
            answer = clients.events.put_targets(Rule=rule, EventBusName=bus, Targets=[target])
            if answer["FailedEntryCount"]:
                raise BusError(f"Rule {rule} on {bus} got no target: {answer['FailedEntries']}", "rule")


def verify(clients: Clients, layout: Layout) -> list[str]:
    """What differs from the layout, one sentence each; empty when all is as `set_up` leaves it."""
    found = []

    def check(what: str, holds: Callable[[], bool]) -> None:
        try:
            if not holds():
                found.append(f"{what} is not as set up")
        except botocore.exceptions.ClientError as error:
            found.append(f"{what}: {error.response['Error'].get('Code', 'error')}")

    with calling():
        check(f"bucket {layout.bucket}", lambda: bool(clients.s3.head_bucket(Bucket=layout.bucket)))
        for code in ORIGIN_CODES:
            check(f"queue {layout.queue(code)}", lambda code=code: _redrives(clients, layout, code))  # type: ignore[misc]
        for code, bus, rule, pattern in layout.rules():
            check(
                f"rule {rule} on {bus}",
                lambda code=code, bus=bus, rule=rule, pattern=pattern: (  # type: ignore[misc]
                    _routes(clients, bus, rule, pattern, arn(clients, queue_url(clients, layout.queue(code))))
                ),
            )
    return found


def queue_url(clients: Clients, name: str) -> str:
    """URL of a queue by its name."""
    url: str = clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return url


def arn(clients: Clients, url: str) -> str:
    """ARN of a queue by its URL."""
    attributes = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    found: str = attributes["QueueArn"]
    return found


def _set_up_queues(clients: Clients, layout: Layout, code: str) -> tuple[str, str]:
    """ARNs of the queue and of its dead-letter queue."""
    common = {"MessageRetentionPeriod": str(RETENTION_S)}
    dead = arn(clients, clients.sqs.create_queue(QueueName=layout.dead_letters(code))["QueueUrl"])
    url = clients.sqs.create_queue(QueueName=layout.queue(code))["QueueUrl"]
    queue = arn(clients, url)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": target,
            }
            for target in (queue, dead)
        ],
    }
    redrive = {"deadLetterTargetArn": dead, "maxReceiveCount": MAX_RECEIVES}
    clients.sqs.set_queue_attributes(
        QueueUrl=url,
        Attributes=common
        | {
            "VisibilityTimeout": str(VISIBILITY_S),
            "RedrivePolicy": orjson.dumps(redrive).decode(),
            "Policy": orjson.dumps(policy | {"Statement": policy["Statement"][:1]}).decode(),
        },
    )
    clients.sqs.set_queue_attributes(
        QueueUrl=queue_url(clients, layout.dead_letters(code)),
        Attributes=common | {"Policy": orjson.dumps(policy | {"Statement": policy["Statement"][1:]}).decode()},
    )
    return queue, dead


def _create_bucket(clients: Clients, bucket: str) -> None:
    region = clients.s3.meta.region_name
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    clients.s3.create_bucket(Bucket=bucket, **where)
    closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    clients.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))


def _unless(code: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """Call, taking one error code for "it is there already"."""
    try:
        call(*arguments, **named)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"].get("Code") != code:
            raise


def _redrives(clients: Clients, layout: Layout, code: str) -> bool:
    attributes = clients.sqs.get_queue_attributes(
        QueueUrl=queue_url(clients, layout.queue(code)), AttributeNames=["RedrivePolicy"]
    ).get("Attributes", {})
    policy = orjson.loads(attributes.get("RedrivePolicy", "{}"))
    dead = arn(clients, queue_url(clients, layout.dead_letters(code)))
    return bool(policy.get("deadLetterTargetArn") == dead and int(policy["maxReceiveCount"]) == MAX_RECEIVES)


def _routes(clients: Clients, bus: str, rule: str, pattern: dict[str, Any], queue: str) -> bool:
    described = clients.events.describe_rule(Name=rule, EventBusName=bus)
    targets = clients.events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"]
    return (
        described["State"] == "ENABLED"
        and orjson.loads(described["EventPattern"]) == pattern
        and [target["Arn"] for target in targets] == [queue]
    )
