"""Masks frames from recorded decisions, without a detector."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time

from core.config import EngineConfig
from core.engine import Stats
from core.frame import BLANKET, Frame, Verdict
from core.masked_frame import MaskedFrame
from core.paint.masker import Masker

Decide = Callable[[Frame], Verdict | None]
"""Returns the verdict on a frame, or None if there is none."""


class Replay:
    """Paints each frame as `decide` says. Frames without a decision and untrusted frames are masked whole.

    Same interface as `Anonymizer`, but every frame comes out immediately. The same decisions on the same frames give
    the same pictures, bit for bit, as the run that made the decisions.
    """

    def __init__(self, config: EngineConfig, decide: Decide) -> None:
        self.stats = Stats()
        self._decide = decide
        self._masker = Masker(config.mask, config.zones)
        self._tracks: set[int] = set()

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to stop."""

    def push(self, frame: Frame) -> list[MaskedFrame]:
        """The masked frame. Raises whatever `decide` raises."""
        decided = self._decide(frame)
        begun = thread_time()
        masked = self._masker.mask(frame, decided if decided is not None and frame.trusted else BLANKET)
        self.stats.cpu["paint"] += thread_time() - begun
        self.stats.frames += 1
        self.stats.covers[masked.cover] += 1
        self._tracks.update(region.track for region in masked.regions if region.track >= 0)
        self.stats.faces = len(self._tracks)
        return [masked]

    def flush(self) -> list[MaskedFrame]:
        """An empty list: no frames are held."""
        return []
