"""Which groups of pictures are copied and which frames are encoded, decided while masked frames arrive. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.frame import Cover
from core.masked_frame import MaskedFrame
from streamer.gops.gop import Gop


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep this frame until more is known."""

    pts: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget these held frames: nothing was masked in their group so far, and it is too long to be held."""

    pts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """Dropped frames have to be encoded after all, before anything else is.

    Decode from packet `decode_from` on and encode the pictures of `pts`; there was nothing to mask in them.
    """

    gop: Gop
    decode_from: int
    pts: tuple[int, ...]
    fresh: bool


@dataclass(frozen=True, slots=True)
class Encode:
    """Encode these frames: held ones, and the newest. With `fresh`, an encoder of their own begins with a key frame."""

    pts: tuple[int, ...]
    fresh: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """The packets of this group are copied; all frames that are held belong to it and can be forgotten."""

    gop: Gop


Choice = Hold | Drop | Again | Encode | Copy


def is_untouched(masked: MaskedFrame) -> bool:
    """Whether the frame shows what was recorded: settled, and nothing to hide. Zones are not asked about."""
    return masked.cover is Cover.SETTLED and not masked.regions


class GopChooser:
    """Takes what became of each frame, in order of presentation, and says what to do.

    `gops` are those of the file or the unit, in order; frames that belong to none are encoded. At most `most_held`
    frames are held at a time.
    """

    def __init__(self, gops: Sequence[Gop], most_held: int) -> None:
        self._place = {pts: gop for gop in gops for pts in gop.pts}
        self._most_held = most_held
        self._gop: Gop | None = None
        self._seen = 0  # frames of the current group that were as the index says
        self._open = False  # whether the current group can still be copied
        self._held: list[int] = []
        self._dropped: list[int] = []
        self._run: int | None = None  # where the copied run that ends before the current group begins
        self._after: int | None = None  # number of the group that would continue the run
        self._fresh = True

    def frame(self, pts: int, untouched: bool) -> tuple[Choice, ...]:
        """The next frame."""
        gop = self._place.get(pts)
        choices: list[Choice] = []
        if gop is not self._gop:
            choices += self._give_up()
            self._begin(gop)
        if not self._open or gop is None:
            return (*choices, *self._encode((pts,)))
        if not untouched or gop.pts[self._seen] != pts:
            choices += self._give_up()
            return (*choices, *self._encode((pts,)))
        self._seen += 1
        if self._seen == len(gop.pts):
            choices.append(self._copy(gop))
        elif self._dropped or len(self._held) >= self._most_held:
            self._dropped += [*self._held, pts]
            choices.append(Drop((*self._held, pts)))
            self._held.clear()
        else:
            self._held.append(pts)
            choices.append(Hold(pts))
        return tuple(choices)

    def finish(self) -> tuple[Choice, ...]:
        """After the last frame."""
        return tuple(self._give_up())

    def _begin(self, gop: Gop | None) -> None:
        self._gop, self._seen = gop, 0
        continues = gop is not None and self._after == gop.number
        if not continues:
            self._run = None
        self._open = gop is not None and gop.refusal is None and (gop.closed or continues)
        if self._open and gop is not None and gop.closed:
            self._run = gop.first

    def _copy(self, gop: Gop) -> Copy:
        self._held.clear()
        self._dropped.clear()
        self._open, self._after, self._fresh = False, gop.number + 1, True
        return Copy(gop)

    def _give_up(self) -> list[Choice]:
        """The current group is encoded, as far as it is not complete."""
        choices: list[Choice] = []
        gop, complete = self._gop, self._gop is not None and self._after == self._gop.number + 1
        if self._dropped and gop is not None:
            begin = gop.first if self._run is None else self._run
            choices.append(Again(gop, begin, tuple(self._dropped), self._fresh))
            self._fresh = False
        if self._held:
            choices += self._encode(tuple(self._held))
        self._held.clear()
        self._dropped.clear()
        self._open = False
        if not complete:
            self._after = None
        return choices

    def _encode(self, pts: tuple[int, ...]) -> tuple[Encode]:
        fresh, self._fresh = self._fresh, False
        return (Encode(pts, fresh),)
