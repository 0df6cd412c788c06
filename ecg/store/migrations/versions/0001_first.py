"""The first tables, as the rooms declare them; written out here when the first version is released."""

from alembic import op

from ecg.store.database import all_tables

revision = "first"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    all_tables().create_all(op.get_bind())
    if op.get_bind().dialect.name == "postgresql":
        # The bodies are compressed already; a second compression only costs time.
        op.execute("ALTER TABLE parts ALTER COLUMN body SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE quarantine ALTER COLUMN body SET STORAGE EXTERNAL")
