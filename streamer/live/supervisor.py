"""All streams of one process with their sources and sinks: starts, monitors and stops them in order."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final, Protocol

from core.detect.detection import Detector
from streamer.guard.client_caps import fit_descriptor_limit
from streamer.live.camera.camera import Camera
from streamer.live.camera.source_url import SourceUrlError
from streamer.live.push.pusher import Pusher
from streamer.live.recording.recorder import Recorder
from streamer.live.rtsp.server import RtspServer
from streamer.live.status import Audience, Snapshot
from streamer.live.stream import LiveStream
from streamer.live.stream_output import StreamOutput
from streamer.live.web.server import WebServer
from streamer.redact import redacted
from streamer.runtime.descriptors import raise_limit
from streamer.runtime.event_loop import LoopThread
from streamer.runtime.malloc import return_freed_memory
from streamer.runtime.opencv_threads import one_opencv_thread
from streamer.settings.listen import Listen, parse_listen
from streamer.settings.live import LiveSettings, StreamConfig

START_TIMEOUT: Final = 10.0  # seconds
SOURCES, STREAMS, SINKS = 0.8, 1.0, 2.0  # seconds for all of one kind to stop
SERVER: Final = 1.0  # seconds for one server to stop
POLL: Final = 0.2
REPORT_EVERY: Final = 60.0  # seconds between log lines about each stream

log = logging.getLogger("veilcast.live")


class ServiceError(Exception):
    """The service cannot start; the text says why in one line."""


class Sink(Protocol):
    """A consumer of one stream's packets, with its own thread."""

    @property
    def drops(self) -> int:
        """Packets lost because it lagged."""

    @property
    def trouble(self) -> str | None:
        """Why it is not working at the moment, without credentials; None if it is."""

    def start(self) -> None:
        """Start consuming packets."""

    def close(self, timeout: float = 5.0) -> bool:
        """Finish and stop; False if that took longer than `timeout` seconds."""


@dataclass(slots=True)
class _Pipeline:
    """One camera with its stream and sinks."""

    config: StreamConfig
    camera: Camera
    stream: LiveStream
    sinks: dict[str, Sink] = field(default_factory=dict)
    audio_drops: Callable[[], int] | None = None


