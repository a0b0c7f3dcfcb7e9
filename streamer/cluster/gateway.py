"""A gateway's end of the queues: it tells workers of what it has taken in."""

from __future__ import annotations

from streamer.cluster.app import celery_app
from streamer.cluster.ringer import Ringer
from streamer.cluster.sending import Sending
from streamer.cluster.sweep import Sweep
from streamer.service.jobs.leases import Leases
from streamer.service.jobs.step import StepId
from streamer.service.pictures.elsewhere import AskedPictures
from streamer.service.store.database import Database


class BrokerLink:
    """As `Elsewhere` has it, by Celery's messages. A job is taken in whether or not Redis can be reached."""

    def __init__(self, broker: str) -> None:
        """`broker`: redis://HOST/0. Raises ValueError if it is none."""
        if not broker.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("not a broker that can be used: write redis://HOST/0")
        self._app = celery_app(broker)
        self._ringer: Ringer | None = None
        self._sweep: Sweep | None = None

    def open(self, database: Database, leases: Leases, asked: AskedPictures) -> None:
        """Begin to tell."""
        self._ringer = Ringer(Sending(self._app), leases)
        self._sweep = Sweep(database, leases, Sending(self._app), asked)
        self._ringer.start()

    def ring(self, step: StepId) -> None:
        """A step waits."""
        if self._ringer is not None:
            self._ringer.ring(step)

    def ring_picture(self, picture: str) -> None:
        """A picture waits."""
        if self._ringer is not None:
            self._ringer.ring_picture(picture)

    def sweep(self) -> int:
        """Tell of what nobody works on; returns of how many steps. Raises BusyError, OSError."""
        return 0 if self._sweep is None else self._sweep.run()

    def close(self) -> bool:
        """Tell what is left to tell, and stop."""
        return self._ringer is None or self._ringer.close()
