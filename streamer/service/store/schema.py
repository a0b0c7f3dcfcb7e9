"""Brings a database's tables to this version, and tells whether this version can use what a newer one has made."""

from __future__ import annotations

from importlib import resources

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text


def bring_up_to_date(connection: Connection, several_versions: bool) -> None:
    """Run what is missing, in the connection's transaction. Raises CommandError if a newer version made the tables.

    `several_versions`: nodes of two versions may use the database during a rolling update. The older one goes on if
    all changes since were such that it need not know them: see `migrations`.
    """
    config = Config()
    config.set_main_option("script_location", str(resources.files("streamer.service.store") / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    head, made = scripts.get_current_head(), MigrationContext.configure(connection).get_current_revision()
    known = {each.revision for each in scripts.walk_revisions()}
    if made is not None and made not in known and several_versions and head is not None:
        oldest = connection.scalar(text("SELECT value FROM facts WHERE name = 'oldest_schema'"))
        if oldest is not None and int(bytes(oldest)) <= int(head):
            return
        raise CommandError(f"the tables are of version {made}, which this program cannot use")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
