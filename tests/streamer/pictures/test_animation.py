"""Animated pictures: masked in every frame, animated as before."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageSequence

from core.still import StillAnonymizer
from streamer.errors import InputError
from streamer.pictures.job import anonymize_picture_file, mask_picture
from streamer.settings.file import Settings
from tests.rigs import faces

FORMATS = [("a.gif", "GIF"), ("a.png", "PNG"), ("a.webp", "WEBP"), ("a.avif", "AVIF")]
TIMES = [40, 40, 200, 40, 1000, 40]


def pictures(count: int = 6) -> list[Image.Image]:
    clip = faces.panned().pictures[: 3 * count : 3]
    return [Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1])) for picture in clip]


def animation(path: Path, form: str, frames: list[Image.Image], **options: object) -> Path:
    frames[0].save(path, form, save_all=True, append_images=frames[1:], duration=TIMES, loop=3, **options)
    return path


def frames_of(content: bytes) -> list[tuple[Image.Image, int]]:
    with Image.open(io.BytesIO(content)) as image:
        return [(each.convert("RGBA"), round(each.info["duration"])) for each in ImageSequence.Iterator(image)]


def detail(picture: npt.NDArray[np.uint8]) -> float:
    """How much there is to see."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).std())


@pytest.mark.parametrize(("name", "form"), FORMATS)
def test_every_frame_is_masked_and_shown_as_long_as_before(tmp_path: Path, name: str, form: str) -> None:
    source = animation(tmp_path / name, form, pictures())
    report = anonymize_picture_file(source)
    target = source.with_name(source.stem + ".masked" + source.suffix)
    before, after = frames_of(source.read_bytes()), frames_of(target.read_bytes())
    assert [time for _, time in after] == [time for _, time in before] == TIMES
    assert report.frames == 6 and report.faces >= 1 and report.failed_samples == 0 and report.seconds.settled > 1
    with Image.open(target) as image:
        assert image.format == form
        if form != "AVIF":  # Pillow does not write it there
            assert image.info["loop"] == 3
    for (one, _), (other, _), boxes in zip(before, after, faces.panned().faces[:18:3], strict=True):
        for box in boxes:
            x0, y0, x1, y1 = (round(value) for value in (box.x0, box.y0, box.x1, box.y1))
            clear, veiled = (np.asarray(each.convert("RGB"))[y0:y1, x0:x1] for each in (one, other))
            assert detail(veiled) < 0.4 * detail(clear)


def test_what_is_transparent_stays_so_except_under_masks(tmp_path: Path) -> None:
    frames = [picture.convert("RGBA") for picture in pictures(6)]
    for frame in frames:
        alpha = np.full((frame.height, frame.width), 255, np.uint8)
        alpha[-40:] = 0
        frame.putalpha(Image.fromarray(alpha))
    source = animation(tmp_path / "a.webp", "WEBP", frames, lossless=True, exact=True)
    anonymize_picture_file(source)
    for image, _ in frames_of((tmp_path / "a.masked.webp").read_bytes()):
        samples = np.asarray(image)
        assert samples[-20:, :, 3].max() == 0 and samples[:-60, :, 3].min() == 255
        assert np.ptp(samples[-20:, :, :3]) == 0, "nothing is hidden below what cannot be seen"


def test_over_http_it_is_the_same(tmp_path: Path) -> None:
    source = animation(tmp_path / "a.gif", "GIF", pictures())
    content, kind, count = mask_picture(source.read_bytes(), Settings(), StillAnonymizer(Settings()))
    assert kind == "GIF" and count >= 1 and len(frames_of(content)) == 6


def test_what_cannot_be_masked(tmp_path: Path) -> None:
    source = animation(tmp_path / "a.gif", "GIF", pictures())
    content = source.read_bytes()
    for length in (10, 200):
        source.write_bytes(content[:length])
        with pytest.raises(InputError, match="is damaged: the GIF animation cannot be decoded"):
            anonymize_picture_file(source)
    small = Settings.model_validate({"picture": {"max_size": (100, 100)}})
    source.write_bytes(content)
    with pytest.raises(InputError, match="480x360"):
        anonymize_picture_file(source, settings=small)
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_too_many_frames_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.pictures.animation._MOST_PIXELS", 5 * 480 * 360)
    source = animation(tmp_path / "a.webp", "WEBP", pictures())
    with pytest.raises(InputError, match="has 6 frames, more than the 5 that fit at this size"):
        anonymize_picture_file(source)
