"""Pictures in memory: masked in one call, the caller's arrays left as they are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest

from core import Cover, EngineConfig, Origin, anonymize, anonymize_picture
from core.pictures.planes import BgrImage
from tests.rigs.faces import CLIPS, astronaut
from tests.rigs.fakes import ScriptedDetector
from tests.rigs.leaks import leaks


def grey(picture: BgrImage) -> BgrImage:
    return np.asarray(picture.mean(axis=2), np.uint8)


def test_a_video_of_arrays() -> None:
    clip = CLIPS["panned"]()
    pictures = clip.pictures[:12]
    before = [picture.copy() for picture in pictures]
    out = list(anonymize(pictures))
    assert all((a == b).all() for a, b in zip(pictures, before, strict=True)), "the caller's arrays were painted on"
    after = [masked.to_bgr() for masked in out]
    assert [picture.shape for picture in after] == [picture.shape for picture in before]
    assert leaks([grey(p) for p in before], [grey(p) for p in before], clip.faces[:12]) == list(range(12))
    assert leaks([grey(p) for p in before], [grey(p) for p in after], clip.faces[:12]) == []
    assert [masked.index for masked in out] == list(range(12))
    assert [masked.time for masked in out] == [index / 25 for index in range(12)]


def test_decisions_come_with_every_frame() -> None:
    # One detector: what the second one finds by itself is another track.
    alone = EngineConfig.model_validate({"detect": {"second": {"detector": "none"}}})
    out = list(anonymize(CLIPS["panned"]().pictures[:12], alone))
    assert all(masked.cover is Cover.SETTLED and len(masked.regions) == 1 for masked in out)
    origins = {region.origin for masked in out for region in masked.regions}
    assert origins == {Origin.SEEN, Origin.INTERPOLATED}
    assert len({region.track for masked in out for region in masked.regions}) == 1


def test_it_takes_frames_one_by_one_and_holds_only_a_few() -> None:
    taken = 0

    def endless() -> Iterator[BgrImage]:
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros((64, 64, 3), np.uint8)

    masked = anonymize(endless(), make_detector=lambda: ScriptedDetector(then="nothing"))
    for _ in range(50):
        next(masked)
    assert taken < 50 + 100


def test_video_frames_keep_their_own_time() -> None:
    frames = []
    for index in range(4):
        video = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "bgr24")
        video.pts, video.time_base = 100 + 7 * index, Fraction(1, 50)
        frames.append(video)
    out = list(anonymize(frames, make_detector=lambda: ScriptedDetector(then="nothing")))
    assert [masked.time for masked in out] == pytest.approx([2.0, 2.14, 2.28, 2.42])
    assert [masked.video.pts for masked in out] == [100, 107, 114, 121]


def test_one_picture() -> None:
    picture = astronaut()
    before = picture.copy()
    masked = anonymize_picture(picture)
    assert (picture == before).all() and masked.shape == picture.shape and masked.dtype == np.uint8
    changed = (masked.astype(int) - picture).any(axis=2)
    assert 0.01 < changed.mean() < 0.2


def test_a_picture_whose_detector_fails_is_masked_whole() -> None:
    picture = astronaut()
    masked = anonymize_picture(picture, make_detector=lambda: ScriptedDetector(then="raises"))
    assert len(np.unique(masked.reshape(-1, 3), axis=0)) < len(np.unique(picture.reshape(-1, 3), axis=0)) / 10
    assert (masked.astype(int) - picture).any(axis=2).mean() > 0.9


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), "picture.jpg", None],
    ids=["grey", "alpha", "float", "name", "none"],
)
def test_what_is_no_picture(picture: BgrImage) -> None:
    with pytest.raises(ValueError, match=r"a picture must be a uint8 array of shape \(height, width, 3\)"):
        anonymize_picture(picture)


@pytest.mark.parametrize("fps", [0, -1, float("nan")])
def test_a_rate_that_is_none(fps: float) -> None:
    with pytest.raises(ValueError, match="fps must be greater than 0"):
        list(anonymize([], EngineConfig(), fps=fps))
