"""Picture files with a real face in them, in every form that people hand in."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import Image

from tests.rigs.faces import FACE, astronaut

Array = npt.NDArray[np.generic]
pillow_heif.register_heif_opener()  # the program itself does without


def portrait(mode: str = "RGB", size: int = 256) -> Image.Image:
    """The astronaut, `size` px a side, in one of Pillow's modes."""
    picture = Image.fromarray(np.ascontiguousarray(astronaut()[:, :, ::-1])).resize((size, size))
    return picture if picture.mode == mode else picture.convert(mode)


def saved(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


def opened(path: Path) -> Image.Image:
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        image.load()
        return image


def rgb(image: Image.Image) -> npt.NDArray[np.int64]:
    return np.asarray(image.convert("RGB"), np.int64)


def face_change(before: Image.Image, after: Image.Image) -> float:
    """Mean difference within the face, in grey levels."""
    return _change(before, after, inside=True)


def rest_change(before: Image.Image, after: Image.Image) -> float:
    """Mean difference in the quarter of the picture that is farthest from the face: its bottom right."""
    return _change(before, after, inside=False)


def _change(before: Image.Image, after: Image.Image, inside: bool) -> float:
    assert before.size == after.size
    difference = np.abs(rgb(before) - rgb(after)).mean(axis=2)
    box = FACE.scaled(before.width / 512, before.height / 512)
    if inside:
        return float(difference[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)].mean())
    return float(difference[before.height * 5 // 8 :, before.width * 5 // 8 :].mean())
