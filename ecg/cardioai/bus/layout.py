"""Names of the buses, rules, queues and bucket; creating them and checking them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import botocore.parsers
import orjson

from ecg.errors import BusError
from ecg.formats.cardioai_message import ORIGIN_CODES

SOURCE = "cardioai"
MESSAGE = "cardioai.esb"  # detail-type of a message; the original's word
OBJECT_NOTICE = "cardioai.esb.object"  # detail-type of the notification of a message that lies in S3
MAX_RECEIVES = 5
VISIBILITY_S = 120
RETENTION_S = 14 * 86_400
QUEUE_MAX_BYTES = 1_048_576  # SQS's own limit
_PASSING = ("Throttl", "Internal", "ServiceUnavailable", "SlowDown", "RequestLimit", "RequestTimeout", "Conflict")


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

    def queues(self) -> Iterator[tuple[str, str]]:
        """Every queue with its origin code, each before its dead letters."""
        for code in ORIGIN_CODES:
            yield code, self.queue(code)
            yield code, self.dead_letters(code)

    def rules(self) -> Iterator["Rule"]:
        """Every rule."""
        for bus, detail_type in ((self.primary_bus, OBJECT_NOTICE), (self.secondary_bus, MESSAGE)):
            for code in ORIGIN_CODES:
                pattern = {"source": [SOURCE], "detail-type": [detail_type], "detail": {"originCode": [code]}}
                yield Rule(code, bus, f"{self.prefix}-{code}", pattern)


@dataclass(frozen=True)
class Rule:
    """Which events of a bus go to the queue of an origin code."""

    origin_code: str
    bus: str
    name: str
    pattern: dict[str, Any]


@dataclass(frozen=True)
class Clients:
    """One connection set to the services; boto3 clients may be shared by threads."""

    events: Any
    sqs: Any
    s3: Any
    firehose: Any


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
            **{
                field.name: session.client(field.name, endpoint_url=endpoint, config=config)
                for field in fields(Clients)
            }
        )
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise BusError(f"AWS cannot be used: {error}", "region") from None


AWS_ERRORS = (
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,
    botocore.parsers.ResponseParserError,
)


@contextmanager
def calling() -> Iterator[None]:
    """Turns what AWS or the way to it answers into `BusError`."""
    try:
        yield
    except AWS_ERRORS as error:
        raise BusError(f"AWS: {error}") from error


def will_pass(error: BaseException | None) -> bool:
    """Whether the same call can succeed later: after a failed connection, an overload or a fault on AWS's side."""
    if isinstance(error, botocore.exceptions.ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return status >= 500 or status == 429 or is_passing(error_name(error))
    on_the_way = (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)
    return isinstance(error, (*on_the_way, botocore.parsers.ResponseParserError))


def is_passing(code: str) -> bool:
    """Whether an error code of AWS means a state that ends by itself."""
    return any(word in code for word in _PASSING)


def error_name(error: Exception) -> str:
    """AWS's code of an error, or the kind of failure on the way; short and countable."""
    response = getattr(error, "response", None)
    return str(response["Error"].get("Code", "ClientError")) if response else type(error).__name__


def set_up(clients: Clients, layout: Layout) -> None:
    """Create what is missing and bring what is there to the layout; safe to repeat. Raises `BusError`."""
    with calling():
        _unless("BucketAlreadyOwnedByYou", _create_bucket, clients, layout.bucket)
        for bus in (layout.primary_bus, layout.secondary_bus):
            _unless("ResourceAlreadyExistsException", clients.events.create_event_bus, Name=bus)
        for _, queue in layout.queues():
            clients.sqs.create_queue(QueueName=queue)
        for code, queue in layout.queues():  # a queue names that of its dead letters, which must be there
            attributes = _attributes(clients, layout, code, queue)
            clients.sqs.set_queue_attributes(QueueUrl=queue_url(clients, queue), Attributes=attributes)
        for rule in layout.rules():
            pattern = orjson.dumps(rule.pattern).decode()
            clients.events.put_rule(Name=rule.name, EventBusName=rule.bus, EventPattern=pattern)
            target = _target(clients, layout, rule)
            answer = clients.events.put_targets(Rule=rule.name, EventBusName=rule.bus, Targets=[target])
            if answer["FailedEntryCount"]:
                raise BusError(f"Rule {rule.name} on {rule.bus} got no target: {answer['FailedEntries']}", "rule")


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
        for code, queue in layout.queues():
            check(f"queue {queue}", partial(_is_set_up, clients, layout, code, queue))
        for rule in layout.rules():
            check(f"rule {rule.name} on {rule.bus}", partial(_routes, clients, layout, rule))
    return found


def queue_url(clients: Clients, name: str) -> str:
    """URL of a queue by its name."""
    url: str = clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return url


def _arn(clients: Clients, queue: str) -> str:
    answer = clients.sqs.get_queue_attributes(QueueUrl=queue_url(clients, queue), AttributeNames=["QueueArn"])
    arn: str = answer["Attributes"]["QueueArn"]
    return arn


def _attributes(clients: Clients, layout: Layout, code: str, queue: str) -> dict[str, str]:
    """What is set of a queue: EventBridge may send to it, and unanswered messages of the first go to the second."""
    allow_events = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": _arn(clients, queue),
    }
    policy = {"Version": "2012-10-17", "Statement": [allow_events]}
    common = {
        "MessageRetentionPeriod": str(RETENTION_S),
        "MaximumMessageSize": str(QUEUE_MAX_BYTES),
        "Policy": orjson.dumps(policy).decode(),
    }
    if queue == layout.dead_letters(code):
        return common
    dead = _arn(clients, layout.dead_letters(code))
    redrive = orjson.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": MAX_RECEIVES}).decode()
    return common | {"VisibilityTimeout": str(VISIBILITY_S), "RedrivePolicy": redrive}


def _target(clients: Clients, layout: Layout, rule: Rule) -> dict[str, Any]:
    dead = _arn(clients, layout.dead_letters(rule.origin_code))
    return {"Id": "queue", "Arn": _arn(clients, layout.queue(rule.origin_code)), "DeadLetterConfig": {"Arn": dead}}


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


def _is_set_up(clients: Clients, layout: Layout, code: str, queue: str) -> bool:
    wanted = _attributes(clients, layout, code, queue)
    there = clients.sqs.get_queue_attributes(QueueUrl=queue_url(clients, queue), AttributeNames=["All"])["Attributes"]
    return all(name in there and _same(there[name], value) for name, value in wanted.items())


def _same(there: str, wanted: str) -> bool:
    try:
        return bool(orjson.loads(there) == orjson.loads(wanted))
    except orjson.JSONDecodeError:
        return False


def _routes(clients: Clients, layout: Layout, rule: Rule) -> bool:
    described = clients.events.describe_rule(Name=rule.name, EventBusName=rule.bus)
    targets = clients.events.list_targets_by_rule(Rule=rule.name, EventBusName=rule.bus)["Targets"]
    there = (described["State"], orjson.loads(described["EventPattern"]), targets)
    return there == ("ENABLED", rule.pattern, [_target(clients, layout, rule)])
