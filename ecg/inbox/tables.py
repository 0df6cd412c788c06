"""The tables of the inbox, for SQLite and PostgreSQL alike. Times are seconds since 1970 of the database's clock."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)


class State(StrEnum):
    """Where a recording stands.

    ``open``: parts are missing. ``incomplete``: parts are missing and none came for long; a late part reopens it.
    ``waiting_fs``: whole, but its sampling rate is not known. ``ready``, ``running``: for the workers. ``done``: has
    its result. ``failed``: no valid analysis exists.
    """

    OPEN = "open"
    INCOMPLETE = "incomplete"
    WAITING_FS = "waiting_fs"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Outcome(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s"})

messages = Table(
    "messages",
    metadata,
    Column("message_id", String(128), primary_key=True),
    Column("content_hash", String(64), nullable=False),
    Column("sequence_id", String(128)),
    Column("part_index", Integer),
    Column("origin_id", String(128), nullable=False),
    Column("origin_code", String(16)),
    Column("route", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", Text),
    Column("received_at", Double, nullable=False),
    Index(None, "origin_code", "route", "outcome"),
    Index(None, "sequence_id"),
)

recordings = Table(
    "recordings",
    metadata,
    Column("sequence_id", String(128), primary_key=True),
    Column("record_id", String(128), nullable=False, index=True),
    Column("origin_id", String(128), nullable=False),
    Column("origin_code", String(16)),
    Column("device_code", String(128)),
    Column("device_id", String(128)),
    Column("customer_id", String(128)),
    Column("headers", Text, nullable=False),
    Column("calibration", Text, nullable=False),
    Column("fs_source", String(16)),
    Column("parts_expected", Integer, nullable=False),
    Column("parts_received", Integer, nullable=False),
    Column("bytes_received", BigInteger, nullable=False),
    Column("samples_received", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("first_received_at", Double, nullable=False),
    Column("last_received_at", Double, nullable=False),
    Column("ready_at", Double),
    Column("finished_at", Double),
    Column("attempts", Integer, nullable=False),
    Column("refusals", Integer, nullable=False, server_default="0"),
    Column("lease_token", String(36)),
    Column("lease_until", Double),
    Index(None, "state", "ready_at"),
    Index(None, "origin_id", "state"),
)

parts = Table(
    "parts",
    metadata,
    Column("sequence_id", String(128), ForeignKey("recordings.sequence_id", ondelete="CASCADE"), primary_key=True),
    Column("part_index", Integer, primary_key=True),
    Column("message_id", String(128), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("first_sample", BigInteger, nullable=False),
    Column("last_sample", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

results = Table(
    "results",
    metadata,
    Column("sequence_id", String(128), ForeignKey("recordings.sequence_id", ondelete="CASCADE"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("worker", String(128), nullable=False),
    Column("created_at", Double, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", String(128), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("sequence_id", String(128)),
    Column("part_index", Integer),
    Column("origin_id", String(128), nullable=False, index=True),
    Column("origin_code", String(16)),
    Column("route", String(16), nullable=False),
    Column("fs_hz", Double),
    Column("code", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Double, nullable=False, index=True),
    UniqueConstraint("message_id", "content_hash"),
)

devices = Table(
    "devices",
    metadata,
    Column("device_code", String(128), primary_key=True),
    Column("fs_hz", Double, nullable=False),
    Column("gain", Double),
    Column("baseline", Integer),
    Column("units", String(16)),
    Column("updated_at", Double, nullable=False),
)
