"""Opens the service's data folder for a command, whose user gets one line if that fails."""

from __future__ import annotations

import argparse
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from streamer.errors import ConfigError, OutputError
from streamer.service.store.data_folder import DataFolder, default_data
from streamer.service.store.database import BusyError


@contextmanager
def opened_data(options: argparse.Namespace, create: bool) -> Iterator[DataFolder]:
    """The folder of `--data`. Raises JobError, also for what goes wrong with its database inside the block."""
    path = default_data() if options.data is None else Path(options.data)
    folder = DataFolder.open(path) if create else DataFolder.existing(path)
    try:
        yield folder
    except BusyError as error:
        raise OutputError(path, f"{error}; try again") from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OutputError(path, "no space left on the disk") from error
    except DatabaseError as error:
        raise ConfigError(path, f"its database cannot be used ({' '.join(str(error.orig).split())})") from error
    finally:
        folder.close()
