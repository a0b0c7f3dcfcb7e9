"""Which frames of a video were lost or concealed, judged from decoder errors, flags and packets. No I/O."""

from __future__ import annotations

from streamer.media.damage import DamageLog
from streamer.media.frame_num import FrameNumbers
from streamer.media.packet_pictures import pictures_in

INTRA_ONLY = frozenset(
    {"mjpeg", "prores", "dnxhd", "jpeg2000", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "png"}
)
"""Codecs (FFmpeg's canonical names) whose pictures are all key frames: the next one proves nothing about damage."""

FLAGS_RACE = frozenset({"h264"})
"""Codecs whose decoder, with frame threads, may return a picture before flagging it as damaged: in measurements, one
flag in nine was lost. They are decoded in one thread, which costs a file job nothing: decoding has its own thread."""

_PATIENCE = 12  # intact pictures before an intra-only stream is trusted again: damage comes in bursts
_IN_ORDER = frozenset({"av1", "vp9", *INTRA_ONLY})  # every packet yields one picture, in packet order
_FALSE_KEYS = frozenset({"av1"})  # after an error, dav1d flags pictures as key frames that are not


def patience(codec: str) -> int:
    """How many pictures after damage a key frame of this codec must be before it is trusted."""
    return _PATIENCE if codec in INTRA_ONLY else 0


def strictness(codec: str) -> dict[str, str]:
    """Decoder options that this codec needs to report damage at all."""
    return {"err_detect": "explode"} if codec == "mjpeg" else {}


class Losses:
    """Decides which frames of one video show what was recorded, and counts pictures that were never decoded.

    Packets are numbered from 0 in decoding order. `codec` is FFmpeg's canonical name, `latency` how many packets a
    threaded decoder may hold before it reports an error on one, `extradata` the container's codec configuration.
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
        """Packet `ordinal` is sent to the decoder; `shown` is False if an edit list cuts its picture."""
        self._packets = ordinal
        if key:
            self._log.key_packet(ordinal)
            self._started = True
            if self._trust_packets:
                self._keys.add(ordinal)
        # Every player skips leading pictures that depend on something before the first key frame.
        if shown and self._started:
            self._expected += pictures_in(self._codec, data)
        if corrupt or (self._numbers is not None and self._numbers.gap(data)):
            self._log.packet_damaged(ordinal)

    def read_failed(self) -> None:
        """Part of the file before the next packet could not be read."""
        self._log.packet_damaged(self._packets + 1)

    def decode_failed(self) -> None:
        """The decoder failed on a packet."""
        self._log.decode_failed(self._packets)

    def leaves_out(self, ordinal: int, corrupt: bool) -> bool:
        """Whether to drop a frame before the first key frame; recordings cut out of a stream begin with such frames."""
        return corrupt and self._log.before_first_key(ordinal)

    def is_trusted(self, ordinal: int, key_frame: bool, corrupt: bool) -> bool:
        """Whether the frame of packet `ordinal` shows what was recorded. Call it for frames in decoder output order."""
        self._shown += 1
        if self._in_order:
            if ordinal > self._last + 1 and self._last >= 0:
                self._log.packet_damaged(self._last + 1)  # the decoder dropped a picture without an error
            self._last = max(self._last, ordinal)
        if self._trust_packets and ordinal not in self._keys:
            key_frame = False
        return self._log.is_trusted(ordinal, key_frame, corrupt)

    @property
    def missing(self) -> int:
        """After the last frame: how many pictures were never decoded; 0 for codecs that do not tell."""
        return max(0, self._expected - self._shown)
