"""What time it is for the masks: never behind the real time that has passed, whatever a source stamps."""

from __future__ import annotations

_SLACK = 0.06  # seconds of network jitter that may be smoothed away
_LONGEST = 5.0  # seconds between two stamps that are still believed


class MaskClock:
    """Seconds that a face may have moved for, counted from the first picture.

    Between two pictures lies what the source says or what passed until the later one arrived, whichever is more:
    after a stall a burst of pictures is as far apart as it was taken, and stamps that lag, stand still or run back
    (MJPEG over HTTP has made-up ones) never make a mask look younger than it is, but for `_SLACK`.
    """

    def __init__(self) -> None:
        self._time = 0.0
        self._arrived: float | None = None
        self._source: float | None = None
        self._ahead = 0.0

    def tick(self, arrived: float, source_time: float | None) -> float:
        """The time of the next picture; both arguments in seconds, that of arrival by a steady clock."""
        if self._arrived is not None:
            passed = max(0.0, arrived - self._arrived)
            told = passed
            if source_time is not None and self._source is not None and 0 < source_time - self._source < _LONGEST:
                told = source_time - self._source
            step = max(told, passed - self._ahead)
            self._ahead = min(_SLACK, max(0.0, self._ahead + step - passed))
            self._time += step
        self._arrived, self._source = arrived, source_time
        return self._time
