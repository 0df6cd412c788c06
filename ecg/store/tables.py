"""The tables of recordings and results, for SQLite and PostgreSQL alike.

Times are seconds since 1970 of the database's clock.
"""

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s"})

recordings = Table(
    "recordings",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("record_id", String(128), nullable=False, index=True),
    Column("origin_id", String(128), nullable=False),
    Column("origin_code", String(16)),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("first_received_at", Double, nullable=False),
    Column("last_received_at", Double, nullable=False),
    Column("ready_at", Double),
    Column("finished_at", Double),
    Column("attempts", Integer, nullable=False, default=0),
    Column("refusals", Integer, nullable=False, default=0),
    Column("lease_token", String(36)),
    Column("lease_until", Double),
    Index(None, "state", "ready_at"),
    Index(None, "origin_id", "state"),
)

results = Table(
    "results",
    metadata,
    Column("recording", String(128), ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("worker", String(128), nullable=False),
    Column("created_at", Double, nullable=False),
)
