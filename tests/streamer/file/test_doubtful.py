"""The report says which masks a person should look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer import anonymize_file
from streamer.cli.main import main
from tests.rigs.faces import CLIPS, RATE, shot, write

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")


def test_a_face_that_vanishes_in_the_middle_is_a_doubtful_moment(tmp_path: Path) -> None:
    clip = write(tmp_path / "in.mp4", CLIPS["appearing"]().pictures[:30])
    report = anonymize_file(clip, tmp_path / "out.mp4")
    ended = [moment for moment in report.doubtful if "ended" in moment.why]
    # The first face is there from frame 5 to 12, at 100, 100.
    assert any(12 / RATE < m.end < 22 / RATE and m.box[0] < 100 < m.box[2] and m.box[1] < 100 < m.box[3] for m in ended)
    assert [m.doubt for m in report.doubtful] == sorted((m.doubt for m in report.doubtful), reverse=True)


def test_a_face_that_stays_is_none_and_the_summary_counts_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steady = write(tmp_path / "steady.mp4", [shot(240, 180, 100)[0]] * 12)
    assert anonymize_file(steady, tmp_path / "out.mp4").doubtful == []
    clip = write(tmp_path / "in.mp4", CLIPS["appearing"]().pictures[:30])
    assert main(["file", str(clip), "--progress", "none"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "doubtful moment" in line and "(--report)" in line
