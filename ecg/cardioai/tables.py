"""The tables of messages, their parts and what is known of each sequence, beside the recordings of `ecg.store`."""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ecg.store.tables import metadata

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

#: A sequence of parts is a recording under the same id.
sequences = Table(
    "sequences",
    metadata,
    Column("sequence_id", String(128), ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
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
)

parts = Table(
    "parts",
    metadata,
    Column("sequence_id", String(128), ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    Column("part_index", Integer, primary_key=True),
    Column("message_id", String(128), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("first_sample", BigInteger, nullable=False),
    Column("last_sample", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
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
