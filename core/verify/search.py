"""Searches one picture for faces with every detector, at several sizes and low scores."""

from __future__ import annotations

from dataclasses import replace

from core.detect.detection import Detection
from core.detect.registry import create
from core.detect.scanner import cross_check, fitted_side
from core.frame import Frame
from core.pictures import planes
from core.pictures.planes import BgrImage
from core.verify.witnesses import WEAK, best_of

SIZES = {"yunet": (320, 640, 1280), "centerface": (640, 1280)}
"""Longer side in pixels of the pictures that each detector sees."""
NATIVE = 1920
"""Pictures much larger than the largest size are also seen at this one, for faces far away."""


class Search:
    """Detectors of its own; one thread. Raises WeightsError if their weights are wrong."""

    def __init__(self) -> None:
        self._detectors = {name: create(name, WEAK[name]) for name in SIZES}

    def faces(self, frame: Frame) -> list[Detection]:
        """Everything that any detector reports; boxes in pixels of the upright frame. Does not change the frame."""
        width = frame.upright_size[0]
        long_side = max(frame.upright_size)
        images: dict[int, BgrImage] = {}
        found: list[Detection] = []
        for name, sizes in SIZES.items():
            seen: dict[int, list[Detection]] = {}
            for size in (*sizes, NATIVE) if name == "yunet" and long_side >= NATIVE else sizes:
                image = images[size] if size in images else images.setdefault(size, _picture(frame, size))
                factor = width / image.shape[1], frame.upright_size[1] / image.shape[0]
                answer = self._detectors[name].detect([image])[0]
                seen[image.shape[1]] = [replace(d, box=d.box.scaled(*factor), detector=name) for d in answer]
            found += best_of(cross_check(seen, width) if name == "yunet" else [d for v in seen.values() for d in v])
        return found


def _picture(frame: Frame, long_side: int) -> BgrImage:
    """The upright picture with its longer side at `long_side` px."""
    video = frame.video
    scale = long_side / max(video.width, video.height)
    size = fitted_side(video.width * scale), fitted_side(video.height * scale)
    return frame.orientation.upright(planes.shrink(video, *size))
