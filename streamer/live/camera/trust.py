"""Which pictures of a live stream can be trusted. No I/O."""

from __future__ import annotations

from streamer.media.damage import DamageLog


class LiveDamage:
    """A `DamageLog` for streams that may use periodic intra refresh instead of key frames.

    After damage, a key frame restores trust. So does the second packet that starts a refresh, because a complete
    refresh lies between the first one and it. Packets are numbered in decoding order. `patience` is `DamageLog`'s.
    """

    def __init__(self, patience: int = 0) -> None:
        self._log = DamageLog(patience=patience)
        self._seen_at = -1
        self._rounds: list[int] = []
        self.losses = 0

    def packet(self, ordinal: int, key: bool, damaged: bool) -> None:
        """Packet `ordinal` was read; `damaged` if it was flagged or something before it was lost."""
        if key:
            self._log.key_packet(ordinal)
            if ordinal > self._seen_at:
                self._rounds = [*self._rounds, ordinal][:2]
        if damaged:
            self._note(ordinal)

    def decode_failed(self, ordinal: int) -> None:
        """The decoder failed on packet `ordinal` or reported that a reference picture is missing."""
        self._log.decode_failed(ordinal)
        self._note(ordinal)

    def is_trusted(self, ordinal: int, key_frame: bool, corrupt: bool) -> bool:
        """Whether the frame of packet `ordinal` shows what the camera saw. Call it in decoder output order."""
        if corrupt:
            self._note(ordinal)
        renewed = len(self._rounds) == 2 and ordinal >= self._rounds[1]
        return self._log.is_trusted(ordinal, key_frame or renewed, corrupt)

    def _note(self, ordinal: int) -> None:
        self.losses += 1
        self._log.packet_damaged(ordinal)
        # A packet ends where the next one starts, so the loss may also affect the next packet.
        self._log.packet_damaged(ordinal + 1)
        self._seen_at = max(self._seen_at, ordinal + 1)
        self._rounds = []
