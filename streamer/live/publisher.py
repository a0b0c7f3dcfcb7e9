"""Encodes a stream's masked frames and publishes the packets; replaces an encoder that fails."""

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

_RETRY: Final = 0.2  # seconds between attempts to create an encoder

MakeEncoder = Callable[[int, int, Fraction, LiveEncoderConfig], LiveEncoder]


class Publisher:
    """Encodes masked frames once for all sinks of `output`. A failed encoder is replaced; `errors` counts the failures.

    `trouble` is called with the reason, in one line.
    """

    def __init__(
        self, output: StreamOutput, config: LiveEncoderConfig, make: MakeEncoder, trouble: Callable[[str], None]
    ) -> None:
        self.errors = 0
        self._output, self._config, self._make, self._trouble = output, config, make, trouble
        self._encoder: LiveEncoder | None = None
        self._retry_at = 0.0

    def publish(self, masked: MaskedFrame, pts: int, captured: float, rate: Fraction = DEFAULT_RATE) -> bool:
        """Encode and publish; False if the picture was lost. After a failure, a new encoder is created.

        `rate` is the expected frame rate. A frame of a different size than the previous one starts a new format.
        """
        self._output.frames.publish(masked)
        return self._encode(masked, pts, captured, rate)

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
        except Exception as error:  # noqa: BLE001 - whatever it was, this encoder cannot be used any more
            self._encoder = None
            self._retry_at = time.monotonic() + _RETRY
            self.errors += 1
            self._trouble(f"the encoder failed: {one_line(error)}")
            return False
        return True
