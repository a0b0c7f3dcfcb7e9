"""`veilcast live` as a user meets it: what it refuses and how, what it says, how it stops."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from core.config import SampleConfig, TrackConfig
from core.frame import Cover
from streamer.cli import live as command
from streamer.cli.live_options import add_live_parser, live_settings
from streamer.cli.main import main
from streamer.errors import ConfigError
from streamer.settings.live import LiveConfig, LiveSettings
from streamer.settings.loading import load, presets
from tests.rigs.faces import carphone
from tests.rigs.faces import write as write_clip

COMMAND = (sys.executable, "-m", "streamer.cli.entry", "live")
WAIT = 60.0
Capture = pytest.CaptureFixture[str]


def settings_of(arguments: list[str], environment: dict[str, str] | None = None) -> LiveSettings:
    parsed = command.__dict__["argparse"].ArgumentParser()
    commands = parsed.add_subparsers()
    add_live_parser(commands)
    return live_settings(parsed.parse_args(["live", *arguments]), environment or {})


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_the_command_line_goes_on_top_of_the_file(tmp_path: Path) -> None:
    text = "mask: {style: solid}\nlive: {look_ahead: 0.5, rtsp: '8554', source: {loop: true}}"
    config = write(tmp_path / "c.yaml", text)
    settings = settings_of(
        ["rtsp://u:p@cam/1", "--config", config, "--look-ahead", "0.3", "--push", "rtsp://nvr/x", "--transport", "tcp"],
        {"VEILCAST_TOKEN": "a long token", "VEILCAST_RTSP_USER": "me", "VEILCAST_RTSP_PASSWORD": "secret"},
    )
    live = settings.live
    assert (live.look_ahead, live.rtsp, live.source.loop, live.source.transport) == (0.3, "8554", True, "tcp")
    (stream,) = live.streams
    assert stream.name == "camera" and stream.source.get_secret_value() == "rtsp://u:p@cam/1"
    assert [url.get_secret_value() for url in stream.push] == ["rtsp://nvr/x"]
    assert live.web.token is not None and live.rtsp_access.user == "me"
    engine = settings.engine(stream)
    assert engine.timeline.look_ahead == 0.3 and engine.mask.style == "solid"
    assert engine.sample.min_interval == live.min_interval < SampleConfig().min_interval
    assert engine.track.hold == live.hold > TrackConfig().hold
    assert "secret" not in repr(settings) and "u:p" not in repr(settings) and "long token" not in repr(settings)


def test_streams_have_masks_and_zones_of_their_own(tmp_path: Path) -> None:
    config = write(
        tmp_path / "c.yaml",
        """
