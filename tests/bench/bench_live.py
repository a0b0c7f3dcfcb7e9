"""`veilcast live` between a real camera and real clients, measured; each command prints a table for BENCHMARKS.md.

    python -m tests.bench.bench_live end-to-end [--seconds 60] [--size 1280x720] [--without-webrtc]
    python -m tests.bench.bench_live coverage CORPUS METER [--only NAME ...] [--passes 2]
    python -m tests.bench.bench_live delay [--seconds 60] [--look-ahead 0.2] [--size 1280x720] [--clip VIDEO]
    python -m tests.bench.bench_live two-cameras [--seconds 60]
    python -m tests.bench.bench_live browser [--seconds 30]

Needs ffmpeg, GStreamer with gst-rtsp-server, for `browser` Chromium. The exit code is 1 where a bar is missed.
CORPUS holds NAME.mp4 (mov, mkv) beside NAME.json; METER is the judge's script.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.rigs.camera.coded_clip import coded_clip
from tests.rigs.camera.rtsp_camera import RtspCamera
from tests.rigs.live.all_at_once import everybody, table
from tests.rigs.live.arrivals import added_delays, measure, percentile
from tests.rigs.live.chromium_viewer import watch
from tests.rigs.live.face_scene import face_scene
from tests.rigs.live.live_coverage import Judged, compare
from tests.rigs.live.two_cameras import two_cameras
from tests.rigs.live.veilcast_process import Veilcast

VIDEOS = (".mp4", ".mov", ".mkv")
MAX_LATE = 0.005
MAX_MORE_LEAKS = 0.002
MAX_DELAY = (0.060, 0.120)  # seconds over the look-ahead, median and 95th percentile

Options = argparse.Namespace


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def end_to_end(options: Options, folder: Path) -> bool:
    """Everybody at once on one camera."""
    scene = face_scene(folder, options.size)
    result = everybody(scene, folder, options.seconds, webrtc=not options.without_webrtc)
    for line in table(result):
        say(line)
    seen = result.seen.values()
    if options.keep:
        shutil.copytree(folder, options.keep, dirs_exist_ok=True)
    return result.told.late_share <= MAX_LATE and not any(s.leaks for s in seen)


def coverage(options: Options, folder: Path) -> bool:
    """Labelled clips behind a camera, next to the same clips as files."""
    say("| clip | face-frames | leaks live | as a file | longest live | skipped | late | settled |")
    say("| --- | --- | --- | --- | --- | --- | --- | --- |")
    live, file, complete = Judged(), Judged(), True
    for clip in sorted(path for path in options.corpus.iterdir() if path.suffix in VIDEOS):
        if options.only and clip.stem not in options.only:
            continue
        found = compare(clip, clip.with_suffix(".json"), options.meter, options.passes)
        if found.file.face_frames and not found.live.face_frames:
            say(f"| {clip.stem} | no whole pass received, {100 * found.told.late_share:.1f} % late | | |")
            complete = False
            continue
        live, file = live + found.live, file + found.file
        shown = sum(found.told.frames.values())
        say(
            f"| {clip.stem} | {found.live.face_frames} | {found.live.leaks} | {found.file.leaks}/"
            f"{found.file.face_frames} | {found.live.longest} | {found.live.skipped} | "
            f"{100 * found.told.late_share:.1f} % | {100 * found.told.frames.get('settled', 0) / max(1, shown):.0f} % |"
        )
    more = live.share - file.share
    say(
        f"| total | {live.face_frames} | {live.leaks} = {100 * live.share:.2f} % | {file.leaks}/{file.face_frames} = "
        f"{100 * file.share:.2f} % | {live.longest} | {live.skipped} | | |"
    )
    say(f"live - file: {100 * more:+.2f} percentage points")
    return complete and more <= MAX_MORE_LEAKS


def delay(options: Options, folder: Path) -> bool:
    """Two clients side by side, one on the camera, one on veilcast."""
    if options.clip is None:
        clip = face_scene(folder, options.size).clip
    else:
        clip = folder / "clip.mp4"
        coded_clip(options.clip, clip, options.size, 25)
    look_ahead: float = options.look_ahead
    log = folder / "veilcast.log"
    with (
        RtspCamera(clip) as camera,
        Veilcast(camera.url, "--look-ahead", str(look_ahead), log=log) as veilcast,
    ):
        veilcast.until(lambda told: told.frames_in > 50)
        before, begun = veilcast.told(), time.monotonic()
        spent = cpu_seconds(veilcast.pid)
        direct, through, again = measure([camera.url, veilcast.url(), camera.url], options.seconds)
        told, took = veilcast.told().since(before), time.monotonic() - begun
        spent = cpu_seconds(veilcast.pid) - spent
    delays, itself = added_delays(direct, through), added_delays(direct, again)
    p50, p95 = percentile(delays, 0.5), percentile(delays, 0.95)
    say("| look-ahead | pictures | p50 | p95 | of it in the engine, p50 | late | CPU | a second direct client |")
    say("| --- | --- | --- | --- | --- | --- | --- | --- |")
    say(
        f"| {1000 * look_ahead:.0f} ms | {len(delays)} | {1000 * p50:.0f} ms | {1000 * p95:.0f} ms | "
        f"{1000 * told.delay[0]:.0f} ms | {100 * told.late_share:.1f} % | {spent / took:.2f} cores | "
        f"{1000 * percentile(itself, 0.5) if itself else 0:.0f} ms |"
    )
    return p50 <= look_ahead + MAX_DELAY[0] and p95 <= look_ahead + MAX_DELAY[1]


def both_cameras(options: Options, folder: Path) -> bool:
    """Two streams in one process."""
    found = two_cameras(folder, options.seconds, options.size)
    say("| stream | pictures in | late or skipped | settled | held | blanket | received of sent | showing a face |")
    say("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, (told, seen) in found.items():
        covers = " | ".join(str(told.frames.get(cover, 0)) for cover in ("settled", "held", "blanket"))
        late = f"{told.late + told.skipped} = {100 * told.late_share:.2f} %"
        say(f"| {name} | {told.frames_in} | {late} | {covers} | {seen.received}/{seen.sent} | {len(seen.leaks)} |")
    return all(told.late_share <= MAX_LATE and not seen.leaks for told, seen in found.values())


def browser(options: Options, folder: Path) -> bool:
    """Chromium on the preview page, at 640x360: it decodes in software, on the same cores."""
    scene = face_scene(folder, (640, 360))
    with RtspCamera(scene.clip) as camera, Veilcast(camera.url, log=folder / "veilcast.log") as veilcast:
        veilcast.until_settled()
        before = veilcast.told()
        shown = watch(f"http://127.0.0.1:{veilcast.web}/camera", options.seconds, folder / "page.png", scene)
        told = veilcast.told().since(before)
    if options.keep:
        shutil.copytree(folder, options.keep, dirs_exist_ok=True)
    say("| seconds | pictures in | late | shown by Chromium | looked at | showing a face |")
    say("| --- | --- | --- | --- | --- | --- |")
    say(
        f"| {options.seconds:.0f} | {told.frames_in} | {100 * told.late_share:.2f} % | {shown.presented} | "
        f"{len(shown.seen.numbers)} | {len(shown.seen.leaks)} |"
    )
    return shown.presented > 0 and not shown.seen.leaks


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _size(text: str) -> tuple[int, int]:
    wide, _, high = text.partition("x")
    return int(wide), int(high)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, work, seconds in _commands():
        command = commands.add_parser(name, description=work.__doc__)
        command.set_defaults(work=work)
        if seconds:
            command.add_argument("--seconds", type=float, default=seconds)
        if name in ("end-to-end", "delay", "two-cameras"):
            command.add_argument("--size", type=_size, default=(1280, 720), metavar="WxH")
        if name in ("end-to-end", "browser"):
            command.add_argument("--keep", type=Path, metavar="DIRECTORY", help="leave what was received there")
        match name:
            case "end-to-end":
                command.add_argument("--without-webrtc", action="store_true")
            case "coverage":
                command.add_argument("corpus", type=Path)
                command.add_argument("meter", type=Path)
                command.add_argument("--only", nargs="*", default=[])
                command.add_argument("--passes", type=int, default=1)
            case "delay":
                command.add_argument("--look-ahead", type=float, default=0.2)
                command.add_argument("--clip", type=Path, help="a video of your own instead of the made one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-live-") as folder:
        met: bool = options.work(options, Path(folder))
    say("" if met else "(a bar is missed)")
    return 0 if met else 1


def _commands() -> Iterator[tuple[str, Callable[[Options, Path], bool], float]]:
    yield "end-to-end", end_to_end, 60.0
    yield "coverage", coverage, 0.0
    yield "delay", delay, 60.0
    yield "two-cameras", both_cameras, 60.0
    yield "browser", browser, 30.0


if __name__ == "__main__":
    raise SystemExit(main())
