"""Keeps two servers from using one data folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from streamer.errors import ConfigError


class FolderLock:
    """Held by one process at a time, until it is closed or the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError if another process has it."""
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise ConfigError(folder, "another veilcast serve uses this folder") from None

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._file)
