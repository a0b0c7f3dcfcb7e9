"""Which pictures of a live stream can be trusted. No I/O."""

from __future__ import annotations

from streamer.media.damage import DamageLog


class LiveDamage:
    """A `DamageLog` for a stream whose pictures may also be renewed bit by bit (periodic intra refresh).

    After damage, a key frame makes trust; so does the second packet that a refresh starts at, because a whole round
    of refresh lies between the first and it. Packets are numbered in decoding order. `patience` is that of `DamageLog`.
    """

    def __init__(self, patience: int = 0) -> None:
        self._log = DamageLog(patience=patience)
        self._seen_at = -1
        self._rounds: list[int] = []
        self.losses = 0

    def packet(self, ordinal: int, key: bool, damaged: bool) -> None:
        """Packet `ordinal` was read; `damaged` when it was flagged or something was lost on the way to it."""
        if key:
            self._log.key_packet(ordinal)
            if ordinal > self._seen_at:
                self._rounds = [*self._rounds, ordinal][:2]
        if damaged:
            self._note(ordinal)

    def decode_failed(self, ordinal: int) -> None:
        """The decoder refused packet `ordinal` or found a picture missing that it refers to."""
        self._log.decode_failed(ordinal)
        self._note(ordinal)

    def is_trusted(self, ordinal: int, key_frame: bool, corrupt: bool) -> bool:
        """Whether the frame of packet `ordinal` shows what the camera saw; frames as the decoder emits them."""
        if corrupt:
            self._note(ordinal)
        renewed = len(self._rounds) == 2 and ordinal >= self._rounds[1]
        return self._log.is_trusted(ordinal, key_frame or renewed, corrupt)

    def _note(self, ordinal: int) -> None:
        self.losses += 1
        self._log.packet_damaged(ordinal)
        # Packets are cut where the next one begins, so the hole may as well be in the one that comes next.
        self._log.packet_damaged(ordinal + 1)
        self._seen_at = max(self._seen_at, ordinal + 1)
        self._rounds = []
