"""Masked copies against plain transcodes: frames a second, CPU time, peak memory; alternating runs, medians.

    python -m tests.bench.bench_speed CLIP [--runs 5] [--preset veryfast] [--crf 20] [--config NAME]

Every run is a process of its own, so that its CPU time and peak memory are its own. Each round begins with another way.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
from av.codec.context import ThreadType
from av.video.frame import PictureType

from core.anonymizer import Anonymizer
from streamer.file import job as file_job
from streamer.settings.loading import load

Transcode = Callable[[Path, Path, str, str], int]


def plain(clip: Path, out: Path, preset: str, crf: str, *, frame_threads: bool = True) -> int:
    """Decode and encode with PyAV, nothing in between; returns the number of frames.

    Without `frame_threads` its encoder has the threads that PyAV gives it by itself: slices.
    """
    count = 0
    with av.open(str(clip)) as source, av.open(str(out), "w") as target:
        video = source.streams.video[0]
        video.codec_context.thread_type = ThreadType.AUTO
        stream = target.add_stream("libx264", video.average_rate, {"preset": preset, "crf": crf})
        stream.width, stream.height = video.width, video.height
        stream.pix_fmt = video.pix_fmt or "yuv420p"
        if frame_threads:
            stream.codec_context.thread_type = ThreadType.FRAME
        stream.codec_context.time_base = video.time_base or stream.codec_context.time_base
        for frame in source.decode(video):
            frame.pict_type = PictureType.NONE
            target.mux(stream.encode(frame))
            count += 1
        target.mux(stream.encode(None))
    return count


def program(clip: Path, out: Path, preset: str, crf: str) -> int:
    """The ffmpeg program's transcode; its frames are counted by the others."""
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(clip), "-an", "-c:v", "libx264", "-preset", preset]
    subprocess.run([*command, "-crf", crf, str(out)], check=True, stdin=subprocess.DEVNULL)
    return 0


def masked(clip: Path, out: Path, preset: str, crf: str, config: str | None) -> dict[str, float]:
    """A masked copy; returns frames and the engine's CPU seconds by stage."""
    settings = load(config)
    encoder = settings.encoder.model_copy(update={"preset": preset, "crf": float(crf)})
    engines: list[Anonymizer] = []

    class Watched(Anonymizer):
        def __enter__(self) -> Anonymizer:
            engines.append(self)
            return super().__enter__()

    setattr(file_job, "Anonymizer", Watched)  # noqa: B010 - the job makes its own engine
    report = file_job.anonymize_file(clip, out, settings.model_copy(update={"encoder": encoder}), overwrite=True)
    stats = engines[0].stats
    return {"frames": report.frames, "samples": report.samples, **stats.cpu}


def child(way: str, options: argparse.Namespace) -> None:
    """One run; prints what it measured as JSON."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out.mp4"
        begun = time.perf_counter()
        extra: dict[str, float] = {}
        if way == "masked":
            extra = masked(options.clip, out, options.preset, options.crf, options.config)
            frames = int(extra["frames"])
        else:
            slices = partial(plain, frame_threads=False)
            transcode: Transcode = plain if way == "plain" else slices if way == "slices" else program
            frames = transcode(options.clip, out, options.preset, options.crf)
        elapsed = time.perf_counter() - begun
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = sum(usage.ru_utime + usage.ru_stime for usage in (own, children))
        result = {"frames": frames, "seconds": elapsed, "cpu": cpu, "rss_mb": own.ru_maxrss / 1000, **extra}
        sys.stdout.write(json.dumps(result) + "\n")


def main() -> None:
    """Alternate the ways, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--preset", default="veryfast")
    parser.add_argument("--crf", default="20")
    parser.add_argument("--config")
    parser.add_argument("--way", choices=("plain", "slices", "program", "masked"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        child(options.way, options)
        return
    ways = ["plain", "slices", "masked"] + (["program"] if shutil.which("ffmpeg") else [])
    results: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for turn in range(options.runs):
        first = turn % len(ways)  # what ran just before has an influence: each way follows each other in turn
        for way in ways[first:] + ways[:first]:
            command = [sys.executable, "-m", "tests.bench.bench_speed", *sys.argv[1:], "--way", way]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ)
            results[way].append(json.loads(done.stdout.splitlines()[-1]))
    frames = results["masked"][0]["frames"]
    write = sys.stdout.write
    for way in ways:
        runs = results[way]
        seconds, cpu = (statistics.median(run[key] for run in runs) for key in ("seconds", "cpu"))
        rss = max(run["rss_mb"] for run in runs)
        memory = "" if way == "program" else f"  peak {rss:.0f} MB"
        write(f"{way:8s} {frames / seconds:6.2f} fps  {1000 * cpu / frames:6.1f} CPU-ms a frame{memory}\n")
    for way in ways:
        if way != "masked":
            pairs = zip(results[way], results["masked"], strict=True)
            ratios = [a["seconds"] / b["seconds"] for a, b in pairs]
            write(f"masked / {way}: {statistics.median(ratios):.3f}  ({', '.join(f'{r:.3f}' for r in ratios)})\n")
    stages = ", ".join(
        f"{name} {1000 * statistics.median(run[name] for run in results['masked']) / frames:.1f}"
        for name in ("sample", "detect", "paint")
    )
    write(f"masked, CPU-ms a frame: {stages}; {results['masked'][0]['samples']:.0f} samples of {frames:.0f} frames\n")


if __name__ == "__main__":
    main()
