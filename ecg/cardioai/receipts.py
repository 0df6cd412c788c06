"""What comes in, and what is said about it."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import orjson

from ecg.formats.cardioai_message import Payload
from ecg.store.states import State


class Outcome(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class Limits:
    """Limits of messages, recordings and origins. Beyond them a message is refused or quarantined, never half kept.

    `recording_s` bounds the time of an analysis, `recording_samples` (of all leads together) its memory also where the
    sampling rate is not known yet. One hour of 12 leads at 500 Hz fits both.
    """

    max_message_bytes: int = 16 * 2**20
    max_parts: int = 10_000
    recording_bytes: int = 512 * 2**20
    recording_s: float = 3600.0
    recording_samples: int = 25_000_000
    open_recordings_per_origin: int = 1_000
    open_bytes_per_origin: int = 4 * 2**30
    quarantined_per_origin: int = 1_000
    quarantined_bytes_per_origin: int = 128 * 2**20

    def excess(self, samples: int, leads: int, fs_hz: float | None) -> "Fault | None":
        """Why a recording of `samples` in each of `leads` is more than is analysed at once, or None."""
        if samples * leads > self.recording_samples:
            return Fault("recording_too_long", f"{samples * leads} samples are more than {self.recording_samples}.")
        if fs_hz is not None and samples / fs_hz > self.recording_s:
            return Fault("recording_too_long", f"{samples / fs_hz:.0f} s are more than {self.recording_s:g} s.")
        return None


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Fault:
    """Why a message is quarantined: a stable code and a sentence."""

    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


@dataclass(frozen=True)
class Part:
    """The checked content of a usable message, without its rows: those stay in the body."""

    payload: Payload
    first_sample: int
    last_sample: int

    @property
    def samples(self) -> int:
        """Samples of each lead."""
        return self.last_sample - self.first_sample + 1


@dataclass(frozen=True)
class Incoming:
    """A message ready to be kept: decoded, checked on its own, its body compressed; `size` is what it was before.

    `origin_is_proven` when the sender's key decided the origin, and not the message.
    """

    message_id: str
    origin_id: str
    origin_code: str | None
    device_code: str | None
    route: str
    fs_hz: float | None
    content_hash: str
    size: int
    body: bytes
    part: Part | None
    fault: Fault | None
    origin_is_proven: bool = False

    @property
    def identity(self) -> tuple[str, str | None, int | None]:
        """Content hash, sequence id and index: the same message has the same three."""
        if self.part is None:
            return self.content_hash, None, None
        return self.content_hash, self.part.payload.sequence_id, self.part.payload.index

    def columns(self, now: float) -> dict[str, Any]:
        """What the message log and the quarantine both note of it."""
        content_hash, sequence_id, part_index = self.identity
        return {
            "message_id": self.message_id,
            "content_hash": content_hash,
            "sequence_id": sequence_id,
            "part_index": part_index,
            "origin_id": self.origin_id,
            "origin_code": self.origin_code,
            "route": self.route,
            "received_at": now,
        }


@dataclass(frozen=True)
class Receipt:
    """The acknowledgement of a message that is on disk; sending it again changes nothing."""

    message_id: str
    outcome: Outcome
    sequence_id: str | None
    index: int | None
    state: State | None
    reason: str | None

    def json(self) -> bytes:
        """The receipt as it goes over the wire."""
        fields = asdict(self)
        names = {"message_id": "messageId", "outcome": "status", "sequence_id": "sequenceId"}
        return orjson.dumps({names.get(name, name): value for name, value in fields.items()})
