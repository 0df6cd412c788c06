"""Alembic's entry point: migrations run in the transaction that `ecg.store.database` opened."""

from alembic import context

from ecg.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
