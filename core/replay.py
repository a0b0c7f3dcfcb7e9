"""Masks frames by decisions that were made before, without a detector."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time

from core.config import EngineConfig
from core.engine import Stats
from core.frame import BLANKET, Frame, Verdict
from core.masked_frame import MaskedFrame
from core.paint.masker import Masker

Decide = Callable[[Frame], Verdict | None]
"""The verdict on a frame, or None where there is none."""


class Replay:
    """Paints each frame as `decide` says; what it says nothing about, and what the decoder made up, is masked whole.

    Same shape as `Anonymizer`, but every frame comes out at once. The same decisions on the same frames give the same
    pictures as the run that made them, bit for bit.
    """

    def __init__(self, config: EngineConfig, decide: Decide) -> None:
        self.stats = Stats()
        self._decide = decide
        self._masker = Masker(config.mask, config.zones)
        self._tracks: set[int] = set()

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to stop."""

    def push(self, frame: Frame) -> list[MaskedFrame]:
        """The frame, masked. Raises what `decide` raises."""
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
        """Nothing: no frame is held."""
        return []
