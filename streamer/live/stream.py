"""One live stream: from its source through the engine and the one encoder to all sinks."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from core.config import EngineConfig, MaskConfig, ZoneConfig
from core.detect.detection import Detector
from core.frame import Frame
from core.live_anonymizer import LiveAnonymizer
from core.masked_frame import MaskedFrame
from core.owned_thread import OwnedThread, one_line
from core.paint.masker import Masker
from core.pictures.orientation import Orientation
from streamer.live.audio import LiveAudio
from streamer.live.camera.camera import CameraStatus
from streamer.live.camera.connection import LivePicture
from streamer.live.clocks import AudioClock, MaskClock, PtsClock
from streamer.live.encoder import LiveEncoder
from streamer.live.frame_rate import FrameRate
from streamer.live.meter import Meter
from streamer.live.publisher import MakeEncoder, Publisher
from streamer.live.slate import slate
from streamer.live.status import Audience, Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.media.convert import published_size, to_published
from streamer.redact import redacted
from streamer.settings.encoder import LiveEncoderConfig

SLATE_AFTER: Final = 1.0  # seconds without a picture before the slate is shown
SLATE_FIRST: Final = 3.0  # the same before the first picture: connecting to a camera takes a moment
SLATE_EVERY: Final = 0.2  # seconds between slates
SLATE_SIZE: Final = (1280, 720)  # until the source's size is known
LONGEST_WAIT: Final = 0.1  # seconds to wait for a picture before checking everything else

log = logging.getLogger("veilcast.stream")


class Source(Protocol):
    """Where a stream's pictures come from."""

    @property
    def status(self) -> CameraStatus:
        """Its current status."""

    def get(self, timeout: float) -> LivePicture | None:
        """The next picture, or None if there is none within `timeout` seconds."""


@dataclass(frozen=True, slots=True)
class _Tag:
    """What travels with a frame through the engine."""

    pts: int
    arrived: float
    captured: float


@dataclass(frozen=True, slots=True)
class _Shot:
    """The origin of a picture; if it changes, the picture does not continue the previous one."""

    connection: int
    width: int
    height: int
    orientation: Orientation


