"""Copies of pictures: the face gone, the rest as it was, nothing else along with it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngInfo

from core.config import MaskConfig, ZoneConfig
from core.still import StillAnonymizer
from streamer import Settings, anonymize_picture_file
from streamer.errors import InputError, InterruptedJobError, OutputError
from streamer.pictures.job import mask_picture
from streamer.pictures.kind import PictureKind
from streamer.settings.file import PictureConfig
from tests.rigs.fakes import ScriptedDetector
from tests.streamer.pictures.files import face_change, opened, portrait, rest_change, saved

Style = Literal["blur", "mosaic", "solid"]
_ENGINE = StillAnonymizer(Settings())
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def copy_of(path: Path, settings: Settings | None = None) -> Image.Image:
    """The masked copy, opened; with default settings, the weights are loaded once for all tests."""
    engine = None if settings else _ENGINE
    report = anonymize_picture_file(path, settings=settings, overwrite=True, engine=engine)
    return opened(Path(report.output.path))


def exif(turn: int = 1) -> Image.Exif:
    data = Image.Exif()
    data[0x010F], data[0x0112] = "Acme", turn
    data.get_ifd(0x8825)[1] = "N"
    data.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    return data


# Every mode and format


@pytest.mark.parametrize(
    ("suffix", "mode", "options", "becomes"),
    [
        ("jpg", "RGB", {"quality": 92}, "RGB"),
        ("jpg", "RGB", {"progressive": True, "subsampling": 0}, "RGB"),
        ("jpg", "L", {}, "L"),
        ("jpg", "CMYK", {"quality": 92}, "CMYK"),
        ("png", "RGB", {}, "RGB"),
        ("png", "L", {}, "L"),
        ("png", "LA", {}, "LA"),
        ("png", "RGBA", {}, "RGBA"),
        ("png", "P", {}, "RGB"),
        ("png", "1", {}, "L"),
        ("webp", "RGB", {"quality": 90}, "RGB"),
        ("webp", "RGB", {"lossless": True}, "RGB"),
        ("heic", "RGB", {"quality": 80}, "RGB"),
        ("heic", "L", {"quality": 80}, "L"),
        ("heic", "RGBA", {"quality": 80, "chroma": 444}, "RGBA"),
        ("avif", "RGB", {"quality": 80}, "RGB"),
        ("avif", "L", {"quality": 80}, "L"),
        ("tiff", "RGB", {"compression": "tiff_lzw"}, "RGB"),
        ("tif", "CMYK", {}, "CMYK"),
        ("tif", "L", {"compression": "packbits"}, "L"),
    ],
)
def test_every_form(suffix: str, mode: str, options: dict[str, object], becomes: str, tmp_path: Path) -> None:
    before = opened(saved(tmp_path / f"in.{suffix}", portrait(mode), **options))
    after = copy_of(tmp_path / f"in.{suffix}")
    assert (after.mode, after.format) == (becomes, before.format)
    assert {path.name for path in tmp_path.iterdir()} == {f"in.{suffix}", f"in.masked.{suffix}"}
    if mode != "1":  # a face of black and white dots is none
        assert face_change(before, after) > 15
    lossless = suffix in ("png", "tiff", "tif") or "lossless" in options
    assert rest_change(before, after) <= (0 if lossless else 1.5)
    if before.format == "TIFF" and "compression" in options:
        assert after.info["compression"] == options["compression"]


def test_a_jpeg_is_coded_like_its_original(tmp_path: Path) -> None:
    for quality, subsampling in ((95, 0), (60, 2), (80, 1)):
        path = saved(tmp_path / "in.jpg", portrait(size=512), quality=quality, subsampling=subsampling, dpi=(72, 72))
        before, after = opened(path), copy_of(path)
        assert isinstance(before, JpegImageFile) and isinstance(after, JpegImageFile)
        assert after.quantization == before.quantization and get_sampling(after) == subsampling
        assert after.info["dpi"] == before.info["dpi"]
        assert rest_change(before, after) < 0.6
        assert face_change(before, after) > 15


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_it_stands_upright(suffix: str, turn: int, tmp_path: Path) -> None:
    upright = portrait(size=256).crop((0, 0, 256, 200))
    undo = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[turn]  # fmt: skip
    stored = upright if undo is None else upright.transpose(undo)
    after = copy_of(saved(tmp_path / f"in.{suffix}", stored, exif=exif(turn)))
    assert after.size == upright.size and not after.getexif().get(0x0112)
    difference = np.abs(np.asarray(upright, int) - np.asarray(after.convert("RGB"), int)).mean(axis=2)
    assert difference[130:].mean() < 6 and difference[31:92, 88:136].mean() > 15


# What goes and what stays


def test_metadata_is_left_out_and_named(tmp_path: Path) -> None:
    data = exif()
    jpg = saved(tmp_path / "a.jpg", portrait(), exif=data, comment=b"secret", xmp=b"<secret/>", icc_profile=SRGB)
    jpg.write_bytes(jpg.read_bytes() + b"secret" * 100)
    texts = PngInfo()
    texts.add_text("Author", "secret")
    texts.add(b"gAMA", (45455).to_bytes(4, "big"))
    png = saved(tmp_path / "a.png", portrait("RGBA"), exif=data, pnginfo=texts, icc_profile=SRGB, dpi=(300, 300))
    webp = saved(tmp_path / "a.webp", portrait(), exif=data, xmp=b"<secret/>", icc_profile=SRGB)
    tif = saved(tmp_path / "a.tif", portrait(), exif=data, description="secret", icc_profile=SRGB)
    found = {}
    for path in (jpg, png, webp, tif):
        report = anonymize_picture_file(path, engine=_ENGINE)
        copy = Path(report.output.path)
        content, after = copy.read_bytes(), opened(copy)
        for secret in (b"secret", b"Acme", b"Exif\0", b"eXIf"):
            assert secret not in content
        assert after.info["icc_profile"] == SRGB
        assert not {*after.getexif()} & {0x010F, 0x8825, 0x0112, 270}
        found[path.suffix] = report.stripped
    assert found[".jpg"] == ["EXIF data", "XMP data", "comment", "GPS position", "data after the picture"]
    assert found[".png"] == ["EXIF data", "text", "GPS position"]
    assert found[".webp"] == ["EXIF data", "XMP data", "GPS position"]
    assert {"description", "device"} <= set(found[".tif"])
    png_after = opened(tmp_path / "a.masked.png")
    assert png_after.info["gamma"] == pytest.approx(0.45455)
    assert png_after.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_a_second_view_and_previews_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    portrait().save(path, "MPO", save_all=True, append_images=[portrait().rotate(3)])
    report = anonymize_picture_file(path, engine=_ENGINE)
    content = Path(report.output.path).read_bytes()
    assert report.stripped == ["further pictures (MPF)", "data after the picture"]
    assert content.count(b"\xff\xd8\xff") == 1 and b"MPF\0" not in content


def test_a_mask_is_opaque_and_hidden_colours_are_looked_at(tmp_path: Path) -> None:
    face = portrait("RGBA", 512)
    half = Image.new("L", face.size, 0)  # nothing of it can be seen, and everything be brought back
    face.putalpha(half)
    after = copy_of(saved(tmp_path / "hidden.png", face))
    opacity = np.asarray(after.getchannel("A"), int)
    assert opacity[62:184, 176:272].mean() > 200 and opacity[400:, 400:].max() == 0
    assert face_change(Image.merge("RGB", face.split()[:3]), Image.merge("RGB", after.split()[:3])) > 15
    drawn = Image.merge("RGBA", (*[Image.new("L", face.size, 0)] * 3, portrait("L", 512).point(lambda v: 255 - v)))
    after = copy_of(saved(tmp_path / "drawn.png", drawn))  # a face that is there in the opacity alone
    assert np.asarray(after.getchannel("A"), int)[80:170, 190:260].min() == 255


@pytest.mark.parametrize("style", ["blur", "mosaic", "solid"])
@pytest.mark.parametrize("mode", ["RGB", "CMYK", "LA"])
def test_styles(style: Style, mode: str, tmp_path: Path) -> None:
    path = saved(tmp_path / ("in.tif" if mode == "CMYK" else "in.png"), portrait(mode))
    settings = Settings(mask=MaskConfig(style=style, color=(200, 30, 40)))
    after = copy_of(path, settings=settings)
    assert face_change(opened(path), after) > 15
    if style == "solid":
        red, green, blue = np.asarray(after.convert("RGB"), int)[60, 112]
        assert (red - blue > 100 and abs(green - blue) < 60) if mode != "LA" else red == green == blue


def test_zones_are_masked(tmp_path: Path) -> None:
    zone = ZoneConfig(points=((0.7, 0.7), (1, 0.7), (1, 1), (0.7, 1)))
    path = saved(tmp_path / "in.png", portrait())
    after = copy_of(path, settings=Settings(zones=(zone,)))
    assert rest_change(opened(path), after) > 5


def test_the_same_without_a_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.jpg", portrait())
    content, kind, faces = mask_picture(path.read_bytes(), Settings(), _ENGINE)
    report = anonymize_picture_file(path, engine=_ENGINE)
    assert (content, kind, faces) == (Path(report.output.path).read_bytes(), PictureKind.JPEG, report.faces)
    with pytest.raises(InputError, match="picture: is damaged"):
        mask_picture(path.read_bytes()[:600], Settings(), _ENGINE)
    with pytest.raises(InputError, match="not a still picture"):
        mask_picture(b"GIF90a", Settings(), _ENGINE)


# What cannot be done


def test_no_detector_no_picture(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.png", portrait())
    said: list[str] = []
    report = anonymize_picture_file(path, on_warning=said.append, make_detector=lambda: ScriptedDetector(then="raises"))
    assert (report.failed_samples, report.faces) == (1, 0)
    assert said == ["detector failed: RuntimeError: broken detector; the picture is masked whole"]
    after = opened(Path(report.output.path))
    assert after.getcolors(300) and report.weights is None


def truncated(path: Path) -> Path:
    data = saved(path, portrait()).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def flipped(path: Path) -> Path:
    data = bytearray(saved(path, portrait()).read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    return path


def deep(path: Path) -> Path:
    return saved(path, Image.fromarray(np.zeros((32, 32), np.int32)))


def pages(path: Path) -> Path:
    portrait().save(path, save_all=True, append_images=[portrait().rotate(5)])
    return path


def raw(path: Path) -> Path:
    return saved(path, portrait(), tiffinfo={50706: b"\1\4\0\0"})


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("a.jpg", truncated, "is damaged: the JPEG picture cannot be decoded (image file is truncated"),
        ("a.png", truncated, "is damaged: the PNG picture cannot be decoded ("),
        ("a.webp", truncated, "is damaged: the WebP picture cannot be decoded ("),
        ("a.tif", truncated, "is damaged: the TIFF picture cannot be decoded ("),
        ("a.heic", truncated, "is damaged: the HEIC picture cannot be decoded ("),
        ("a.avif", truncated, "is damaged: the AVIF picture cannot be decoded ("),
        ("a.png", flipped, "is damaged: the PNG picture cannot be decoded ("),
        ("a.tif", deep, "has more than 8 bits a channel in a form that is rare, which is not supported"),
        ("a.tif", pages, "has 2 pages, which is not supported: save each as a file"),
        ("a.tif", raw, "is a camera's raw photograph, which is not supported"),
    ],
)
def test_one_line_and_no_copy(name: str, make: Callable[[Path], Path], said: str, tmp_path: Path) -> None:
    path = make(tmp_path / name)
    with pytest.raises(InputError) as stop:
        anonymize_picture_file(path, engine=_ENGINE)
    assert stop.value.cause.startswith(said) and "\n" not in str(stop.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_pictures_cut_off_anywhere_are_one_line(tmp_path: Path) -> None:
    for form in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"):
        out = io.BytesIO()
        portrait(size=48).save(out, form)
        data = out.getvalue()
        for length in range(1, len(data), max(1, len(data) // 40)):
            path = tmp_path / "in.bin"
            path.write_bytes(data[:length])
            try:
                anonymize_picture_file(path, overwrite=True, make_detector=lambda: ScriptedDetector(then="nothing"))
            except InputError as error:
                assert "\n" not in str(error)


def test_the_header_says_it_is_too_large(tmp_path: Path) -> None:
    settings = Settings(picture=PictureConfig(max_size=(100, 100)))
    for name in ("a.jpg", "a.png", "a.webp", "a.tif", "a.heic", "a.avif"):
        path = saved(tmp_path / name, portrait(size=128))
        path.write_bytes(path.read_bytes()[:-500])  # what comes after the header is not even looked at
        with pytest.raises(InputError, match="its pictures are 128x128, more than the 100x100 that --max-size allows"):
            anonymize_picture_file(path, settings=settings)
    saved(path := tmp_path / "b.png", portrait(size=100))
    assert anonymize_picture_file(path, settings=settings).faces == 1


def test_targets(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.png", portrait(size=64))
    (tmp_path / "in.masked.png").write_text("mine", "utf-8")
    with pytest.raises(OutputError, match="exists already"):
        anonymize_picture_file(path, engine=_ENGINE)
    assert (tmp_path / "in.masked.png").read_text("utf-8") == "mine"
    interrupt = threading.Event()
    interrupt.set()
    with pytest.raises(InterruptedJobError):
        anonymize_picture_file(path, tmp_path / "out.png", interrupt=interrupt)
    with pytest.raises(InputError, match="does not exist"):
        anonymize_picture_file(tmp_path / "gone.png")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in.masked.png", "in.png"]


def test_one_pixel(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp", "a.tif"):
        path = saved(tmp_path / name, Image.new("RGB", (1, 1), (250, 0, 0)))
        assert copy_of(path).size == (1, 1)
