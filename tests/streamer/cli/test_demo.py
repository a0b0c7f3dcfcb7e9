"""The demo: a real face, hidden, without any input."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.detect.registry import create
from streamer.cli import demo
from streamer.cli.main import main
from tests.rigs.faces import read

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")


@pytest.mark.slow
def test_it_leaves_a_video_and_a_picture_of_before_and_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", str(tmp_path / "results")]) == 0
    names = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert names == ["astronaut.masked.mp4", "astronaut.mp4", "before-after.png"]
    before, after = read(tmp_path / "results" / "astronaut.mp4"), read(tmp_path / "results" / "astronaut.masked.mp4")
    assert len(before) == len(after) == demo.FRAMES
    looker = create("yunet", 0.5)
    assert all(len(looker.detect([picture])[0]) == 1 for picture in before[::10])
    pair = np.asarray(cv2.imread(str(tmp_path / "results" / "before-after.png")), np.uint8)
    assert pair.shape == (480, 1280, 3)
    (face,) = looker.detect([np.ascontiguousarray(pair[:, :640])])[0]
    box = face.box
    part = (slice(int(box.y0), int(box.y1)), slice(int(box.x0), int(box.x1)))
    sharp = [cv2.Laplacian(half[part], cv2.CV_64F).var() for half in (pair[:, :640], pair[:, 640:])]
    assert sharp[1] < 0.05 * sharp[0]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    assert main(["demo", str(tmp_path / "file")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"veilcast: {tmp_path / 'file'}: cannot be written")


def test_the_photograph_may_be_passed_on() -> None:
    assets = Path(demo.__file__).with_name("assets")
    assert "public domain" in (assets / "LICENSE-astronaut").read_text("utf-8").lower()
