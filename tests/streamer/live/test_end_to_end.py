"""End to end: the real program between a real camera and real clients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rigs.camera.recorder import Recorder
from tests.rigs.camera.rtsp_camera import RtspCamera
from tests.rigs.faces import SIZE, scenery
from tests.rigs.live.all_at_once import Result, everybody, table
from tests.rigs.live.arrivals import added_delays, measure, percentile
from tests.rigs.live.chromium_viewer import watch
from tests.rigs.live.clients import decoded
from tests.rigs.live.face_scene import LENGTH, Scene, Seen, face_scene, judge, unwrapped
from tests.rigs.live.two_cameras import two_cameras
from tests.rigs.live.veilcast_process import Veilcast

pytestmark = pytest.mark.slow

SECONDS = 8.0


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("everybody")
    return everybody(face_scene(folder, (640, 360)), folder, SECONDS)


def test_nobody_ever_receives_a_face(result: Result) -> None:
    assert {name: seen.leaks for name, seen in result.seen.items() if seen.leaks} == {}, "\n".join(table(result))


def test_every_client_receives_the_pictures_that_the_camera_sent(result: Result) -> None:
    assert len(result.seen) == 6
    for name, seen in result.seen.items():
        about = f"{name}\n" + "\n".join(table(result))
        assert seen.sent >= 0.8 * 25 * SECONDS, about
        # What was skipped for lack of time is lacking everywhere; the machine may be busy with other things.
        assert seen.received >= 0.6 * seen.sent, about
        assert len(seen.unclear) <= 0.1 * seen.sent, about
        assert unwrapped(seen.numbers, LENGTH) == sorted(unwrapped(seen.numbers, LENGTH)), about


def test_all_clients_receive_the_same_pictures(result: Result) -> None:
    received = {name: {n for n in seen.numbers if n is not None} for name, seen in result.seen.items()}
    everything = received["recording"]
    assert all(numbers <= everything for numbers in received.values())


def test_it_keeps_up_and_says_so(result: Result) -> None:
    told = result.told
    assert told.frames_in >= 0.5 * 25 * SECONDS
    assert told.frames.get("slate", 0) == 0
    assert told.late_share < 0.5, "\n".join(table(result))  # the bar is for a machine that does nothing else
    assert told.errors == ()


def test_the_password_of_the_camera_is_not_visible_anywhere(result: Result) -> None:
    assert "secret" not in result.log and "***@127.0.0.1" in result.log


def test_the_delay_is_the_look_ahead_and_little_more(tmp_path: Path) -> None:
    scene = face_scene(tmp_path, (640, 360))
    with RtspCamera(scene.clip) as camera, Veilcast(camera.url, log=tmp_path / "veilcast.log") as veilcast:
        veilcast.until_settled()
        direct, through = measure([camera.url, veilcast.url()], 6.0)
    delays = added_delays(direct, through)
    assert len(delays) > 50
    assert percentile(delays, 0.1) > 0.15, "the look-ahead is 0.2 s; the frames of a client may be late, never early"
    assert percentile(delays, 0.5) < 1.0


def test_two_cameras_in_one_process(tmp_path: Path) -> None:
    found = two_cameras(tmp_path, 5.0, (640, 360))
    assert set(found) == {"front", "back"}
    for told, seen in found.values():
        assert seen.leaks == [] and seen.received > 30
        assert told.frames_in > 30 and told.late_share < 0.5 and told.errors == ()


def test_the_judge_sees_a_face_that_is_not_masked(tmp_path: Path) -> None:
    scene = face_scene(tmp_path, (640, 360))
    with RtspCamera(scene.clip) as camera, Recorder(camera.url, tmp_path) as recorder:
        recorder.wait_for_data()
        while sum(1 for _ in recorder.frames()) < 30:
            assert recorder.running
    seen = judge(scene, decoded(recorder.path))
    assert len(seen.leaks) == len(seen.numbers) >= 30 and seen.received == seen.sent == len(seen.numbers) - 1


def test_the_judge_tells_a_masked_picture_from_a_damaged_one(tmp_path: Path) -> None:
    scene = Scene(face_scene(tmp_path, SIZE).clip, SIZE, [])
    assert judge(scene, [scenery(), np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)]) == Seen([None, None], [], [0])


def test_numbers_continue_when_the_clip_loops() -> None:
    assert unwrapped([98, None, 99, 1, 0, 2], 100) == [98, 99, 101, 100, 102]
    seen = Seen([50, 98, None, 99, 1, 2], [], [])
    assert (seen.sent, seen.received, seen.blanket) == (5, 5, 1)


def test_added_delays_are_those_of_the_same_pictures() -> None:
    direct = [(0, 1.0), (1, 1.04), (2, 1.08), (0, 5.0)]
    assert added_delays(direct, [(0, 1.2), (2, 1.3), (3, 1.4), (0, 5.3), (1, 9.0)]) == pytest.approx([0.2, 0.22, 0.3])
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 2.0 and percentile([1.0, 2.0], 0.95) == 2.0


def test_a_browser_shows_the_masked_camera(tmp_path: Path) -> None:
    scene = face_scene(tmp_path, (640, 360))
    with RtspCamera(scene.clip) as camera, Veilcast(camera.url, log=tmp_path / "veilcast.log", rtsp=False) as veilcast:
        veilcast.until_settled()
        shown = watch(f"http://127.0.0.1:{veilcast.web}/camera", 4.0, tmp_path / "page.png", scene)
    assert shown.presented > 20
    assert shown.seen.leaks == [] and any(number is not None for number in shown.seen.numbers)
