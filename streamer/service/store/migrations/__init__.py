"""Alembic's scripts: how the tables change from version to version.

While a cluster is updated, nodes of the version before go on working on the new tables. So a migration only adds:
tables, indexes, and columns that may be NULL or have a server default, since older nodes leave them out. What is
renamed, taken away or given another meaning takes two versions. Where that cannot be, the migration sets the row
`oldest_schema` of `facts` to its own number, and older nodes end with a clear line.
"""
