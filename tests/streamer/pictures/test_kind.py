"""Pictures are told from videos by their content, whatever they are called."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from streamer.errors import OutputError
from streamer.pictures.kind import PictureKind, check_picture_target, kind_of, picture_kind, picture_output
from tests.rigs.faces import carphone, write
from tests.streamer.pictures.files import portrait, saved


def jpeg(size: int = 64, **options: object) -> bytes:
    out = io.BytesIO()
    portrait(size=size).save(out, "JPEG", **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", PictureKind)
def test_the_content_counts_and_not_the_name(kind: PictureKind, tmp_path: Path) -> None:
    path = saved(tmp_path / "film.mp4", portrait(size=64), format=kind.upper().replace("HEIC", "HEIF"))
    assert picture_kind(path) is kind


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"heic mif1 heic", PictureKind.HEIC),
        (b"heix mif1 MiHE", PictureKind.HEIC),
        (b"mif1 mif1 heic", PictureKind.HEIC),
        (b"mif1 avif heic", PictureKind.AVIF),
        (b"avis avif msf1", PictureKind.AVIF),
        (b"msf1 hevc", PictureKind.HEIC),
        (b"isom mif1 heic", None),
        (b"mp42", None),
        (b"", None),
    ],
)
def test_brands(brands: bytes, kind: PictureKind | None) -> None:
    major, *others = brands.split() or [b""]
    box = major + b"\0\0\0\0" + b"".join(others)
    assert kind_of((8 + len(box)).to_bytes(4, "big") + b"ftyp" + box) is kind


def test_animations_are_pictures_and_films_are_not(tmp_path: Path) -> None:
    frames = [portrait(size=64), portrait(size=64).rotate(5)]
    animated = tmp_path / "a.png"
    frames[0].save(animated, save_all=True, append_images=frames[1:])
    gif = tmp_path / "a.gif"
    frames[0].save(gif, save_all=True, append_images=frames[1:])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "a.txt").write_text("hello", "utf-8")
    os.mkfifo(tmp_path / "pipe.jpg")
    write(tmp_path / "film.mp4", carphone().pictures[:3]).rename(tmp_path / "film.jpg")
    assert [picture_kind(tmp_path / name) for name in ("a.png", "a.gif")] == [PictureKind.PNG, PictureKind.GIF]
    names = ("empty.jpg", "a.txt", "pipe.jpg", "film.jpg", "gone.jpg", ".")
    assert [name for name in names if picture_kind(tmp_path / name) is not None] == []


@pytest.mark.parametrize("progressive", [False, True])
def test_motion_jpeg_is_a_video_and_a_picture_with_a_preview_is_none(progressive: bool) -> None:
    one, preview = jpeg(64, progressive=progressive), jpeg(32)
    assert kind_of(one) is PictureKind.JPEG
    assert kind_of(one + one) is None and kind_of(one + b"\0" * 100 + one) is None
    assert kind_of(one + preview) is PictureKind.JPEG
    assert kind_of(one[:-200]) is PictureKind.JPEG, "cut off: the reader says so"
    assert kind_of(one + one[:10]) is PictureKind.JPEG


def test_two_views_in_one_file_are_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.mpo"
    portrait(size=64).save(path, "MPO", save_all=True, append_images=[portrait(size=64).rotate(5)])
    assert picture_kind(path) is PictureKind.JPEG


def test_the_copy_is_called_like_the_original(tmp_path: Path) -> None:
    assert picture_output(Path("a/team.jpg"), PictureKind.JPEG) == Path("a/team.masked.jpg")
    assert picture_output(Path("team.JPEG"), PictureKind.JPEG) == Path("team.masked.JPEG")
    assert picture_output(Path("team.jpg"), PictureKind.PNG) == Path("team.masked.png")
    assert picture_output(Path("team"), PictureKind.TIFF) == Path("team.masked.tif")
    source = saved(tmp_path / "team.jpg", portrait(size=64))
    for name, said in (
        ("out.png", "the copy of a JPEG picture is JPEG, too: the name must end in .jpg or .jpeg"),
        ("out.mp4", "must end in .jpg"),
        ("team.jpg", "is the input itself"),
        ("no/out.jpg", "does not exist"),
    ):
        with pytest.raises(OutputError, match=said):
            check_picture_target(source, tmp_path / name, PictureKind.JPEG, overwrite=True)


def test_what_could_take_for_ever_does_not() -> None:
    begin = jpeg()[:200]
    for filling in (b"\xff", b"\xff\x00", b"\xff\xe0\0\0", b"\xff\xd8", b"\xff\xd9"):
        kind_of(begin + filling * (4_000_000 // len(filling)) + b"\0")


def test_no_prefix_of_a_picture_confuses_it() -> None:
    for data in (jpeg(), *map(blank, ("PNG", "WEBP", "TIFF", "HEIF", "AVIF"))):
        for length in range(0, len(data), max(1, len(data) // 97)):
            kind_of(data[:length])


def blank(form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, form)
    return out.getvalue()
