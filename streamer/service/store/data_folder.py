"""The folder that holds all that the service keeps: database, blobs, workers' scratch files, key of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic.util import CommandError
from sqlalchemy.exc import DatabaseError

from streamer.errors import ConfigError
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import BusyError, Database

_DATABASE: Final = "veilcast.db"
_HARMLESS: Final = frozenset({"lost+found"})  # what a fresh file system may hold


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The opened folder. Close it when nothing uses its database any more."""

    path: Path
    database: Database
    blobs: Blobs

    @property
    def work(self) -> Path:
        """Scratch files of workers, which may be removed whenever no worker runs."""
        return self.path / "work"

    @property
    def audit_key(self) -> Path:
        """The key that signs the audit log's checkpoints."""
        return self.path / "audit.key"

    @classmethod
    def open(cls, path: Path) -> DataFolder:
        """Open it, and create whatever is not there yet, for its owner alone. Raises ConfigError with one line."""
        path = path.absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_ours(path)
            path.chmod(0o700)
            (path / "work").mkdir(mode=0o700, exist_ok=True)
            blobs = Blobs.in_folder(path / "blobs")
            database = Database.in_file(path / _DATABASE)
        except OSError as error:
            raise ConfigError(path, f"data cannot be kept there ({error.strerror or error})") from error
        return cls(path, _migrated(database, path), blobs)

    @classmethod
    def existing(cls, path: Path) -> DataFolder:
        """As `open`, for a folder that a service has written before. Creates nothing if there is none."""
        if not (path / _DATABASE).is_file():
            raise ConfigError(path, f"no service has kept its data there: it holds no {_DATABASE}")
        return cls.open(path)

    def close(self) -> None:
        """Close the database's connections."""
        self.database.close()


def default_data() -> Path:
    """Where the service keeps its data unless told otherwise: where it is started, easy to find and to delete."""
    return Path("veilcast-data")


def _check_ours(path: Path) -> None:
    """A folder of something else must neither be filled nor have its permissions changed."""
    held = {entry.name for entry in path.iterdir()} - _HARMLESS
    if held and not held & {_DATABASE, "blobs", "work"}:
        raise ConfigError(path, f"holds other files but no {_DATABASE}: name an empty folder or a new one")


def _migrated(database: Database, path: Path) -> Database:
    try:
        database.migrate()
    except CommandError as error:  # alembic does not know the version that the file says it has
        database.close()
        raise ConfigError(path / _DATABASE, "a newer version of veilcast has written it") from error
    except (DatabaseError, BusyError) as error:
        database.close()
        cause = getattr(error, "orig", None) or error
        raise ConfigError(path / _DATABASE, f"cannot be used ({cause})") from error
    return database
