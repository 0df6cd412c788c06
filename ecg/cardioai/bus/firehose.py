"""The Firehose adapter of the relay: a message is a line of a delivery stream; large ones go by S3."""

import orjson

from ecg.cardioai.bus.layout import OBJECT_NOTICE, SOURCE, Clients, connect
from ecg.cardioai.bus.sender import call, put_object
from ecg.cardioai.sender.delivery import Outgoing, Refused, Route
from ecg.errors import MalformedInput

#: Largest record of a stream before its Base64 encoding; Amazon Data Firehose quota "1,000 KiB".
RECORD_MAX_BYTES = 1_024_000


def open_adapter(route: Route) -> "FirehoseAdapter":
    """The adapter for the delivery stream `route.name`."""
    clients = connect(route.region, route.endpoint, route.timeout_s, route.connections)
    inline_max = RECORD_MAX_BYTES if route.inline_max_bytes is None else route.inline_max_bytes
    return FirehoseAdapter(clients, route.name, route.bucket, inline_max)


class FirehoseAdapter:
    """Puts each message on a delivery stream as one line of JSON.

    A message of `inline_max_bytes` and more goes into `bucket`, under the key that the bus uses, and the stream gets
    the notification that the primary bus would carry; without a bucket such a message is refused.
    """

    def __init__(
        self, clients: Clients, stream: str, bucket: str | None = None, inline_max_bytes: int = RECORD_MAX_BYTES
    ) -> None:
        if not 1024 <= inline_max_bytes <= RECORD_MAX_BYTES:
            raise MalformedInput(
                "The size up to which messages travel whole is out of range.",
                "inline-max",
                [1024, RECORD_MAX_BYTES],
                inline_max_bytes,
            )
        self._clients = clients
        self._stream = stream
        self._bucket = bucket
        self._inline_max_bytes = inline_max_bytes

    def send(self, outgoing: Outgoing) -> str:
        """Put the message on its way; ``inline`` or ``s3``."""
        if len(outgoing.body) + 1 < self._inline_max_bytes:
            self._put_line(outgoing.body)
            return "inline"
        if self._bucket is None:
            raise Refused("too large for the stream, and no bucket is given")
        notice = put_object(self._clients, self._bucket, outgoing)  # first: a notification must never point at nothing
        self._put_line(orjson.dumps({"source": SOURCE, "detail-type": OBJECT_NOTICE, "detail": notice}))
        return "s3"

    def _put_line(self, line: bytes) -> None:
        record = {"Data": line + b"\n"}
        call(self._clients.firehose.put_record, DeliveryStreamName=self._stream, Record=record)
