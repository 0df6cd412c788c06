"""The bus adapter of the relay: small messages travel whole, large ones by S3 with a notification."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import orjson

from ecg.cardioai.bus.layout import (
    AWS_ERRORS,
    MESSAGE,
    OBJECT_NOTICE,
    QUEUE_MAX_BYTES,
    SOURCE,
    Clients,
    connect,
    error_name,
    is_passing,
    will_pass,
)
from ecg.cardioai.sender.delivery import NotDelivered, Outgoing, Refused, Route
from ecg.errors import MalformedInput

INLINE_MAX_BYTES = 262_144  # CardioAI: messages smaller than 256 KB travel whole
ENVELOPE_RESERVE = 1024  # what EventBridge wraps around a message on its way to a queue


def open_adapter(route: Route) -> "BusAdapter":
    """The adapter for the secondary bus `route.name`."""
    clients = connect(route.region, route.endpoint, route.timeout_s, route.connections)
    inline_max = INLINE_MAX_BYTES if route.inline_max_bytes is None else route.inline_max_bytes
    return BusAdapter(clients, route.name, route.primary_bus, route.bucket, inline_max)


class BusAdapter:
    """Puts messages on the secondary bus, or into S3 with a notification on the primary one.

    Parameters
    ----------
    clients
        From `connect`.
    secondary_bus
        Name or ARN of the bus for whole messages.
    primary_bus, bucket
        For messages of `inline_max_bytes` and more; without them such a message is refused.
    inline_max_bytes
        A message travels whole when its entry, counted as AWS counts (detail, source and detail-type in UTF-8), has
        fewer bytes.
    """

    def __init__(
        self,
        clients: Clients,
        secondary_bus: str,
        primary_bus: str | None = None,
        bucket: str | None = None,
        inline_max_bytes: int = INLINE_MAX_BYTES,
    ) -> None:
        if not 1024 <= inline_max_bytes <= QUEUE_MAX_BYTES - ENVELOPE_RESERVE:
            raise MalformedInput(
                "The size up to which messages travel whole is out of range.",
                "inline-max",
                [1024, QUEUE_MAX_BYTES - ENVELOPE_RESERVE],
                inline_max_bytes,
            )
        self._clients = clients
        self._secondary_bus = secondary_bus
        self._primary_bus = primary_bus
        self._bucket = bucket
        self._inline_max_bytes = inline_max_bytes

    def send(self, outgoing: Outgoing) -> str:
        """Put the message on its way; ``inline`` or ``s3``."""
        if entry_bytes(outgoing.body, MESSAGE) < self._inline_max_bytes:
            self._put_event(self._secondary_bus, MESSAGE, outgoing.body)
            return "inline"
        if self._primary_bus is None or self._bucket is None:
            raise Refused("too large for the bus, and no bucket is given")
        # The object first: a notification must never point at nothing. If the notification then fails for good, the
        # reconciler finds the object.
        notice = put_object(self._clients, self._bucket, outgoing)
        self._put_event(self._primary_bus, OBJECT_NOTICE, orjson.dumps(notice))
        return "s3"

    def _put_event(self, bus: str, detail_type: str, detail: bytes) -> None:
        entry = {"EventBusName": bus, "Source": SOURCE, "DetailType": detail_type, "Detail": detail.decode()}
        answer = call(self._clients.events.put_events, Entries=[entry])
        # HTTP 200 says only that the call was understood: each entry can still have failed.
        if answer["FailedEntryCount"]:
            code = answer["Entries"][0].get("ErrorCode", "unknown error")
            raise (NotDelivered if is_passing(code) else Refused)(code)


def put_object(clients: Clients, bucket: str, outgoing: Outgoing) -> dict[str, object]:
    """Lay a message into S3 and return the notification of it. Raises `NotDelivered` or `Refused`."""
    key, digest = object_key(outgoing)
    try:
        call(
            clients.s3.put_object,
            Bucket=bucket,
            Key=key,
            Body=outgoing.body,
            ContentType="application/json",
            ChecksumSHA256=base64.b64encode(digest).decode(),
            IfNoneMatch="*",
        )
    except Refused as refusal:
        if refusal.reason != "PreconditionFailed":  # the key holds the content's hash: what is there is the same
            raise
    return {
        "originCode": outgoing.origin_code,
        "messageId": outgoing.message_id,
        "bucket": bucket,
        "key": key,
        "size": len(outgoing.body),
        "sha256": digest.hex(),
    }


def entry_bytes(detail: bytes, detail_type: str) -> int:
    """Size of an EventBridge entry as AWS counts it."""
    return len(detail) + len(SOURCE) + len(detail_type)


def object_key(outgoing: Outgoing) -> tuple[str, bytes]:
    """Key of a message in the bucket, and the SHA-256 digest of its bytes."""
    digest = hashlib.sha256(outgoing.body).digest()
    return f"{outgoing.origin_code}/{outgoing.message_id}/{digest.hex()}.json", digest


def call(method: Callable[..., Any], **arguments: Any) -> Any:
    """What AWS answers. Raises `NotDelivered` for what can succeed later, `Refused` for what cannot."""
    try:
        return method(**arguments)
    except AWS_ERRORS as error:
        raise (NotDelivered if will_pass(error) else Refused)(error_name(error)) from None
