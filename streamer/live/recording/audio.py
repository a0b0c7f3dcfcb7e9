"""The sound of a recording: taken from the stream, treated by the policy, held until its picture is there."""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

from streamer.live.audio import AudioFormat, AudioPacket
from streamer.live.fanout import ClosedError, Subscription
from streamer.live.recording.audio_treatment import AudioRefusedError, Treatment, treatment
from streamer.live.stream_output import StreamOutput
from streamer.redact import redacted
from streamer.settings.audio import AudioPolicy
from streamer.settings.recording import ContainerName
from streamer.warning_log import WarningLog

_LOG = logging.getLogger("veilcast.recorder")
_DEPTH: Final = 500  # packets that may wait for the recorder; beyond, they are lost
_HELD: Final = 1000  # packets that may wait for their picture


class RecordedAudio:
    """For the recorder's thread. Nothing that is wrong with sound is ever raised: it is left out and told once."""

    def __init__(self, output: StreamOutput, policy: AudioPolicy, container: ContainerName) -> None:
        self._output, self._policy, self._container = output, policy, container
        self._subscription: Subscription[AudioPacket] | None = None
        self._warnings = WarningLog(self._tell)
        self._given: tuple[int, AudioFormat] | None = None
        self._treatment: Treatment | None = None
        self._held: deque[AudioPacket] = deque()
        self._refused: set[AudioFormat] = set()
        self._lost = 0
        self.format: AudioFormat | None = None
        """What a file must be able to hold for the newest sound, or None while there is none."""

    @property
    def drops(self) -> int:
        """Packets that were lost on the way because the recorder lagged."""
        return self._lost + (0 if self._subscription is None else self._subscription.dropped)

    def start(self) -> None:
        """Begin to listen, unless sound is dropped."""
        if self._policy != "drop":
            self._subscription = self._output.sounds.subscribe("record", _DEPTH)

    def close(self) -> None:
        """Listen no more."""
        if self._subscription is not None:
            self._subscription.close()

    def before(self, pts: float) -> list[AudioPacket]:
        """What is to be heard before `pts` and was not given out yet, in order; never waits."""
        self._pull()
        due = []
        while self._held and self._held[0].pts < pts:
            due.append(self._held.popleft())
        return due

    def rest(self) -> list[AudioPacket]:
        """All that is left, the treatment's own included."""
        self._pull()
        self._end_treatment()
        return self.before(float("inf"))

    def refuse(self, form: AudioFormat, why: str) -> None:
        """The file could not be made with this sound: go on without."""
        self._refused.add(form)
        if self.format == form:
            self.format = None
        self._warnings.add(f"refused {form.codec}", f"sound ({form}) is not recorded: {why}")

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
                self._end_treatment()
                self._given = packet.connection, packet.format
                self._treatment = treatment(packet, self._policy, self._container, self._warnings)
            if self._treatment is not None:
                self._hold(self._treatment.take(packet))
        except AudioRefusedError as error:
            self._warnings.add(f"refused {packet.format.codec}", f"sound is not recorded: {error}")
        except Exception as error:  # noqa: BLE001 - whatever a camera's sound makes a codec do, the picture goes on
            text = redacted(f"{type(error).__name__}: {error}")
            self._warnings.add("failed", f"sound ({packet.format}) cannot be used and is left out: {text}")

    def _end_treatment(self) -> None:
        ending, self._treatment = self._treatment, None
        if ending is not None:
            try:
                self._hold(ending.flush())
            except Exception as error:  # noqa: BLE001 - as above
                self._warnings.add("failed", f"the end of the sound is left out: {type(error).__name__}")

    def _hold(self, packets: list[AudioPacket]) -> None:
        for packet in packets:
            if packet.format in self._refused:
                continue
            self.format = packet.format
            if len(self._held) >= _HELD:
                self._held.popleft()
                self._lost += 1
            self._held.append(packet)

    def _tell(self, text: str) -> None:
        _LOG.warning(text, extra={"stream": self._output.name})
