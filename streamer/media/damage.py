"""Which frames of a damaged stream can be trusted. Packets are numbered in decoding order; no I/O."""

from __future__ import annotations


class DamageLog:
    """After damage, nothing is trusted until a key frame whose packet was read after the damage was noticed.

    `latency` is how many packets a threaded decoder may hold before it reports an error on one. `patience` is how many
    packets after the damage the key frame must be: if every frame is a key frame, the next one proves nothing.
    """

    def __init__(self, latency: int = 0, patience: int = 0) -> None:
        self._latency, self._patience = latency, patience
        self._start: int | None = None
        self._seen_at = -1
        self._first_key: int | None = None

    def key_packet(self, ordinal: int) -> None:
        """Packet `ordinal` is flagged as a key frame. Its frame need not be shown: an edit list may cut it."""
        if self._first_key is None:
            self._first_key = ordinal

    def packet_damaged(self, ordinal: int) -> None:
        """The demuxer flagged packet `ordinal`, or it is known to be missing."""
        self._note(ordinal, ordinal)

    def decode_failed(self, ordinal: int) -> None:
        """The decoder failed on packet `ordinal`; the bad packet may be up to `latency` packets older."""
        self._note(ordinal - self._latency, ordinal)

    def _note(self, start: int, seen_at: int) -> None:
        self._start = start if self._start is None else min(self._start, start)
        self._seen_at = max(self._seen_at, seen_at)

    def before_first_key(self, ordinal: int) -> bool:
        """Whether packet `ordinal` comes before the first key frame seen so far."""
        return self._first_key is None or ordinal < self._first_key

    def is_trusted(self, ordinal: int, key_frame: bool, corrupt: bool) -> bool:
        """Whether the frame of packet `ordinal` shows what was recorded. Call it for frames in decoder output order."""
        if corrupt:
            self._note(ordinal, ordinal)
            return False
        if key_frame:
            self.key_packet(ordinal)
            if self._start is not None and ordinal > self._seen_at + self._patience:
                self._start = None
        if self.before_first_key(ordinal):
            return False
        return self._start is None or ordinal < self._start
