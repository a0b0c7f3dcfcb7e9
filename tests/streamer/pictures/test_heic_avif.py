"""What telephones write: turned by boxes, with depth, gain maps, thumbnails and EXIF data beside the picture."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pillow_heif
import pytest
from av.video.stream import VideoStream
from PIL import Image

from core.still import StillAnonymizer
from streamer import Settings, anonymize_picture_file
from streamer.errors import InputError
from streamer.pictures.isobmff import picture_boxes, with_colours
from streamer.settings.file import PictureConfig
from tests.rigs.fakes import ScriptedDetector
from tests.streamer.pictures.files import face_change, opened, portrait, rest_change, saved
from tests.streamer.pictures.test_job import SRGB, exif

_ENGINE = StillAnonymizer(Settings())
_TURNS = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip


@pytest.mark.parametrize("turn", _TURNS)
@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_it_stands_upright_once(suffix: str, turn: int, tmp_path: Path) -> None:
    """The boxes say how it is turned, and HEIC files of telephones say so in their EXIF data, too."""
    upright = portrait(size=256).crop((0, 0, 256, 200))
    undo = _TURNS[turn]
    stored = upright if undo is None else upright.transpose(undo)
    path = saved(tmp_path / f"in.{suffix}", stored, exif=exif(turn).tobytes(), quality=80)
    content = path.read_bytes()
    assert (b"irot" in content or b"imir" in content) == (turn > 1)
    report = anonymize_picture_file(path, engine=_ENGINE)
    after = opened(Path(report.output.path))
    assert after.size == upright.size and not after.getexif().get(0x0112)
    difference = np.abs(np.asarray(upright, int) - np.asarray(after, int)).mean(axis=2)
    assert difference[130:].mean() < 6 and difference[31:92, 88:136].mean() > 15


def test_exif_data_alone_do_not_turn_a_heic(tmp_path: Path) -> None:
    """No viewer would; the boxes alone count."""
    path = saved(tmp_path / "in.heic", portrait(size=256).crop((0, 0, 256, 200)))
    out = io.BytesIO()
    with Image.open(path) as image:
        pillow_heif.encode("RGB", image.size, image.tobytes(), out, exif=exif(6))  # no bytes: then it sets no box
    content = out.getvalue()
    assert b"irot" not in content
    path.write_bytes(content)
    assert opened(Path(anonymize_picture_file(path, engine=_ENGINE).output.path)).size == (256, 200)


def test_nothing_goes_along(tmp_path: Path) -> None:
    options = {"exif": exif(), "xmp": b"<x:rdf/>secret", "icc_profile": SRGB, "quality": 80}
    heic = saved(tmp_path / "a.heic", portrait(), thumbnails=[64], **options)
    avif = saved(tmp_path / "a.avif", portrait(), **options)
    burst = tmp_path / "burst.heic"
    portrait().save(burst, save_all=True, append_images=[portrait().rotate(5)])
    found = {}
    for path in (heic, avif, burst):
        report = anonymize_picture_file(path, engine=_ENGINE)
        content = Path(report.output.path).read_bytes()
        for secret in (b"secret", b"Acme", b"Exif", b"thmb", b"auxC"):
            assert secret not in content
        with Image.open(report.output.path) as after:
            assert after.info.get("icc_profile") == (None if path is burst else SRGB)
            assert getattr(after, "n_frames", 1) == 1 and not after.info.get("thumbnails")
        assert len(picture_boxes(content).sizes) == 1
        found[path.name] = set(report.stripped)
    assert found == {
        "a.heic": {"EXIF data", "XMP data", "GPS position", "thumbnail"},
        "a.avif": {"EXIF data", "XMP data", "GPS position"},
        "burst.heic": {"further pictures"},
    }


def test_what_else_the_boxes_hold_is_named() -> None:
    def box(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(data), name) + data

    urns = (b"urn:mpeg:hevc:2015:auxid:2", b"urn:com:apple:photo:2020:aux:hdrgainmap", b"urn:mpeg:hevc:2015:auxid:1")
    properties = box(b"ipco", b"".join(box(b"auxC", b"\0\0\0\0" + urn + b"\0") for urn in urns))
    items = box(b"iinf", b"\0\0\0\0\0\1" + box(b"infe", b"\2\0\0\0\0\1\0\0tmap\0"))
    meta = box(b"meta", b"\0\0\0\0" + items + box(b"iprp", properties))
    found = picture_boxes(meta + box(b"mpvd", b"\0" * 99))
    assert found.besides == ["gain map", "depth picture", "auxiliary picture", "video"] and not found.sequence
    for length in range(len(meta)):
        picture_boxes(meta[:length])


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_a_mask_is_opaque(suffix: str, tmp_path: Path) -> None:
    face = portrait("RGBA", 512)
    face.putalpha(Image.new("L", face.size, 60))
    path = saved(tmp_path / f"in.{suffix}", face, quality=90)
    after = opened(Path(anonymize_picture_file(path, engine=_ENGINE).output.path))
    assert after.mode == "RGBA"
    opacity = np.asarray(after.getchannel("A"), int)
    assert opacity[90:150, 200:250].min() > 200 and 50 < opacity[400:, 400:].mean() < 70
    assert face_change(face, after) > 15 > rest_change(face, after)


def test_colours_mean_the_same(tmp_path: Path) -> None:
    """Display P3 with the transfer of sRGB, said by numbers and not by a profile."""
    path = tmp_path / "in.heic"
    picture = portrait()
    numbers = {"color_primaries": 12, "transfer_characteristics": 13}
    out = io.BytesIO()
    pillow_heif.encode("RGB", picture.size, picture.tobytes(), out, **numbers, matrix_coefficients=6, full_range_flag=1)
    path.write_bytes(out.getvalue())
    avif = saved(tmp_path / "in.avif", picture, subsampling="4:4:4", quality=80)
    avif.write_bytes(with_colours(avif.read_bytes(), b"\0\x0c\0\x0d"))
    for source in (path, avif):
        copy = Path(anonymize_picture_file(source, engine=_ENGINE).output.path)
        boxes = picture_boxes(copy.read_bytes())
        assert boxes.colours == b"\0\x0c\0\x0d" and boxes.subsampling == picture_boxes(source.read_bytes()).subsampling
        assert rest_change(opened(source), opened(copy)) < 1.5


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_a_header_that_lies_about_the_size(suffix: str, tmp_path: Path) -> None:
    """Nothing larger than what the header says is kept in memory or comes out."""
    path = saved(tmp_path / f"in.{suffix}", portrait(size=512))
    settings = Settings(picture=PictureConfig(max_size=(300, 300)))
    with pytest.raises(InputError, match="512x512, more than the 300x300 that --max-size allows"):
        anonymize_picture_file(path, settings=settings)
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack(">II", 512, 512), struct.pack(">II", 64, 64)))
    try:
        report = anonymize_picture_file(path, settings=settings, make_detector=lambda: ScriptedDetector(then="nothing"))
    except InputError as error:
        assert "cannot be decoded" in str(error)
    else:
        assert opened(Path(report.output.path)).size == (64, 64)


@pytest.mark.parametrize("brand", [b"heic", b"avif"])
def test_boxes_in_boxes_have_an_end(brand: bytes, tmp_path: Path) -> None:
    size, nests = struct.pack(">I4s4xII", 20, b"ispe", 64, 48), []
    for depth in range(2001):
        nests.append(struct.pack(">I4s4s4x", 16, b"ftyp", brand) + size)
        size = struct.pack(">I4s4x", 12 + len(size), b"meta") + size
        assert depth > 20 or picture_boxes(nests[-1]).sizes == ([(64, 48)] if depth <= 8 else [])
    path = tmp_path / "nest"
    path.write_bytes(nests[-1])
    with pytest.raises(InputError, match="cannot be decoded") as error:
        anonymize_picture_file(path)
    assert len(nests[-1]) > 24_000 and not any(word in str(error.value) for word in ("\n", "recursion"))


def test_ten_bits_become_eight_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "in.avif"
    with av.open(str(path), "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=1)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(np.asarray(portrait(size=256)), "rgb24")
        container.mux([*stream.encode(frame.reformat(format="yuv420p10le")), *stream.encode(None)])
    said: list[str] = []
    anonymize_picture_file(path, on_warning=said.append, engine=_ENGINE)
    assert said == ["the copy has 8 bits a channel, the original 10"]
