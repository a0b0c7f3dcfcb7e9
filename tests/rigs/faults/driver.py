"""`veilcast live` whose detector and encoder fail on command: `python -m tests.rigs.faults.driver OPTIONS`.

Lines on stdin: `detector MOOD` or `encoder MOOD`; `ok` is a mood, too.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final
from unittest import mock

from core.config import TrackConfig
from core.detect.detection import Detection, Detector
from core.detect.registry import create
from core.masked_frame import MaskedFrame
from core.pictures.planes import BgrImage
from streamer.cli import live as command
from streamer.cli.main import main
from streamer.live.encoder import EncoderError, LiveEncoder
from streamer.live.packet import VideoPacket
from streamer.live.supervisor import LiveService

DETECTOR_MOODS: Final = ("hang", "raise", "die", "slow", "hog", "starve")
ENCODER_MOODS: Final = ("raise", "slow")


class Moods:
    """The currently injected faults."""

    def __init__(self) -> None:
        self.of = {"detector": "ok", "encoder": "ok"}
        self.changed = threading.Condition()

    def listen(self) -> None:
        """Read commands from stdin until it is closed."""
        for line in sys.stdin:
            who, _, mood = line.strip().partition(" ")
            with self.changed:
                self.of[who] = mood
                self.changed.notify_all()

    def hang(self, who: str) -> None:
        """Return when it no longer hangs."""
        with self.changed:
            self.changed.wait_for(lambda: self.of[who] != "hang", 300)


class FaultyDetector:
    """The real detector with injected faults."""

    name = "faulty"

    def __init__(self, moods: Moods) -> None:
        self._moods = moods
        self._detector = create("yunet", TrackConfig().min_score)
        self._nice = 0

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        mood = self._moods.of["detector"]
        self._weigh(19 if mood == "starve" else 0)
        match mood:
            case "hang":
                self._moods.hang("detector")
            case "raise":
                raise RuntimeError("told to raise")
            case "die":
                raise SystemExit("told to die")
            case "slow":
                time.sleep(0.7)
            case "hog":
                until = time.monotonic() + 0.7
                while time.monotonic() < until:
                    pass  # holds the interpreter as much as a thread can
        return self._detector.detect(pictures)

    def _weigh(self, nice: int) -> None:
        """On Linux, niceness is per thread; only root may lower it again."""
        if nice != self._nice:
            with suppress(PermissionError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
            self._nice = nice


def _run() -> int:
    moods = Moods()
    threading.Thread(target=moods.listen, daemon=True).start()
    encode = LiveEncoder.encode

    def faulty(
        self: LiveEncoder, masked: MaskedFrame, pts: int, captured: float, *, key: bool = False
    ) -> list[VideoPacket]:
        mood = moods.of["encoder"]
        if mood == "raise":
            raise EncoderError("told to raise")
        if mood == "slow":
            time.sleep(0.15)
        return encode(self, masked, pts, captured, key=key)

    def make_detector() -> Detector:
        return FaultyDetector(moods)

    service = partial(LiveService, make_detector=make_detector)
    with mock.patch.object(command, "LiveService", service), mock.patch.object(LiveEncoder, "encode", faulty):
        return main(["live", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(_run())
