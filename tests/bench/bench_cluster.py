"""A small cluster that really runs, and what the simulation says of it.

    python -m tests.bench.bench_cluster CLIP.mp4 [--pictures 300] [--minutes 20] [--videos 4] [--workers 1 2]

PostgreSQL, Redis, S3 and a gateway share the first core with the first worker; every further worker has one of its own.
The clip, repeated, is the video, its frames are the pictures. Prints throughput and queue times, measured and
simulated, and exits with 1 if they are more than 15 % apart. The machine must do nothing else. Service times are
measured first (`--times FILE`: taken from there).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.rigs.cluster.measuring import frames, measure, repeated
from tests.rigs.cluster.model import Cluster, Outcome, Pictures, Shape, Videos
from tests.rigs.cluster.small_cluster import Ran, small_cluster
from tests.rigs.cluster.times import Times

APART = 0.15


def main() -> int:
    """Measure, simulate, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--times", type=Path)
    options = parser.parse_args()
    times = Times.from_file(options.times) if options.times else measure(options.clip, Times.from_file())
    ends, fine = dict[int, float](), True
    with tempfile.TemporaryDirectory() as name:
        folder, seconds = Path(name), options.minutes * 60 / options.videos
        whole = repeated(options.clip, folder / "video.mp4", round(seconds))
        videos = [folder / f"video-{number}.mp4" for number in range(options.videos)]
        for number, video in enumerate(videos):  # each a file of its own: the same one would be done once
            video.write_bytes(whole.read_bytes() + bytes([number]))
        found = frames(whole, 50)
        pictures = [found[number % 50] + number.to_bytes(4, "big") for number in range(options.pictures)]
        for workers in options.workers:
            with small_cluster(folder / f"of-{workers}", workers) as cluster:
                here = cluster.calibrated(options.clip, folder / f"of-{workers}", times)
                say(f"== {workers} workers; {here}")
                ran = cluster.run(videos, pictures, options.clients)
            ends[workers] = ran.seconds
            megabytes = whole.stat().st_size / 1e6
            load = Videos(np.zeros(len(videos)), np.full(len(videos), seconds), megabytes / seconds)
            sent = Pictures(np.zeros(0), clients=options.clients, count=options.pictures)
            shape = Shape(1, 1, workers=workers, spill=False, shared=True)
            fine = compare(ran, Cluster(here, shape).run(load, sent), options.minutes) and fine
    first = min(ends)
    for workers, seconds in ends.items():
        say(f"{workers} workers: {seconds:.0f} s, {ends[first] / seconds:.2f} times as fast as {first}")
    return 0 if fine else 1


def compare(ran: Ran, simulated: Outcome, minutes: float) -> bool:
    """Whether what was measured is what the simulation says."""
    pairs = {
        "all done after, s": (ran.seconds, simulated.end),
        "video seconds a second": (minutes * 60 / ran.seconds, minutes * 60 / simulated.end),
        "jobs wait, s": (statistics.mean(ran.waits), statistics.mean(simulated.job_waits)),
        "jobs done after, s": (statistics.mean(ran.times), statistics.mean(simulated.job_times)),
    }
    if ran.pictures:
        pairs["pictures answered after, s"] = statistics.mean(ran.pictures), statistics.mean(simulated.picture_times)
    fine = True
    for name, (measured, said) in pairs.items():
        apart = said / measured - 1
        fine = fine and abs(apart) <= APART
        say(f"{name}: {measured:.2f}, simulated {said:.2f} ({apart:+.1%})")
    return fine


def say(text: str) -> None:
    """A line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
