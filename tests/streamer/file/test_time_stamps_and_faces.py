"""No setting of the time stamps may thin the looks: recordings whose header says too much time, or too little."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamer import anonymize_file
from tests.rigs.faces import CLIPS, Clip, read_grey
from tests.rigs.leaks import leaks

pytestmark = pytest.mark.slow


def _write(path: Path, clip: Clip, thin: int, rate: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate, {"crf": "14", "preset": "veryfast"})
        stream.height, stream.width = clip.pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for index, picture in enumerate(clip.pictures[::thin]):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("rate", [25, 250, 1000])
@pytest.mark.parametrize("thin", [1, 4, 10])
@pytest.mark.parametrize("name", ["panned", "entering", "fast_and_small", "cut_away_and_back"])
def test_every_face_is_covered(tmp_path: Path, name: str, thin: int, rate: int) -> None:
    clip = CLIPS[name]()
    source, target = _write(tmp_path / "in.mp4", clip, thin, rate), tmp_path / "out.mp4"
    report = anonymize_file(source, target)
    assert report.frames == len(clip.pictures[::thin])
    assert not leaks(read_grey(source), read_grey(target), clip.faces[::thin])
