"""Opens the service's data for a command, whose user gets one line if that fails."""

from __future__ import annotations

import argparse
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from streamer.cli.service.options import database_address
from streamer.errors import ConfigError, OutputError
from streamer.service.store.data_folder import DATABASE, DataFolder, default_data, open_database
from streamer.service.store.database import BusyError, Database


@dataclass(frozen=True, slots=True)
class OpenedData:
    """What commands look at. `audit_key`: file with the key that signs checkpoints; None: the database has it."""

    database: Database
    audit_key: Path | None


@contextmanager
def opened_data(options: argparse.Namespace, create: bool) -> Iterator[OpenedData]:
    """What is in the folder of `--data`, or at `--database`. Raises JobError, also for what goes wrong with its
    database inside the block.
    """
    address = database_address(options, os.environ)
    where = DATABASE if address is not None else default_data() if options.data is None else Path(options.data)
    if address is not None:
        opened = OpenedData(open_database(address), None)
    else:
        folder = DataFolder.open(where) if create else DataFolder.existing(where)
        opened = OpenedData(folder.database, folder.audit_key)
    try:
        yield opened
    except BusyError as error:
        raise OutputError(where, f"{error}; try again") from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OutputError(where, "no space left on the disk") from error
    except DatabaseError as error:
        raise ConfigError(where, f"its database cannot be used ({' '.join(str(error.orig).split())})") from error
    finally:
        opened.database.close()
