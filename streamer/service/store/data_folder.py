"""Where the service keeps its things: all in one folder, or a database and a bucket that several servers share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic.util import CommandError
from sqlalchemy.exc import DatabaseError

from streamer.errors import ConfigError
from streamer.redact import redacted
from streamer.service.store.blobs import Blobs, new_id
from streamer.service.store.database import BusyError, Database
from streamer.service.store.tables import FactRow
from streamer.settings.service import ServiceConfig

_DATABASE: Final = "veilcast.db"
_HARMLESS: Final = frozenset({"lost+found"})  # what a fresh file system may hold
DATABASE: Final = Path("service.database")
"""Takes the place of a file in messages about a database elsewhere."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The opened folder, and what is elsewhere. Close it when nothing uses its database any more."""

    path: Path
    database: Database
    blobs: Blobs
    audit_key: Path | None
    """File with the key that signs the audit log's checkpoints; None: the database has it."""

    @property
    def work(self) -> Path:
        """Scratch files of workers, which may be removed whenever no worker of this folder runs."""
        return self.path / "work"

    @property
    def shared(self) -> bool:
        """Whether other servers may be using the same database and files."""
        return self.database.shared

    @classmethod
    def of(cls, config: ServiceConfig) -> DataFolder:
        """As the settings have it. Raises ConfigError with one line."""
        url = None if config.database is None else config.database.get_secret_value()
        return cls.open(config.data, url, config.blobs, config.audit_key)

    @classmethod
    def open(
        cls, path: Path, database: str | None = None, blobs: str | None = None, audit_key: Path | None = None
    ) -> DataFolder:
        """Open it, and create whatever is not there yet, for its owner alone. Raises ConfigError with one line.

        `database`, `blobs`: addresses of what is not to be in the folder, as `Database` and `Blobs.at` have them.
        """
        if database is not None and blobs is None:
            raise ConfigError(DATABASE, "servers that share a database share their files, too: set service.blobs")
        path = path.absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_ours(path)
            path.chmod(0o700)
            (path / "work").mkdir(mode=0o700, exist_ok=True)
            kept = Blobs.in_folder(path / "blobs") if blobs is None else Blobs.at(blobs)
            if database is None:
                opened = migrated(Database.in_file(path / _DATABASE), path / _DATABASE)
            else:
                opened = open_database(database)
        except OSError as error:
            raise ConfigError(path, f"data cannot be kept there ({error.strerror or error})") from error
        if blobs is not None:
            try:
                _check_same(opened, kept)
            except BaseException:
                opened.close()
                raise
        return cls(path, opened, kept, audit_key or (None if opened.shared else path / "audit.key"))

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


def open_database(url: str) -> Database:
    """The database at an address, with the tables that this version needs. Raises ConfigError with one line."""
    try:
        database = Database(url)
    except ValueError as error:
        raise ConfigError(DATABASE, str(error)) from None
    except ModuleNotFoundError as error:
        install = f"{error.name} is not installed; install it with: pip install 'veilcast[cluster]'"
        raise ConfigError(DATABASE, install) from error
    return migrated(database, DATABASE)


def migrated(database: Database, where: Path) -> Database:
    """The same database with the tables that this version needs; closed, and a ConfigError, if that fails."""
    try:
        database.migrate()
    except CommandError as error:  # alembic does not know the version that the database says it has
        database.close()
        raise ConfigError(where, "a newer version of veilcast has written it") from error
    except (DatabaseError, BusyError) as error:
        database.close()
        cause = redacted(" ".join(str(getattr(error, "orig", None) or error).split()))
        raise ConfigError(where, f"cannot be used ({cause})") from error
    return database


def _check_ours(path: Path) -> None:
    """A folder of something else must neither be filled nor have its permissions changed."""
    held = {entry.name for entry in path.iterdir()} - _HARMLESS
    if held and not held & {_DATABASE, "blobs", "work"}:
        raise ConfigError(path, f"holds other files but no {_DATABASE}: name an empty folder or a new one")


def _check_same(database: Database, blobs: Blobs) -> None:
    """Files of another database would look like files of nobody, and be deleted. Raises ConfigError."""
    where = Path("service.blobs")
    try:
        with database.writing() as session:
            own = session.get(FactRow, "id")
            if own is None:
                own = FactRow(name="id", value=new_id().encode())
                session.add(own)
        if blobs.belong_to(own.value.decode()) != own.value.decode():
            raise ConfigError(where, "holds the files of another database: name another place, or that database")
    except BusyError as error:
        raise ConfigError(DATABASE, str(error)) from error
    except OSError as error:
        raise ConfigError(where, f"cannot be used: {error.strerror or error}") from error
