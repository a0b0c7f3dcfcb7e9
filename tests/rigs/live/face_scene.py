"""Two faces that move over scenery for ever, at a camera's size: what a client may never see of them is known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from core.geometry import Box
from tests.rigs.camera.coded_clip import coded_clip
from tests.rigs.camera.frame_code import read
from tests.rigs.faces import FACE, Grey, astronaut, read_grey, scenery
from tests.rigs.leaks import visible_share

Bgr = npt.NDArray[np.uint8]

LENGTH = 100  # pictures; then it begins anew without a jump
LEAK = 0.25  # share of a face's detail from which it counts as seen
BLANK = 1.0  # grey levels of `detail` up to which a picture is masked as a whole
_WIDE, _HIGH = 1280, 720  # px at which it is made


@dataclass(frozen=True)
class Scene:
    """`clip` is what the camera shows: picture n carries n, and `faces[n]` are in it."""

    clip: Path
    size: tuple[int, int]
    faces: list[list[Box]]

    def originals(self) -> list[Grey]:
        """The pictures as the camera sends them."""
        return read_grey(self.clip)


@dataclass(frozen=True)
class Seen:
    """What a client received. `numbers` are those of the pictures in the order of arrival, None where there is none.

    `leaks` are the pictures (their places in `numbers`) in which a face can be recognised, `unclear` those without a
    number that are not masked as a whole either: damaged on the way to the client.
    """

    numbers: list[int | None]
    leaks: list[int]
    unclear: list[int]

    @property
    def sent(self) -> int:
        """Pictures that the camera sent from the second to the last one that was received.

        The first is not counted: a push begins with the key frame that was there before it was connected.
        """
        run = self._run
        return run[-1] - run[0] + 1 if run else 0

    @property
    def received(self) -> int:
        """Different pictures among those, masked wholly included."""
        known = [index for index, number in enumerate(self.numbers) if number is not None][1:]
        blank = sum(number is None for number in self.numbers[known[0] : known[-1]]) if known else 0
        return len(set(self._run)) + blank

    @property
    def _run(self) -> list[int]:
        return unwrapped([number for number in self.numbers if number is not None][1:], LENGTH)

    @property
    def blanket(self) -> int:
        """Pictures that are masked as a whole."""
        return sum(number is None for number in self.numbers) - len(self.unclear)


def face_scene(folder: Path, size: tuple[int, int] = (1280, 720), rate: int = 25) -> Scene:
    """Write the clip into `folder`."""
    target = folder / f"scene-{size[0]}x{size[1]}-{rate}.mp4"
    pictures, faces = _pictures()
    coded_clip(pictures, target, size, rate)
    scale = size[0] / _WIDE
    return Scene(target, size, [[box.scaled(scale, scale) for box in boxes] for boxes in faces])


def judge(scene: Scene, received: Iterable[Bgr]) -> Seen:
    """What can be seen in these pictures (BGR) of a client."""
    originals = scene.originals()
    numbers: list[int | None] = []
    leaks, unclear = [], []
    for index, bgr in enumerate(received):
        assert bgr.shape[:2] == (scene.size[1], scene.size[0]), bgr.shape
        number = read(bgr)
        numbers.append(number)
        grey = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8)
        if number is None:
            if detail(grey) > BLANK:
                unclear.append(index)
        elif any(visible_share(originals[number], grey, face) > LEAK for face in scene.faces[number]):
            leaks.append(index)
    return Seen(numbers, leaks, unclear)


def detail(grey: Grey) -> float:
    """How much fine detail a picture has, in grey levels: some 0.5 where it is masked as a whole, 3 where it is not."""
    shrunk = np.asarray(cv2.resize(grey, (320, 180), interpolation=cv2.INTER_AREA), np.float64)
    return float(np.abs(shrunk - cv2.GaussianBlur(shrunk, (0, 0), 3)).mean())


def unwrapped(numbers: Iterable[int | None], length: int) -> list[int]:
    """Numbers that count on where the clip begins anew; None left out.

    A picture that comes up to a quarter of the clip too early or late is taken for what it is: out of order.
    """
    run: list[int] = []
    newest = 0
    for number in numbers:
        if number is None:
            continue
        if run:
            step = (number - newest) % length
            run.append(newest + (step - length if step > 3 * length // 4 else step))
            newest = max(newest, run[-1])
        else:
            run.append(number)
            newest = number
    return run


@cache
def _pictures() -> tuple[list[Bgr], list[list[Box]]]:
    ground = np.asarray(cv2.resize(scenery(), (_WIDE + 200, _HIGH), interpolation=cv2.INTER_CUBIC), np.uint8)
    pictures, faces = [], []
    for number in range(LENGTH):
        turn = 2 * math.pi * number / LENGTH
        left = round(100 + 100 * math.sin(turn))
        picture = np.ascontiguousarray(ground[:, left : left + _WIDE])
        boxes = [
            _paste(picture, 330 + 90 * math.sin(turn), 330 + 40 * math.cos(turn), 110),
            _paste(picture, 930 + 120 * math.cos(turn), 300 + 50 * math.sin(2 * turn), 150),
        ]
        pictures.append(picture)
        faces.append(boxes)
    return pictures, faces


def _paste(picture: Bgr, x: float, y: float, side: float) -> Box:
    """The astronaut with the middle of the face at `(x, y)`, its longer side `side` px; where the face is."""
    scale = side / FACE.side
    (cx, cy) = FACE.center
    matrix = np.array([[scale, 0, x - scale * cx], [0, scale, y - scale * cy]])
    size = (picture.shape[1], picture.shape[0])
    cv2.warpAffine(astronaut(), matrix, size, picture, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
    half_w, half_h = scale * FACE.width / 2, scale * FACE.height / 2
    return Box(x - half_w, y - half_h, x + half_w, y + half_h)