zones: [{points: [[0, 0], [1, 0], [1, 1]]}]
live:
  webrtc: "8080"
  streams:
    - {name: door, source: rtsp://a/1, mask: {style: mosaic}, zones: []}
    - {name: yard, source: rtsp://b/1}
""",
    )
    settings = settings_of(["--config", config])
    door, yard = (settings.engine(stream) for stream in settings.live.streams)
    assert door.mask.style == "mosaic" and door.zones == ()
    assert yard.mask.style == "veil" and len(yard.zones) == 1


@pytest.mark.parametrize(
    ("text", "interval", "hold"),
    [
        ("{}", LiveConfig().min_interval, LiveConfig().hold),
        ("sample: {max_interval: 0.3}", LiveConfig().min_interval, LiveConfig().hold),
        ("sample: {min_interval: 0.1}", 0.1, LiveConfig().hold),
        ("track: {hold: 0.2}", LiveConfig().min_interval, 0.2),
        ("sample: {min_interval: 0.12}\ntrack: {hold: 0.28}", 0.12, 0.28),
        ("live: {min_interval: 0.02, hold: 0.5}", 0.02, 0.5),
        ("sample: {min_interval: 0.1}\ntrack: {hold: 0.6}\nlive: {min_interval: 0.06, hold: 0.36}", 0.06, 0.36),
        ("sample: {min_interval: 0.1}\nlive: {look_ahead: 0.3}", 0.1, LiveConfig().hold),
    ],
)
def test_what_is_written_beats_a_default_of_live_streams(
    text: str, interval: float, hold: float, tmp_path: Path
) -> None:
    arguments = ["x.mp4", "--rtsp", "8554", "--loop", "--config", write(tmp_path / "c.yaml", text)]
    settings = settings_of(arguments)
    engine = settings.engine(settings.live.streams[0])
    assert (engine.sample.min_interval, engine.track.hold) == (interval, hold)


@pytest.mark.parametrize("preset", presets())
def test_a_preset_counts_for_live_streams(preset: str) -> None:
    wanted = load(preset)
    settings = settings_of(["x.mp4", "--rtsp", "8554", "--config", preset])
    engine = settings.engine(settings.live.streams[0])
    assert engine.detect == wanted.detect
    written = "min_interval" in wanted.sample.model_fields_set
    interval = wanted.sample.min_interval if written else LiveConfig().min_interval
    assert engine.sample == wanted.sample.model_copy(update={"min_interval": interval})
    assert engine.track.hold == (wanted.track.hold if "hold" in wanted.track.model_fields_set else LiveConfig().hold)


@pytest.mark.parametrize(
    ("rtsp", "name", "expected"), [("0.0.0.0:8554/door", None, "door"), ("8554", None, "camera"), ("1/a", "b", "b")]
)
def test_name(rtsp: str, name: str | None, expected: str) -> None:
    arguments = ["f.mp4", "--rtsp", rtsp, *(["--name", name] if name else [])]
    assert settings_of(arguments).live.streams[0].name == expected


TWICE = "live: {rtsp: '1', streams: [{name: a, source: x}, {name: a, source: y}]}"


@pytest.mark.parametrize(
    ("arguments", "yaml", "says"),
    [
        ([], None, "no source"),
        (["rtsp://cam/1"], None, "published nowhere"),
        (["rtsp://cam/1", "--rtsp", "nonsense:port"], None, "not an address to listen on"),
        (["rtsp://cam/1", "--rtsp", "1:99999"], None, "there is no port 99999"),
        (["rtsp://cam/1", "--rtsp", "8554", "--name", "a/b"], None, "cannot be a name"),
        (["rtsp://cam/1", "--rtsp", "8554", "--push", "http://nvr/x"], None, "rtsp://"),
        (["gopher://cam/1", "--rtsp", "0"], None, "gopher"),
        (["no-such-file.mp4", "--rtsp", "0"], None, "no-such-file.mp4"),
        (["--push", "rtsp://nvr/x"], None, "go with a source"),
        ([], TWICE, "two are called a"),
        (["x.mp4"], "live: {rtsp: '1', streams: [{name: a, source: x}]}", "not both"),
        (["x.mp4", "--rtsp", "1"], "live: {look_behind: 1}", "look_behind"),
        (["x.mp4", "--rtsp", "1"], "live: {rtsp_access: {user: me}}", "user and password come together"),
        (["x.mp4", "--rtsp", "1"], "timeline: {max_mask_age: 0.2}", "write live.max_mask_age"),
        (["x.mp4", "--record", "/proc/nothing/here"], None, "recordings cannot be written there"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_refused_in_one_line(
    arguments: list[str], yaml: str | None, says: str, tmp_path: Path, capsys: Capture
) -> None:
    if yaml is not None:
        arguments = [*arguments, "--config", write(tmp_path / "c.yaml", yaml)]
    assert main(["live", *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("time=")]
    assert len(lines) == 1 and says in lines[0] and lines[0].startswith("veilcast: ")


@pytest.mark.parametrize("option", [["--look-ahead", "-1"], ["--look-ahead", "x"], ["--duration", "0"]])
def test_impossible_numbers(option: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["live", "x", *option])
    assert stop.value.code == 2 and "is not a number from" in capsys.readouterr().err


def test_passwords_in_a_bad_file_are_not_repeated(tmp_path: Path) -> None:
    config = write(tmp_path / "c.yaml", "live: {streams: [{name: 'a b', source: 'rtsp://u:topsecret@cam/1'}]}")
    with pytest.raises(ConfigError) as error:
        settings_of(["--config", config])
    assert "topsecret" not in str(error.value)


def test_passwords_in_a_file_that_is_no_yaml_are_not_repeated(tmp_path: Path, capsys: Capture) -> None:
    config = write(tmp_path / "c.yaml", "live:\n  streams:\n   - source: rtsp://u:topsecret@cam: [\n")
    assert main(["live", "--config", config]) == 2
    said = capsys.readouterr().err
    assert "is not YAML" in said and "line 3" in said and "topsecret" not in said


@pytest.mark.parametrize(
    "extra", [["rtsp://u:topsecret@b"], ["--transport", "u:topsecret@x"], ["--nonsense=rtsp://u:topsecret@c"]]
)
def test_passwords_on_a_wrong_command_line_are_not_repeated(extra: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["live", "rtsp://a", *extra])
    assert stop.value.code == 2 and "topsecret" not in capsys.readouterr().err


def test_the_process_list_never_shows_a_password_for_long() -> None:
    """Before all that takes time to import."""
    with running("rtsp://u:topsecret@127.0.0.1:9/x", "--rtsp", "0") as job:
        deadline = time.monotonic() + WAIT
        title = Path(f"/proc/{job.pid}/cmdline")
        while b"***" not in title.read_bytes():
            assert time.monotonic() < deadline
        assert b"topsecret" not in title.read_bytes()
        loaded = Path(f"/proc/{job.pid}/maps").read_text()
        assert "libavcodec" not in loaded and "onnxruntime" not in loaded


def test_a_stream_s_folder_that_is_a_link_is_refused(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "camera").symlink_to("/tmp")
    assert main(["live", "x.mp4", "--record", str(tmp_path)]) == 2
    assert f"{tmp_path}/camera: it is a symbolic link" in capsys.readouterr().err


def test_a_port_that_is_taken(tmp_path: Path, capsys: Capture) -> None:
    clip = write_clip(tmp_path / "in.mp4", carphone().pictures[:10])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["live", str(clip), "--rtsp", str(port)]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("live") / "in.mp4", carphone().pictures[:60])


@contextlib.contextmanager
def running(*arguments: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    job = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
    try:
        yield job
    finally:
        job.kill()
        job.communicate()


def read_until(job: subprocess.Popen[str], pattern: str) -> tuple[list[str], re.Match[str]]:
    assert job.stderr is not None
    lines: list[str] = []
    for line in job.stderr:
        lines.append(line)
        if found := re.search(pattern, line):
            return lines, found
    raise AssertionError("".join(lines))


@pytest.mark.slow
def test_a_file_is_played_to_its_end_and_recorded_whole(clip: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, str(clip), "--record", str(tmp_path), "--name", "a"],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (recording,) = (tmp_path / "a").iterdir()
    with av.open(str(recording)) as container:
        assert 55 <= sum(1 for _ in container.decode(video=0)) <= 60
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_it(kind: signal.Signals, clip: Path, tmp_path: Path) -> None:
    with running(str(clip), "--loop", "--rtsp", "0/x", "--webrtc", "0", "--record", str(tmp_path)) as job:
        read_until(job, "segment started")
        asked = time.monotonic()
        job.send_signal(kind)
        _, said = job.communicate(timeout=WAIT)
        assert job.returncode == 0 and time.monotonic() - asked < 5.5
        assert "stopping" in said and "Traceback" not in said and "did not stop" not in said
    (recording,) = (tmp_path / "x").iterdir()
    with av.open(str(recording)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 0


@pytest.mark.slow
def test_a_second_interrupt_ends_it_at_once(clip: Path, tmp_path: Path) -> None:
    for attempt in range(5):  # on a busy machine the first interrupt may be done with before the second comes
        if interrupted_twice(clip, tmp_path / str(attempt)):
            return
    pytest.fail("a second interrupt never made a difference")


def interrupted_twice(clip: Path, folder: Path) -> bool:
    """Whether the second one came in time."""
    with running(str(clip), "--loop", "--rtsp", "0/x", "--webrtc", "0", "--record", str(folder)) as job:
        read_until(job, "segment started")
        asked = time.monotonic()
        job.send_signal(signal.SIGINT)
        read_until(job, "stopping")
        job.send_signal(signal.SIGINT)
        _, said = job.communicate(timeout=WAIT)
    assert time.monotonic() - asked < 5.5 and "Traceback" not in said
    if job.returncode == 0:
        return False
    assert job.returncode == 130
    assert said.splitlines()[-1] == "veilcast: interrupted; recordings may lack their last second"
    return True


@pytest.mark.slow
def test_sighup_reloads_masks_and_a_bad_file_changes_nothing(clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    write(config, "mask: {style: blur}")
    with running(str(clip), "--loop", "--rtsp", "0/x", "--config", str(config)) as job:
        read_until(job, "connected")
        write(config, "mask: {style: nonsense}")
        job.send_signal(signal.SIGHUP)
        read_until(job, "not reloaded.*mask.style")
        write(config, "mask: {style: solid}\nzones: [{points: [[0, 0], [1, 0], [1, 1], [0, 1]]}]")
        job.send_signal(signal.SIGHUP)
        read_until(job, "masks and zones reloaded")
        assert job.poll() is None


@pytest.mark.slow
def test_nothing_shows_the_password_and_the_page_tells_the_state(clip: Path, tmp_path: Path) -> None:
    address = "rtsp://user:topsecret@127.0.0.1:9/stream1"
    token = {"VEILCAST_TOKEN": "another-secret"}
    with running(address, "--webrtc", "0", "--push", "rtsp://me:pushsecret@127.0.0.1:9/x", env=token) as job:
        lines, found = read_until(job, r"watch (http://[^/]+)/camera")
        more, _ = read_until(job, "no pictures")
        request = urllib.request.Request(f"{found[1]}/api/streams", headers={"Authorization": "Bearer another-secret"})
        pages = []
        with urllib.request.urlopen(request, timeout=10) as answer:
            pages.append(answer.read().decode())
        for page in ("/metrics", "/"):
            with urllib.request.urlopen(found[1] + page, timeout=10) as answer:
                pages.append(answer.read().decode())
        title = Path(f"/proc/{job.pid}/cmdline").read_text()
        state = json.loads(pages[0])[0]
        job.terminate()
        _, said = job.communicate(timeout=WAIT)
    assert state["source"] == "rtsp://***@127.0.0.1:9/stream1" and state["offline_since"] is not None
    everything = "".join([*lines, *more, said, title, *pages])
    assert "secret" not in everything, "in logs, pages or the process list"
    assert Cover.BLANKET.value not in state["state"]


@pytest.mark.slow
def test_an_open_port_without_a_token_is_warned_of(clip: Path) -> None:
    with running(str(clip), "--loop", "--webrtc", "0.0.0.0:0") as job:
        read_until(job, "warning.*anyone who can reach.*live.web.token")
    with running(str(clip), "--loop", "--webrtc", "0.0.0.0:0", env={"VEILCAST_TOKEN": "a-secret-word"}) as job:
        lines, _ = read_until(job, "connected")
        assert not any("anyone who can reach" in line for line in lines)
