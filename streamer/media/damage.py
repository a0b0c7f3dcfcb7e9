"""Which frames of a damaged stream can be trusted. Counts packets in decoding order; no I/O."""

from __future__ import annotations


class DamageLog:
    """From a damaged packet on nothing is trusted until a key frame whose packet was read after the damage was seen.

    `latency` is how many packets a threaded decoder may hold before it reports on one, `patience` how many packets
    after the damage a key frame has to be: where every frame is one, the next proves nothing.
    """

    def __init__(self, latency: int = 0, patience: int = 0) -> None:
        self._latency, self._patience = latency, patience
        self._start: int | None = None
        self._seen_at = -1
        self._first_key: int | None = None

    def key_packet(self, ordinal: int) -> None:
        """Packet `ordinal` is marked as a key frame; its frame need not be shown (an edit list may cut it)."""
        if self._first_key is None:
            self._first_key = ordinal

    def packet_damaged(self, ordinal: int) -> None:
        """The demuxer flagged packet `ordinal`, or it is known to be missing."""
        self._note(ordinal, ordinal)

    def decode_failed(self, ordinal: int) -> None:
        """The decoder refused a packet while `ordinal` was handed to it: the culprit may be `latency` packets older."""
        self._note(ordinal - self._latency, ordinal)

    def _note(self, start: int, seen_at: int) -> None:
        self._start = start if self._start is None else min(self._start, start)
        self._seen_at = max(self._seen_at, seen_at)

    def before_first_key(self, ordinal: int) -> bool:
        """Whether packet `ordinal` comes before the first key frame, as far as it is known by now."""
        return self._first_key is None or ordinal < self._first_key

    def is_trusted(self, ordinal: int, key_frame: bool, corrupt: bool) -> bool:
        """Whether the frame of packet `ordinal` shows what was recorded; frames are given as the decoder emits them."""
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
