"""Chores that one of all servers does at a time."""

from __future__ import annotations

from streamer.service.store.database import Database
from streamer.service.store.tables import ChoreRow


def chore_is_due(database: Database, name: str, every: float) -> bool:
    """Whether the caller is to do a chore now: once every so many seconds, one of all who ask is. Raises BusyError.

    Whoever ends before it is done has it done by whoever asks after `every` seconds more.
    """
    now = database.now()
    with database.reading() as session:  # most asks find that it is not due, and need not lock others out
        if _waits(session.get(ChoreRow, name), now, every):
            return False
    with database.writing() as session:
        row = session.get(ChoreRow, name)
        if _waits(row, now, every):
            return False
        if row is None:
            session.add(ChoreRow(name=name, due=now + every))
        else:
            row.due = now + every
    return True


def _waits(row: ChoreRow | None, now: float, every: float) -> bool:
    """A time that is further off than any can be was set by a clock that has been put back since."""
    return row is not None and now < row.due <= now + 2 * every
