"""Alembic runs this for every command. The connection comes from `Database.migrate`."""

from __future__ import annotations

from alembic import context

from streamer.service.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
    transactional_ddl=False,  # the caller has begun the transaction
)
context.run_migrations()
