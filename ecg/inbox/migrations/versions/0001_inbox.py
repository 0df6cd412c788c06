"""The inbox's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "devices",
        sa.Column("device_code", sa.String(length=128), nullable=False),
        sa.Column("fs_hz", sa.Double(), nullable=False),
        sa.Column("gain", sa.Double(), nullable=True),
        sa.Column("baseline", sa.Integer(), nullable=True),
        sa.Column("units", sa.String(length=16), nullable=True),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("device_code"),
    )
    op.create_table(
        "messages",
        sa.Column("message_id", sa.String(length=128), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("sequence_id", sa.String(length=128), nullable=True),
        sa.Column("part_index", sa.Integer(), nullable=True),
        sa.Column("origin_code", sa.String(length=16), nullable=True),
        sa.Column("route", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index(
        op.f("ix_messages_origin_code_route_outcome"), "messages", ["origin_code", "route", "outcome"], unique=False
    )
    op.create_index(op.f("ix_messages_sequence_id"), "messages", ["sequence_id"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=128), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("sequence_id", sa.String(length=128), nullable=True),
        sa.Column("part_index", sa.Integer(), nullable=True),
        sa.Column("origin_code", sa.String(length=16), nullable=True),
        sa.Column("route", sa.String(length=16), nullable=False),
        sa.Column("fs_hz", sa.Double(), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_id", "content_hash", name=op.f("uq_quarantine")),
    )
    op.create_index(op.f("ix_quarantine_received_at"), "quarantine", ["received_at"], unique=False)
    op.create_table(
        "recordings",
        sa.Column("sequence_id", sa.String(length=128), nullable=False),
        sa.Column("record_id", sa.String(length=128), nullable=False),
        sa.Column("origin_id", sa.String(length=128), nullable=False),
        sa.Column("origin_code", sa.String(length=16), nullable=True),
        sa.Column("device_code", sa.String(length=128), nullable=True),
        sa.Column("device_id", sa.String(length=128), nullable=True),
        sa.Column("customer_id", sa.String(length=128), nullable=True),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("calibration", sa.Text(), nullable=False),
        sa.Column("fs_source", sa.String(length=16), nullable=True),
        sa.Column("parts_expected", sa.Integer(), nullable=False),
        sa.Column("parts_received", sa.Integer(), nullable=False),
        sa.Column("bytes_received", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("first_received_at", sa.Double(), nullable=False),
        sa.Column("last_received_at", sa.Double(), nullable=False),
        sa.Column("ready_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.String(length=36), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("sequence_id"),
    )
    op.create_index(op.f("ix_recordings_origin_id_state"), "recordings", ["origin_id", "state"], unique=False)
    op.create_index(op.f("ix_recordings_record_id"), "recordings", ["record_id"], unique=False)
    op.create_index(op.f("ix_recordings_state_ready_at"), "recordings", ["state", "ready_at"], unique=False)
    op.create_table(
        "parts",
        sa.Column("sequence_id", sa.String(length=128), nullable=False),
        sa.Column("part_index", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=128), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("first_sample", sa.BigInteger(), nullable=False),
        sa.Column("last_sample", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["sequence_id"], ["recordings.sequence_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sequence_id", "part_index"),
    )
    op.create_table(
        "results",
        sa.Column("sequence_id", sa.String(length=128), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("worker", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["sequence_id"], ["recordings.sequence_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sequence_id"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # The bodies are compressed already; a second compression only costs time.
        op.execute("ALTER TABLE parts ALTER COLUMN body SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE quarantine ALTER COLUMN body SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Drop the tables."""
    for name in ("devices", "quarantine", "results", "parts", "recordings", "messages"):
        op.drop_table(name)
