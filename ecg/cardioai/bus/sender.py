"""The bus adapter of the relay: small messages travel whole, large ones by S3 with a notification."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import botocore.parsers
import orjson

from ecg.cardioai.bus.layout import MESSAGE, OBJECT_NOTICE, SOURCE, Clients
from ecg.cardioai.delivery import NotDelivered, Outgoing, Refused
from ecg.errors import MalformedInput

INLINE_MAX_BYTES = 262_144  # CardioAI: messages smaller than 256 KB travel whole
ENVELOPE_RESERVE = 1024  # what EventBridge wraps around a message on its way to a queue
QUEUE_MAX_BYTES = 1_048_576  # SQS's own limit
_PASSING = ("Throttl", "Internal", "ServiceUnavailable", "SlowDown", "RequestLimit", "RequestTimeout", "Conflict")


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
                "inline-max", [1024, QUEUE_MAX_BYTES - ENVELOPE_RESERVE], inline_max_bytes,
            )  # fmt: skip
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
        key, digest = object_key(outgoing)
        self._put_object(self._bucket, key, digest, outgoing.body)
        notice = {
            "originCode": outgoing.origin_code,
            "messageId": outgoing.message_id,
            "bucket": self._bucket,
            "key": key,
            "size": len(outgoing.body),
            "sha256": digest.hex(),
        }
        self._put_event(self._primary_bus, OBJECT_NOTICE, orjson.dumps(notice))
        return "s3"

    def _put_event(self, bus: str, detail_type: str, detail: bytes) -> None:
        entry = {"EventBusName": bus, "Source": SOURCE, "DetailType": detail_type, "Detail": detail.decode()}
        answer = _call(self._clients.events.put_events, Entries=[entry])
        # HTTP 200 says only that the call was understood: each entry can still have failed.
        if answer["FailedEntryCount"]:
            _raise(answer["Entries"][0].get("ErrorCode", "unknown error"), status=200)

    def _put_object(self, bucket: str, key: str, digest: bytes, body: bytes) -> None:
        try:
            _call(
                self._clients.s3.put_object,
                Bucket=bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                ChecksumSHA256=base64.b64encode(digest).decode(),
                IfNoneMatch="*",
            )
        except Refused as refusal:
            if refusal.reason != "PreconditionFailed":  # the key holds the content's hash: what is there is the same
                raise


def entry_bytes(detail: bytes, detail_type: str) -> int:
    """Size of an EventBridge entry as AWS counts it."""
    return len(detail) + len(SOURCE) + len(detail_type)


def object_key(outgoing: Outgoing) -> tuple[str, bytes]:
    """Key of a message in the bucket, and the SHA-256 digest of its bytes."""
    digest = hashlib.sha256(outgoing.body).digest()
    return f"{outgoing.origin_code}/{outgoing.message_id}/{digest.hex()}.json", digest


def _call(call: Callable[..., Any], **arguments: Any) -> Any:
    try:
        return call(**arguments)
    except botocore.exceptions.ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        _raise(str(error.response["Error"].get("Code") or status), status)
    except (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError) as error:
        raise NotDelivered(type(error).__name__) from None
    except botocore.parsers.ResponseParserError:
        raise NotDelivered("unreadable answer") from None
    except botocore.exceptions.BotoCoreError as error:
        raise Refused(type(error).__name__) from None


def _raise(code: str, status: int) -> None:
    """A failure that passes is worth another try; any other is not."""
    if status >= 500 or status == 429 or any(word in code for word in _PASSING):
        raise NotDelivered(code)
    raise Refused(code)
