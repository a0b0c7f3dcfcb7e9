"""Three hundred damaged pictures: each is refused with one line, or comes out masked, and nothing else happens."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from core.config import MaskConfig
from core.detect.detection import Detection
from core.geometry import Box
from core.pictures.planes import BgrImage
from core.still import StillAnonymizer
from streamer import Settings, anonymize_picture_file
from streamer.errors import InputError, OutputError
from streamer.pictures.deep import deep_heic, deep_png, deep_tiff
from streamer.settings.file import PictureConfig
from tests.streamer.pictures.files import portrait

_COUNT = 300
_ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "HEIF": ".heic", "AVIF": ".avif"}
_SETTINGS = Settings(
    mask=MaskConfig(style="solid", shape="box", color=(0, 0, 0)), picture=PictureConfig(max_size=(1000, 1000))
)


class Everywhere:
    """Finds a face that fills the picture, so that nothing of any picture may be left."""

    name = "everywhere"

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        return [[Detection(Box(0, 0, p.shape[1], p.shape[0]), 0.9, self.name)] for p in pictures]


def seeds() -> list[bytes]:
    """A picture in every form that is read."""
    forms: list[tuple[str, str, dict[str, object]]] = [
        ("JPEG", "RGB", {}), ("JPEG", "CMYK", {"progressive": True}), ("JPEG", "L", {"optimize": True}),
        ("PNG", "RGB", {}), ("PNG", "P", {}), ("PNG", "LA", {}), ("PNG", "1", {}),
        ("WEBP", "RGB", {}), ("WEBP", "RGBA", {"lossless": True}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("TIFF", "CMYK", {}), ("TIFF", "L", {"compression": "packbits"}),
        ("HEIF", "RGB", {}), ("HEIF", "L", {}), ("AVIF", "RGB", {}), ("AVIF", "RGBA", {}),
    ]  # fmt: skip
    found = []
    for form, mode, options in forms:
        out = io.BytesIO()
        portrait(mode, 48).save(out, form, **options)
        found.append(out.getvalue())
    deep = np.asarray(np.asarray(portrait("RGB", 48), np.int64) * 257, np.uint16)
    return [*found, deep_png(deep, {}), deep_tiff(deep, {}), deep_heic(deep, {"bit_depth": 10})]


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One of: bytes changed, mostly in the header; cut off; a piece repeated, removed or zeroed."""
    data = bytearray(content)
    at = rng.randrange(len(data))
    end = min(len(data), at + rng.choice((1, 2, 4, 16, 200)))
    match rng.randrange(6):
        case 0 | 1:
            for _ in range(rng.choice((1, 1, 2, 8))):
                reach = rng.choice((64, 400, len(data)))
                data[rng.randrange(min(reach, len(data)))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        case 2:
            del data[at:]
        case 3:
            data[at:at] = data[at:end] * rng.choice((1, 3, 50))
        case 4:
            del data[at:end]
        case _:
            data[at:end] = bytes(end - at)
    return bytes(data)


def test_damage_is_one_line_or_masked(tmp_path: Path) -> None:
    engine = StillAnonymizer(_SETTINGS, Everywhere)
    rng, pictures = random.Random(20), seeds()
    path, masked = tmp_path / "in.bin", 0
    for number in range(_COUNT):
        path.write_bytes(mutated(pictures[number % len(pictures)], rng))
        before = set(tmp_path.iterdir())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's, about metadata that it cannot read
                report = anonymize_picture_file(path, settings=_SETTINGS, engine=engine)
        except (InputError, OutputError) as error:
            assert "\n" not in str(error) and set(tmp_path.iterdir()) == before, number
            continue
        copy = Path(report.output.path)
        assert report.failed_samples == 0 and copy.suffix in _ENDINGS.values()
        with Image.open(copy) as image:
            visible = np.asarray(image.convert("RGBA").convert("RGB"), np.int64)
            assert image.width * image.height <= 1_000_000
        assert visible.max() <= 6, f"mutation {number}: something shows in {copy.name}"
        masked += 1
        copy.unlink()
    assert 60 < masked < _COUNT - 60  # both ends of it were reached


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 300), (257, 3)])
def test_tiny_and_thin_ones(form: str, size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / f"in{_ENDINGS[form]}"
    portrait().resize(size).save(path, form)
    engine = StillAnonymizer(_SETTINGS, Everywhere)
    copy = Path(anonymize_picture_file(path, settings=_SETTINGS, engine=engine).output.path)
    with Image.open(copy) as image:
        assert image.size == size and np.asarray(image.convert("RGB"), int).max() <= 6
    with pytest.raises(OutputError, match="exists already"):
        anonymize_picture_file(path, settings=_SETTINGS, engine=engine)
    for dtype in (np.uint8, np.uint16):
        path = tmp_path / f"{dtype.__name__}.png"
        cv2.imwrite(str(path), np.full(size[::-1], 200, dtype))
        anonymize_picture_file(path, engine=StillAnonymizer(Settings()))
