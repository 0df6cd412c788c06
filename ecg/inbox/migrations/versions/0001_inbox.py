"""The inbox's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "devices",
        sa.Column("device_code", sa.String(128), primary_key=True),
        sa.Column("fs_hz", sa.Double, nullable=False),
        sa.Column("gain", sa.Double),
        sa.Column("baseline", sa.Integer),
        sa.Column("units", sa.String(16)),
        sa.Column("updated_at", sa.Double, nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("message_id", sa.String(128), primary_key=True),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("sequence_id", sa.String(128)),
        sa.Column("part_index", sa.Integer),
        sa.Column("origin_code", sa.String(16)),
        sa.Column("route", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("received_at", sa.Double, nullable=False),
    )
    op.create_index(op.f("ix_messages_origin_code_route_outcome"), "messages", ["origin_code", "route", "outcome"])
    op.create_index(op.f("ix_messages_sequence_id"), "messages", ["sequence_id"])
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("message_id", sa.String(128), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("sequence_id", sa.String(128)),
        sa.Column("part_index", sa.Integer),
        sa.Column("origin_code", sa.String(16)),
        sa.Column("route", sa.String(16), nullable=False),
        sa.Column("fs_hz", sa.Double),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.UniqueConstraint("message_id", "content_hash", name=op.f("uq_quarantine")),
    )
    op.create_index(op.f("ix_quarantine_received_at"), "quarantine", ["received_at"])
    op.create_table(
        "recordings",
        sa.Column("sequence_id", sa.String(128), primary_key=True),
        sa.Column("record_id", sa.String(128), nullable=False),
        sa.Column("origin_id", sa.String(128), nullable=False),
        sa.Column("origin_code", sa.String(16)),
        sa.Column("device_code", sa.String(128)),
        sa.Column("device_id", sa.String(128)),
        sa.Column("customer_id", sa.String(128)),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("calibration", sa.Text, nullable=False),
        sa.Column("fs_source", sa.String(16)),
        sa.Column("parts_expected", sa.Integer, nullable=False),
        sa.Column("parts_received", sa.Integer, nullable=False),
        sa.Column("bytes_received", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("first_received_at", sa.Double, nullable=False),
        sa.Column("last_received_at", sa.Double, nullable=False),
        sa.Column("ready_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease_token", sa.String(36)),
        sa.Column("lease_until", sa.Double),
    )
    op.create_index(op.f("ix_recordings_origin_id_state"), "recordings", ["origin_id", "state"])
    op.create_index(op.f("ix_recordings_record_id"), "recordings", ["record_id"])
    op.create_index(op.f("ix_recordings_state_ready_at"), "recordings", ["state", "ready_at"])
    op.create_table(
        "parts",
        sa.Column("sequence_id", sa.String(128), primary_key=True),
        sa.Column("part_index", sa.Integer, primary_key=True),
        sa.Column("message_id", sa.String(128), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("first_sample", sa.BigInteger, nullable=False),
        sa.Column("last_sample", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["sequence_id"], ["recordings.sequence_id"], ondelete="CASCADE"),
    )
    op.create_table(
        "results",
        sa.Column("sequence_id", sa.String(128), primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("worker", sa.String(128), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(["sequence_id"], ["recordings.sequence_id"], ondelete="CASCADE"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # The bodies are compressed already; a second compression only costs time.
        op.execute("ALTER TABLE parts ALTER COLUMN body SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE quarantine ALTER COLUMN body SET STORAGE EXTERNAL")
