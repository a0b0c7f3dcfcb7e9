"""Keeps the one encoder of a stream going and hands its packets out."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from core.masked_frame import MaskedFrame
from core.owned_thread import one_line
from streamer.live.encoder import LiveEncoder
from streamer.live.frame_rate import DEFAULT_RATE
from streamer.live.stream_output import StreamOutput
from streamer.settings.encoder import LiveEncoderConfig

_RETRY: Final = 0.2  # seconds between two tries to make an encoder

MakeEncoder = Callable[[int, int, Fraction, LiveEncoderConfig], LiveEncoder]


class Publisher:
    """Encodes masked frames once, for every sink of `output`. An encoder that fails is replaced; `errors` counts them.

    `trouble` is told what went wrong, in one line.
    """

    def __init__(
        self, output: StreamOutput, config: LiveEncoderConfig, make: MakeEncoder, trouble: Callable[[str], None]
    ) -> None:
        self.errors = 0
        self._output, self._config, self._make, self._trouble = output, config, make, trouble
        self._encoder: LiveEncoder | None = None
        self._retry_at = 0.0

    def publish(self, masked: MaskedFrame, pts: int, captured: float, rate: Fraction = DEFAULT_RATE) -> bool:
        """Encode and hand out; False where the picture was lost, and the next one gets a new encoder.

        `rate` is how many frames a second there are, as far as is known; a frame of another size than the one before
        begins a new format.
        """
        # Encoding writes pts and kind into the frame, so it comes first; who encodes anew gets it even if that fails.
        done = self._encode(masked, pts, captured, rate)
        self._output.frames.publish(masked)
        return done

    def _encode(self, masked: MaskedFrame, pts: int, captured: float, rate: Fraction) -> bool:
        size = masked.video.width, masked.video.height
        if self._encoder is not None and (self._encoder.width, self._encoder.height) != size:
            self._encoder = None
        if self._encoder is None and time.monotonic() < self._retry_at:
            return False
        try:
            if self._encoder is None:
                self._encoder = self._make(*size, rate, self._config)
            for packet in self._encoder.encode(masked, pts, captured, key=self._output.take_key_request()):
                self._output.publish(packet)
        except Exception as error:  # noqa: BLE001 - whatever it was, this encoder is of no more use
            self._encoder = None
            self._retry_at = time.monotonic() + _RETRY
            self.errors += 1
            self._trouble(f"the encoder failed: {one_line(error)}")
            return False
        return True
