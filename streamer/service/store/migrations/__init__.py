"""Alembic's scripts: how the tables change from version to version."""
