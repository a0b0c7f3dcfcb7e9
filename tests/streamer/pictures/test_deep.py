"""Pictures of 10, 12 and 16 bits a channel: as deep as they were, and masked all the same."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from core.config import MaskConfig
from core.still import StillAnonymizer
from streamer import Settings, anonymize_picture_file
from streamer.errors import InputError
from streamer.pictures.deep import DeepChannels, deep_channels, deep_heic, deep_png, deep_tiff
from streamer.pictures.kind import PictureKind
from tests.streamer.pictures.files import portrait
from tests.streamer.pictures.test_job import SRGB

_ENGINE = StillAnonymizer(Settings())
_SIZE = 256
_FACE, _REST = np.s_[31:92, 88:136], np.s_[160:, 160:]
_KINDS = {"png": PictureKind.PNG, "tif": PictureKind.TIFF, "heic": PictureKind.HEIC}
_CODERS = {"png": deep_png, "tif": deep_tiff, "heic": deep_heic}


def samples(channels: int) -> DeepChannels:
    """The astronaut with something in every bit."""
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    rng = np.random.default_rng(1)
    coarse = np.asarray(portrait(mode, _SIZE), np.uint16) << 8
    deep: DeepChannels = np.asarray(coarse | rng.integers(0, 256, coarse.shape), np.uint16)
    if channels in (2, 4):
        deep[:, :, -1] = 0x5555
    return deep


def masked(path: Path, settings: Settings | None = None) -> npt.NDArray[np.int64]:
    engine = None if settings else _ENGINE
    report = anonymize_picture_file(path, settings=settings, overwrite=True, engine=engine)
    assert report.faces == 1 and not report.warnings
    content = Path(report.output.path).read_bytes()
    return deep_channels(_KINDS[path.suffix[1:]], content, 1).astype(np.int64)


@pytest.mark.parametrize(
    ("suffix", "channels"),
    [("png", 1), ("png", 2), ("png", 3), ("png", 4), ("tif", 1), ("tif", 3), ("tif", 4), ("heic", 1), ("heic", 3)],
)
def test_every_bit_that_is_not_masked_stays(suffix: str, channels: int, tmp_path: Path) -> None:
    before = samples(channels)
    options: dict[str, object] = {"icc_profile": SRGB, "dpi": (300, 300)}
    if suffix == "heic":
        options = {"quality": 95, "chroma": 444, "bit_depth": 12, "icc_profile": SRGB}
    path = tmp_path / f"in.{suffix}"
    path.write_bytes(_CODERS[suffix](before, options))
    after = masked(path)
    assert after.shape == before.shape
    rest = np.abs(after - before)[_REST]
    assert rest.max() == 0 if suffix != "heic" else rest.mean() < 600
    assert np.abs(after - before)[_FACE].mean() > 15 << 8
    with Image.open(tmp_path / f"in.masked.{suffix}") as image:
        assert image.info["icc_profile"] == SRGB and not image.getexif().get(0x0112)
        if suffix == "heic":
            assert image.info["bit_depth"] == 12
        else:
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    if channels in (2, 4):
        assert after[60:65, 110:115, -1].min() == 0xFFFF and after[_REST][..., -1].max() == 0x5555


@pytest.mark.parametrize("style", ["blur", "mosaic", "solid"])
def test_every_style(style: str, tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    path.write_bytes(deep_png(before := samples(3), {}))
    after = masked(path, Settings(mask=MaskConfig.model_validate({"style": style, "color": (255, 0, 128)})))
    assert np.abs(after - before)[_FACE].mean() > 15 << 8
    if style == "solid":
        assert after[60, 112].tolist() == [65535, 0, 32896]


@pytest.mark.parametrize("turn", range(1, 9))
def test_it_stands_upright(turn: int, tmp_path: Path) -> None:
    stored = np.asarray(samples(3)[:200], np.uint16)
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[turn]
    data = Image.Exif()
    data[0x0112] = turn
    chunk = data.tobytes()[6:]
    content = deep_png(deep_channels(PictureKind.PNG, deep_png(stored, {}), undo), {})
    exif = len(chunk).to_bytes(4, "big") + b"eXIf" + chunk
    exif += zlib.crc32(exif[4:]).to_bytes(4, "big")
    path = tmp_path / "in.png"
    path.write_bytes(content[:33] + exif + content[33:])
    after = masked(path)
    assert after.shape == stored.shape and np.abs(after - stored)[130:].max() == 0


def test_a_dark_one_is_looked_at_brightened(tmp_path: Path) -> None:
    """Twelve bits in sixteen: black as it is, and a face as soon as somebody turns it up."""
    path = tmp_path / "in.tif"
    before = np.asarray(samples(3) >> 8, np.uint16)
    path.write_bytes(deep_tiff(before, {}))
    after = masked(path)
    assert np.abs(after - before)[_FACE].mean() > 15 and np.abs(after - before)[_REST].max() == 0


def test_what_is_damaged_or_rare_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "in.bin"
    heic = {"bit_depth": 10, "quality": 80}
    for content in (deep_png(samples(3), {}), deep_tiff(samples(3), {}), deep_heic(samples(3), dict(heic))):
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError, match="is damaged"):
            anonymize_picture_file(path, engine=_ENGINE)
    planar = deep_tiff(samples(3), {}).replace(b"\x1c\x01\x03\0\1\0\0\0\1", b"\x1c\x01\x03\0\1\0\0\0\2")
    path.write_bytes(planar)
    with pytest.raises(InputError, match="in a form that is rare, which is not supported"):
        anonymize_picture_file(path, engine=_ENGINE)
    assert [entry.name for entry in tmp_path.iterdir()] == ["in.bin"]
