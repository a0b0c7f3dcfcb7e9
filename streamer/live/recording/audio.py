"""The audio of a recording: taken from the stream, processed by policy, held until its picture arrives."""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

from streamer.live.audio import AudioFormat, AudioPacket
from streamer.live.fanout import ClosedError, Subscription
from streamer.live.recording.audio_processor import AudioProcessor, AudioRefusedError, audio_processor
from streamer.live.stream_output import StreamOutput
from streamer.redact import redacted
from streamer.settings.audio import AudioPolicy
from streamer.settings.recording import ContainerName
from streamer.warning_log import WarningLog

_LOG = logging.getLogger("veilcast.recorder")
_DEPTH: Final = 500  # packets that may wait for the recorder; more are lost
_HELD: Final = 1000  # packets that may wait for their picture


class RecordedAudio:
    """For the recorder's thread. Bad audio never raises: it is left out, with one warning per kind."""

    def __init__(self, output: StreamOutput, policy: AudioPolicy, container: ContainerName) -> None:
        self._output, self._policy, self._container = output, policy, container
        self._subscription: Subscription[AudioPacket] | None = None
        self._warnings = WarningLog(self._warn)
        self._given: tuple[int, AudioFormat] | None = None
        self._processor: AudioProcessor | None = None
        self._held: deque[AudioPacket] = deque()
        self._refused: set[AudioFormat] = set()
        self._lost = 0
        self.format: AudioFormat | None = None
        """Format of the newest audio, which a file must be able to hold; None while there is no audio."""

    @property
    def drops(self) -> int:
        """Packets lost because the recorder lagged."""
        return self._lost + (0 if self._subscription is None else self._subscription.dropped)

    def start(self) -> None:
        """Subscribe to the stream's audio, unless the policy is to drop it."""
        if self._policy != "drop":
            self._subscription = self._output.audio.subscribe("record", _DEPTH)

    def close(self) -> None:
        """End the subscription."""
        if self._subscription is not None:
            self._subscription.close()

    def take_before(self, pts: float) -> list[AudioPacket]:
        """Remove and return the packets before `pts`, in order; never waits."""
        self._pull()
        due = []
        while self._held and self._held[0].pts < pts:
            due.append(self._held.popleft())
        return due

    def take_rest(self) -> list[AudioPacket]:
        """Remove and return all remaining packets, including those still in the processor."""
        self._pull()
        self._end_processor()
        return self.take_before(float("inf"))

    def refuse(self, form: AudioFormat, why: str) -> None:
        """A file could not be created with this audio: continue without it."""
        self._refused.add(form)
        if self.format == form:
            self.format = None
        self._warnings.add(f"refused {form.codec}", f"audio ({form}) is not recorded: {why}")

    def _pull(self) -> None:
        if self._subscription is None:
            return
        try:
            while (packet := self._subscription.get_nowait()) is not None:
                self._take(packet)
        except ClosedError:
            pass

    def _take(self, packet: AudioPacket) -> None:
        try:
            if self._given != (packet.connection, packet.format):
                self._end_processor()
                self._given = packet.connection, packet.format
                self._processor = audio_processor(packet, self._policy, self._container, self._warnings)
            if self._processor is not None:
                self._hold(self._processor.process(packet))
        except AudioRefusedError as error:
            self._warnings.add(f"refused {packet.format.codec}", f"audio is not recorded: {error}")
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with the audio, the picture is recorded
            text = redacted(f"{type(error).__name__}: {error}")
            self._warnings.add("failed", f"audio ({packet.format}) cannot be processed and is left out: {text}")

    def _end_processor(self) -> None:
        ending, self._processor = self._processor, None
        if ending is not None:
            try:
                self._hold(ending.flush())
            except Exception as error:  # noqa: BLE001 - as above
                self._warnings.add("failed", f"the end of the audio is left out: {type(error).__name__}")

    def _hold(self, packets: list[AudioPacket]) -> None:
        for packet in packets:
            if packet.format in self._refused:
                continue
            self.format = packet.format
            if len(self._held) >= _HELD:
                self._held.popleft()
                self._lost += 1
            self._held.append(packet)

    def _warn(self, text: str) -> None:
        _LOG.warning(text, extra={"stream": self._output.name})
