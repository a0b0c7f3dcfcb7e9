"""What a decoder lost or made up of one video, told by everything it and its packets say. No I/O."""

from __future__ import annotations

from streamer.media.damage import DamageLog
from streamer.media.frame_num import FrameNumbers
from streamer.media.packet_pictures import pictures_in

INTRA_ONLY = frozenset(
    {"mjpeg", "prores", "dnxhd", "jpeg2000", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "png"}
)
"""Codecs, by FFmpeg's canonical names, in which each picture stands alone: the next says nothing of the damage."""

FLAGS_RACE = frozenset({"h264"})
"""Codecs whose decoder, with frame threads, may hand over a picture before it is flagged as damaged: measured, one mark
in nine is lost. They decode in one thread, which a file job does not feel: it has a thread of its own to decode in."""

_PATIENCE = 12  # pictures without damage before an intra-only stream is trusted again: damage comes in bursts
_IN_ORDER = frozenset({"av1", "vp9", *INTRA_ONLY})  # every packet shows one picture, in the order of the packets
_FALSE_KEYS = frozenset({"av1"})  # dav1d calls pictures key frames that follow an error


def patience(codec: str) -> int:
    """How many pictures after damage a key frame of this codec has to be to be trusted."""
    return _PATIENCE if codec in INTRA_ONLY else 0


def strictness(codec: str) -> dict[str, str]:
    """Decoder options without which this codec's decoder says nothing of damage."""
    return {"err_detect": "explode"} if codec == "mjpeg" else {}


class Losses:
    """Decides which frames of one video show what was recorded, and counts the pictures that never came.

    Packets are numbered from 0 in decoding order. `codec` is FFmpeg's canonical name, `latency` how many packets a
    threaded decoder may hold before it reports on one, `extradata` what the container keeps beside the stream.
    """

    def __init__(self, codec: str, latency: int, extradata: bytes | None) -> None:
        self._log = DamageLog(latency, patience(codec))
        self._numbers = FrameNumbers(extradata) if codec == "h264" else None
        self._in_order = codec in _IN_ORDER
        self._trust_packets = codec in _FALSE_KEYS
        self._codec = codec
        self._keys: set[int] = set()
        self._last = self._packets = -1
        self._expected = self._shown = 0
        self._started = False

    def packet(self, ordinal: int, data: bytes, *, key: bool, corrupt: bool, shown: bool) -> None:
        """Packet `ordinal` goes to the decoder; `shown` False where an edit list leaves its picture out."""
        self._packets = ordinal
        if key:
            self._log.key_packet(ordinal)
            self._started = True
            if self._trust_packets:
                self._keys.add(ordinal)
        # Leading pictures that nothing decodable comes before are left out by every player.
        if shown and self._started:
            self._expected += pictures_in(self._codec, data)
        if corrupt or (self._numbers is not None and self._numbers.gap(data)):
            self._log.packet_damaged(ordinal)

    def read_failed(self) -> None:
        """Part of the file before the next packet cannot be read."""
        self._log.packet_damaged(self._packets + 1)

    def decode_failed(self) -> None:
        """The decoder refused a packet."""
        self._log.decode_failed(self._packets)

    def leaves_out(self, ordinal: int, corrupt: bool) -> bool:
        """Whether a frame lies before all that can be decoded: a recording cut out of a stream begins like that."""
        return corrupt and self._log.before_first_key(ordinal)

    def is_trusted(self, ordinal: int, key_frame: bool, corrupt: bool) -> bool:
        """Whether the frame of packet `ordinal` shows what was recorded; frames are given as the decoder emits them."""
        self._shown += 1
        if self._in_order:
            if ordinal > self._last + 1 and self._last >= 0:
                self._log.packet_damaged(self._last + 1)  # a picture that was refused without a word
            self._last = max(self._last, ordinal)
        if self._trust_packets and ordinal not in self._keys:
            key_frame = False
        return self._log.is_trusted(ordinal, key_frame, corrupt)

    @property
    def missing(self) -> int:
        """How many pictures were never decoded, when all is read; 0 for codecs that do not tell."""
        return max(0, self._expected - self._shown)