class LiveStream:
    """Runs in a thread called `veilcast-stream-NAME` and publishes to `output`, from `start` to `close`.

    `config` decides how frames are masked, `encoder` how they are encoded. `address` is the source's address without
    credentials. The caller owns `source` and the sinks. `make_detector` and `make_encoder` replace the configured
    ones. Only masked frames ever reach the encoder; an encoder that fails is replaced.
    `take_audio` returns the source's audio since the last call.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        config: EngineConfig,
        encoder: LiveEncoderConfig,
        address: str = "",
        make_detector: Callable[[], Detector] | None = None,
        make_encoder: MakeEncoder = LiveEncoder,
        take_audio: Callable[[], Sequence[LiveAudio]] = tuple,
    ) -> None:
        self.name = name
        self.output = StreamOutput(name, self.snapshot)
        self.audience: Callable[[], Audience] = Audience
        """Returns the status of the sinks; set by their owner."""
        self._source, self._config, self._address = source, config, address
        self._make_detector = make_detector
        self._take_audio = take_audio
        self._audio_clock = AudioClock()
        self._meter = Meter()
        self._engine: LiveAnonymizer | None = None
        self._publisher = Publisher(self.output, encoder, make_encoder, self._note)
        self._size: tuple[int, int] | None = None
        self._stamps, self._mask_clock = PtsClock(), MaskClock()
        self._frame_rate = FrameRate()
        self._noted: Counter[str] = Counter()
        self._index = 0
        self._shot: _Shot | None = None
        self._last_picture: float | None = None  # when it arrived, in seconds of time.time()
        self._newest = 0.0  # when a picture last arrived or a slate was published, on the monotonic clock
        self._slates = Masker(config.mask)
        self._repaints: deque[tuple[MaskConfig, Sequence[ZoneConfig]]] = deque(maxlen=1)  # only the newest counts
        self._thread = OwnedThread(f"veilcast-stream-{name}", self._run)

    @property
    def ended(self) -> bool:
        """Whether there will be no more pictures: the source is a file that has ended, or the stream failed."""
        return not self._thread.alive

    @property
    def error(self) -> BaseException | None:
        """The error that ended the stream, or None."""
        return self._thread.error

    def start(self) -> None:
        """Start publishing."""
        self._newest = time.monotonic()
        self._thread.start()

    def close(self, timeout: float = 5.0) -> bool:
        """Publish the frames in the engine and stop; False if that took longer than `timeout` seconds."""
        stopped = self._thread.close(timeout)
        self.output.close()
        return stopped

    def repaint(self, mask: MaskConfig, zones: Sequence[ZoneConfig]) -> None:
        """Use this mask style and these zones from the next frame on."""
        self._repaints.append((mask, zones))

    def snapshot(self) -> Snapshot:
        """The stream's current status."""
        meter, source, engine = self._meter, self._source.status, self._engine
        fps_in, fps_out = meter.rates()
        width, height = self._size or (0, 0)
        trouble = () if source.trouble is None else (source.trouble,)
        audience, faults = self.audience(), meter.faults()
        return Snapshot(
            name=self.name,
            state=meter.state,
            source=self._address,
            offline_since=None if source.connected and meter.state != "offline" else self._offline_since(source),
            width=width,
            height=height,
            fps_in=fps_in,
            fps_out=fps_out,
            faces=meter.faces,
            mask_age=meter.mask_age,
            delay=meter.delay(),
            frames=dict(meter.frames),
            frames_in=meter.frames_in,
            frames_late=meter.late,
            frames_skipped=source.dropped,
            samples=engine.stats.samples if engine else 0,
            samples_failed=engine.stats.failed_samples if engine else 0,
            samples_skipped=engine.samples_skipped if engine else 0,
            reconnects=source.reconnects,
            encoder_errors=self._publisher.errors,
            queue_depths={"timeline": len(engine) if engine else 0},
            drops=audience.drops,
            viewers=audience.viewers,
            errors=(*(fault.text for fault in faults), *trouble, *audience.troubles),
            faults=faults,
            unrecorded=audience.unrecorded,
        )

    def _run(self) -> None:
        with LiveAnonymizer(self._config, self._make_detector) as engine:
            self._engine = engine
            while not self._thread.stopping.is_set():
                try:
                    if not self._step(engine):
                        break
                except Exception as error:  # noqa: BLE001 - the stream continues; the affected frame is not published
                    self._note(f"a step failed: {one_line(error)}")
                    self._thread.stopping.wait(LONGEST_WAIT)
            for masked in self._ready(engine.flush):
                self._publish(masked)

    def _step(self, engine: LiveAnonymizer) -> bool:
        """Process one incoming picture and publish what is due; False at the end of the source."""
        self._repaint(engine)
        deadline = engine.next_deadline
        wait = LONGEST_WAIT if deadline is None else min(LONGEST_WAIT, max(0.0, deadline - time.monotonic()))
        picture = self._source.get(wait)
        if picture is not None:
            try:
                self._take(engine, picture)
            except Exception as error:  # noqa: BLE001 - skip a bad picture, whatever is wrong with it
                self._note(f"a picture was skipped: {one_line(error)}")
        self._publish_audio()
        for masked in self._ready(lambda: engine.poll(time.monotonic())):
            self._publish(masked)
        self._note_detector(engine)
        if picture is None and not len(engine):
            if self._source.status.ended:
                return False
            self._slate_if_due()
        return True

    def _ready(self, frames: Callable[[], list[MaskedFrame]]) -> list[MaskedFrame]:
        try:
            return frames()
        except Exception as error:  # noqa: BLE001 - frames that the masker could not paint are not published
            self._note(f"frames were skipped: {one_line(error)}")
            return []

    def _take(self, engine: LiveAnonymizer, picture: LivePicture) -> None:
        self._meter.frame_in()
        video = picture.video
        shot = _Shot(picture.connection, video.width, video.height, picture.orientation)
        if self._size is None or self._shot is None:
            # Keep the size of the first picture, so that clients never see a change of size.
            self._size = published_size(video.width, video.height, picture.orientation)
        self._newest, self._last_picture = time.monotonic(), time.time()
        video = to_published(video, self._size, picture.orientation)
        self._frame_rate.picture(picture.source_time)
        pts = self._stamps.stamp(picture.arrived, picture.source_time)
        self._audio_clock.picture(picture.connection, picture.source_time, pts)
        moment = self._mask_clock.tick(picture.arrived, picture.source_time)
        captured = time.time() - (time.monotonic() - picture.arrived)
        frame = Frame(self._index, video, moment, trusted=picture.trusted, tag=_Tag(pts, picture.arrived, captured))
        self._index += 1
        engine.push(frame, picture.arrived, cut=shot != self._shot and frame.index > 0)
        # Set last: if this picture fails, the cut applies to the next one.
        self._shot = shot

    def _publish_audio(self) -> None:
        for packet in self._audio_clock.ready():
            self.output.audio.publish(packet)
        for audio in self._take_audio():
            for packet in self._audio_clock.add(audio):
                self.output.audio.publish(packet)

    def _publish(self, masked: MaskedFrame) -> None:
        tag = masked.tag
        assert isinstance(tag, _Tag)
        source = self._source.status
        rate = self._frame_rate.rate(source.rate, source.fps_in)
        if self._publisher.publish(masked, tag.pts, tag.captured, rate):
            now = time.monotonic()
            behind = now - tag.arrived - self._config.timeline.look_ahead
            self._meter.frame_out(masked, now - tag.arrived, behind)

    def _slate_if_due(self) -> None:
        now = time.monotonic()
        showing = self._meter.state == "offline"
        patience = SLATE_EVERY if showing else SLATE_AFTER if self._index else SLATE_FIRST
        if now - self._newest < patience:
            return
        self._newest = now
        self._audio_clock.offline()
        status = self._source.status
        if self._size is None:
            self._size = SLATE_SIZE
        since = self._offline_since(status)
        frame = slate(self._slates, *self._size, since)
        if self._publisher.publish(frame, self._stamps.stamp(now), time.time()):
            self._meter.slate_out()

    def _offline_since(self, status: CameraStatus) -> float:
        """When the last picture arrived. (A silent source still counts as connected until its timeout.)"""
        return status.since if self._last_picture is None else self._last_picture

    def _repaint(self, engine: LiveAnonymizer) -> None:
        try:
            mask, zones = self._repaints.popleft()
        except IndexError:
            return
        engine.repaint(mask, zones)

    def _note_detector(self, engine: LiveAnonymizer) -> None:
        for message, count in engine.stats.errors.items():
            if count > self._noted[message]:
                self._noted[message] = count
                self._note(message)

    def _note(self, text: str) -> None:
        clean = redacted(text)
        self._meter.error(clean)
        log.warning(clean, extra={"stream": self.name})
