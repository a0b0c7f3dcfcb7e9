"""How many requests a minute each token may send."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

_OWNERS: Final = 4096  # remembered; whoever was quiet for longest is forgotten, and may then start afresh


@dataclass(slots=True)
class _Bucket:
    left: float
    counted: float


class RequestRates:
    """A minute's worth of requests may come at once; after that they come back evenly. Not thread-safe."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, owner: str, per_minute: int | None, now: float) -> float:
        """0, and the request counts; or the seconds until one more may come. `now` of any monotonic clock."""
        if per_minute is None:
            return 0.0
        bucket = self._buckets.setdefault(owner, _Bucket(float(per_minute), now))
        self._buckets.move_to_end(owner)
        if len(self._buckets) > _OWNERS:
            self._buckets.popitem(last=False)
        rate = per_minute / 60
        bucket.left = min(float(per_minute), bucket.left + max(0.0, now - bucket.counted) * rate)
        bucket.counted = now
        if bucket.left < 1 - 1e-9:  # rounding must not make whoever waited as told wait again
            return (1 - bucket.left) / rate
        bucket.left -= 1
        return 0.0
