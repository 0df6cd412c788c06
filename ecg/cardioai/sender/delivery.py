"""Delivering one message: what an adapter is, how it fails, and which there are."""

import importlib
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Outgoing:
    """One message as it goes out, with what a route needs to know about it."""

    body: bytes
    message_id: str
    origin_code: str


class NotDelivered(Exception):
    """The message did not arrive, or is not known to have: sending it again can help, and is safe by its message id.

    `reason` is short and countable; `after_s` is how long the other side asked to wait.
    """

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason, after_s)
        self.reason = reason
        self.after_s = after_s


class Refused(Exception):
    """The other side will never take this message."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Adapter(Protocol):
    """One way to the ingestion layer; used from several threads at once."""

    def send(self, outgoing: Outgoing) -> str:
        """Deliver the message and say what became of it. Raises `NotDelivered` or `Refused`."""
        ...


@dataclass(frozen=True)
class Route:
    """Where to send: `name` is a URL, a bus or a stream; the rest concerns AWS, with None for the adapter's default.

    `connections` is how many messages are sent at a time, `timeout_s` how long one answer is waited for.
    """

    name: str
    connections: int = 1
    timeout_s: float = 30.0
    primary_bus: str | None = None
    bucket: str | None = None
    inline_max_bytes: int | None = None
    region: str | None = None
    endpoint: str | None = None


#: Module of each adapter by its name: it has `open_adapter(route)`. boto3 is an extra, and slow to load.
ADAPTERS = {
    "HTTP": "ecg.cardioai.sender.http",
    "ESB": "ecg.cardioai.bus.sender",
    "FIREHOSE": "ecg.cardioai.bus.firehose",
}


def open_adapter(kind: str, route: Route) -> Adapter:
    """The adapter of a kind in `ADAPTERS`. Raises `MalformedInput` for a route that it cannot take, or `BusError`."""
    adapter: Adapter = importlib.import_module(ADAPTERS[kind]).open_adapter(route)
    return adapter
