"""Masks pictures for gateways, in a confined process that is kept between two of them."""

from __future__ import annotations

import logging
from typing import Final

from streamer.runtime.event_loop import LoopThread
from streamer.service.pictures.elsewhere import AskedPictures
from streamer.service.pictures.pool import PicturePool, PictureRefusedError, PoolFullError
from streamer.service.store.database import BusyError
from streamer.settings.file import Settings

_log = logging.getLogger("veilcast.cluster")

_START: Final = 10.0  # seconds
_LONGEST: Final = 300.0  # seconds for a picture, all told


class PictureWork:
    """One picture at a time. Close it."""

    def __init__(self, asked: AskedPictures) -> None:
        self._asked = asked
        self._network = LoopThread()
        self._network.__enter__()
        self._pool = PicturePool(1, 0)
        self._network.run(self._pool.start(), _START)

    def do(self, picture: str) -> None:
        """Mask a picture if anybody still waits for it, and nobody else is at it."""
        try:
            taken = self._asked.take(picture)
            if taken is None:
                return
            try:
                settings = Settings.model_validate_json(taken.settings)
                made = self._network.run(self._pool.mask(self._asked.original(taken), settings), _LONGEST)
            except PictureRefusedError as error:
                self._asked.refused(taken, error)
            except (PoolFullError, TimeoutError):
                self._asked.put_back(taken)
            else:
                self._asked.masked(taken, made)
        except (BusyError, OSError) as error:
            _log.warning("a picture could not be answered: %s", type(error).__name__)

    def close(self) -> None:
        """End the process."""
        self._network.run(self._pool.close(), _START)
        self._network.close()
