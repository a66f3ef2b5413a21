"""Run by alembic: migrate over the connection that widget.storage.migrate opened."""

from alembic import context

from widget.storage.tables import Table

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Table.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