class LiveService:
    """Runs the streams of `settings.live` as a context manager. Entering it raises ServiceError if it cannot start.

    `make_detector` replaces the configured detector.
    """

    def __init__(self, settings: LiveSettings, make_detector: Callable[[], Detector] | None = None) -> None:
        self._settings = settings
        self._make_detector = make_detector
        self._pipelines: list[_Pipeline] = []
        self._servers = ExitStack()
        self._rtsp: RtspServer | None = None
        self._web: WebServer | None = None
        self._network: LoopThread | None = None

    def __enter__(self) -> LiveService:
        one_opencv_thread()
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ports(self) -> tuple[int | None, int | None]:
        """The ports of the RTSP and the web server, None for one that does not run."""
        return (self._rtsp.port if self._rtsp else None), (self._web.port if self._web else None)

    @property
    def outputs(self) -> dict[str, StreamOutput]:
        """What each stream publishes, by name, for further servers."""
        return {pipeline.config.name: pipeline.stream.output for pipeline in self._pipelines}

    def run(
        self, stop: threading.Event, duration: float | None = None, reload: Callable[[], None] | None = None
    ) -> None:
        """Run until `stop` is set, `duration` seconds have passed, or every source is a file that has ended.

        `reload` is called regularly in this thread. Raises the error of a stream that failed.
        """
        end = None if duration is None else time.monotonic() + duration
        report_at = time.monotonic() + REPORT_EVERY
        while not stop.wait(POLL) and (end is None or time.monotonic() < end):
            if reload is not None:
                reload()
            for pipeline in self._pipelines:
                if pipeline.stream.error is not None:
                    raise pipeline.stream.error
            if all(pipeline.stream.ended for pipeline in self._pipelines):
                self._check_shown()
                return
            if time.monotonic() >= report_at:
                report_at += REPORT_EVERY
                self._report()
                return_freed_memory()

    def _check_shown(self) -> None:
        for now in self._snapshots():
            if not now.frames:
                raise ServiceError(f"{now.source}: {', '.join(now.errors) or 'no picture was published'}")

    def apply(self, settings: LiveSettings) -> None:
        """Apply the masks and zones of other settings to the streams with the same names; ignores everything else."""
        streams = {stream.name: stream for stream in settings.live.streams}
        for pipeline in self._pipelines:
            engine = settings.engine(streams.get(pipeline.config.name, pipeline.config))
            pipeline.stream.repaint(engine.mask, engine.zones)
        log.info("masks and zones reloaded")

    def close(self) -> None:
        """Stop sources, streams, sinks and servers in this order, within about five seconds even if something hangs."""
        sources = {f"source of {pipeline.config.name}": pipeline.camera.close for pipeline in self._pipelines}
        streams = {f"stream {pipeline.config.name}": pipeline.stream.close for pipeline in self._pipelines}
        sinks = {
            f"{name} of {pipeline.config.name}": sink.close
            for pipeline in self._pipelines
            for name, sink in pipeline.sinks.items()
        }
        for parts, patience in ((sources, SOURCES), (streams, STREAMS), (sinks, SINKS)):
            _close_all(parts, patience)
        self._pipelines = []
        self._servers.close()

    def _start(self) -> None:
        live = self._settings.live
        for config in live.streams:
            address = config.source.get_secret_value()
            try:
                camera = Camera(config.name, address, live.source, self._settings.heard)
            except SourceUrlError as error:
                raise ServiceError(f"{config.name}: {error}") from error
            engine = self._settings.engine(config)
            stream = LiveStream(
                config.name,
                camera,
                engine,
                live.encoder,
                redacted(address),
                self._make_detector,
                take_audio=camera.take_audio,
            )
            self._pipelines.append(_Pipeline(config, camera, stream))
        live = fit_descriptor_limit(live, raise_limit())
        outputs = self.outputs
        if live.rtsp is not None or live.webrtc is not None:
            network = self._network = self._servers.enter_context(LoopThread())
            if live.rtsp is not None:
                self._rtsp = RtspServer(outputs, live.rtsp_access)
                self._listen(network, self._rtsp, parse_listen(live.rtsp), "RTSP", live.rtsp_access.user is not None)
            if live.webrtc is not None:
                self._web = WebServer(outputs, live.web)
                self._listen(network, self._web, parse_listen(live.webrtc), "web", live.web.token is not None)
        for pipeline in self._pipelines:
            self._attach_sinks(pipeline)
            pipeline.stream.start()
            pipeline.camera.start()

    def _listen(
        self, network: LoopThread, server: RtspServer | WebServer, where: Listen, kind: str, guarded: bool
    ) -> None:
        try:
            network.run(server.start(where.host, where.port), START_TIMEOUT)
        except OSError as error:
            raise ServiceError(f"the {kind} server cannot listen on {where}: {error.strerror or error}") from error
        self._servers.callback(_close_server, network, server)
        if where.is_open and not guarded:
            means = "live.rtsp_access.user and password" if kind == "RTSP" else "live.web.token"
            log.warning("anyone who can reach %s can watch: set %s", where, means)

    def _attach_sinks(self, pipeline: _Pipeline) -> None:
        live, output = self._settings.live, pipeline.stream.output
        if live.record is not None:
            recorder = Recorder(output, live.record, live.recording, live.audio)
            pipeline.sinks["recording"] = recorder
            if self._settings.heard:
                pipeline.audio_drops = lambda: pipeline.camera.audio_dropped + recorder.audio_drops
        for number, url in enumerate(pipeline.config.push):
            try:
                pipeline.sinks[f"push{number}"] = Pusher(output, url.get_secret_value(), live.pushing)
            except ValueError as error:
                raise ServiceError(f"{pipeline.config.name}: {error}") from error
        pipeline.stream.audience = lambda: self._audience(pipeline)
        for sink in pipeline.sinks.values():
            sink.start()

    def _audience(self, pipeline: _Pipeline) -> Audience:
        """Call it from the servers' thread, if there are servers."""
        name = pipeline.config.name
        drops = {sink_name: sink.drops for sink_name, sink in pipeline.sinks.items()}
        if pipeline.audio_drops is not None:
            drops["audio"] = pipeline.audio_drops()
        if self._rtsp is not None:
            drops["rtsp"] = sum(self._rtsp.drops(name).values())
        if self._web is not None:
            drops |= self._web.drops(name)
        viewers = sum(server.viewers(name) for server in (self._rtsp, self._web) if server is not None)
        troubles = tuple(sink.trouble for sink in pipeline.sinks.values() if sink.trouble is not None)
        recorders = (sink for sink in pipeline.sinks.values() if isinstance(sink, Recorder))
        unrecorded = next((recorder.trouble for recorder in recorders if recorder.trouble is not None), None)
        return Audience(drops, viewers, troubles, unrecorded)

    def _snapshots(self) -> list[Snapshot]:
        async def take() -> list[Snapshot]:
            return [pipeline.stream.snapshot() for pipeline in self._pipelines]

        # The servers' counters may only be read in their thread.
        return asyncio.run(take()) if self._network is None else self._network.run(take(), START_TIMEOUT)

    def _report(self) -> None:
        try:
            snapshots = self._snapshots()
        except TimeoutError:
            log.warning("no status report: the servers do not respond")
            return
        for now in snapshots:
            fields = {
                "stream": now.name,
                "state": now.state,
                "fps_in": round(now.fps_in, 1),
                "fps_out": round(now.fps_out, 1),
                "delay_ms": round(1000 * now.delay[0]),
                "late": now.frames_late,
                "viewers": now.viewers,
                **now.frames,
            }
            log.info("running", extra=fields)


def _close_server(network: LoopThread, server: RtspServer | WebServer) -> None:
    try:
        network.run(server.close(), SERVER)
    except TimeoutError:
        log.error("a server did not stop in time")


def _close_all(parts: Mapping[str, Callable[[float], bool]], patience: float) -> None:
    """Close all in parallel, so that one that hangs does not delay the others."""
    if not parts:
        return
    with ThreadPoolExecutor(len(parts), "veilcast-close") as pool:
        for name, stopped in zip(parts, pool.map(lambda close: close(patience), parts.values()), strict=True):
            if not stopped:
                log.error("%s did not stop in time", name)
