"""What becomes of many inputs is settled before anything is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamer.batch.plan import Plan, make_plan
from streamer.errors import OutputError
from streamer.media.picture_limit import PictureLimit
from streamer.pictures.kind import PictureKind
from tests.rigs.faces import carphone, write
from tests.streamer.pictures.files import portrait, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, a video and other things, on two levels."""
    root = tmp_path / "in"
    (root / "deep").mkdir(parents=True)
    saved(root / "a.jpg", portrait(size=64))
    saved(root / "deep" / "b.png", portrait(size=64))
    write(root / "film.mp4", carphone().pictures[:3])
    (root / "deep" / "notes.txt").write_text("hello\n" * 100, "utf-8")
    (root / "broken.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    os.mkfifo(root / "pipe")
    (root / "loop").symlink_to(root)
    return root


def plan(*inputs: Path, to: Path, recursive: bool = False) -> Plan:
    return make_plan(inputs, to, recursive, PictureLimit())


def shown(found: Plan, root: Path) -> tuple[list[tuple[str, str]], dict[str, str]]:
    copies = [(str(c.source.relative_to(root)), str(c.target.relative_to(root))) for c in found.copies]
    return copies, {str(skip.path.relative_to(root)): skip.reason for skip in found.skipped}


def test_a_folder(folder: Path) -> None:
    root = folder.parent
    copies, skipped = shown(plan(folder, to=root / "out"), root)
    assert copies == [("in/a.jpg", "out/a.jpg"), ("in/broken.heic", "out/broken.heic"), ("in/film.mp4", "out/film.mp4")]
    assert skipped == {
        "in/deep": "is a folder; --recursive looks into it",
        "in/loop": "is a symbolic link to a folder",
        "in/pipe": "is not a regular file",
    }
    assert not (root / "out").exists()


def test_folders_in_it_keep_their_structure(folder: Path) -> None:
    root = folder.parent
    found = plan(folder, to=root / "out", recursive=True)
    copies, skipped = shown(found, root)
    assert ("in/deep/b.png", "out/deep/b.png") in copies
    assert skipped["in/deep/notes.txt"] == "is a text file, not a video"
    assert [copy.kind for copy in found.copies] == [PictureKind.JPEG, PictureKind.HEIC, PictureKind.PNG, None]


def test_copies_are_no_inputs(folder: Path) -> None:
    out = folder / "masked"
    out.mkdir()
    saved(out / "a.jpg", portrait(size=64))
    _, skipped = shown(plan(folder, to=out, recursive=True), folder)
    assert skipped["masked"] == "is the folder of the copies"


def test_two_inputs_must_not_become_one_copy(folder: Path) -> None:
    root = folder.parent
    saved(root / "a.jpg", portrait(size=64))
    with pytest.raises(OutputError, match=r"would be the copy of both .*in/a\.jpg and .*a\.jpg"):
        plan(folder, root / "a.jpg", to=root / "out")
    for name in ("x.avi", "x.webm"):
        (root / name).write_bytes(b"\0")
    with pytest.raises(OutputError, match=r"out/x\.mkv: would be the copy of both"):
        plan(root / "x.avi", root / "x.webm", to=root / "out")


def test_no_copy_replaces_an_input(folder: Path) -> None:
    with pytest.raises(OutputError, match=r"is the input .*, which is never overwritten"):
        plan(folder / "a.jpg", to=folder)
    link = folder.parent / "link"
    link.symlink_to(folder)
    with pytest.raises(OutputError, match="never overwritten"):
        plan(folder / "a.jpg", to=link)


def test_a_folder_that_cannot_be_read_is_no_empty_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    [skipped] = plan(folder, to=folder.parent / "out").skipped
    assert skipped.failed and skipped.reason == "cannot be read (permission denied)"
