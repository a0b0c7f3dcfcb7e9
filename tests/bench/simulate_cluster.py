"""How many cores a day's pictures and videos need, what each part carries, and where it breaks first.

    python -m tests.bench.simulate_cluster                                  # the loads of docs/scaling.md
    python -m tests.bench.simulate_cluster --pictures 5000 --hours 40 --workers 12
    python -m tests.bench.simulate_cluster --run --pictures 300 --minutes 20 --workers 2
    python -m tests.bench.simulate_cluster --measure CLIP.mp4

Discrete events from measured times (`cluster_times.json`, which `--measure` writes). `--run` is what `bench_cluster`
really does: everything is sent at once. Prints throughput and queue times.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from tests.rigs.cluster.day import PEAK, DayLoad, DayReport, simulate_day, smallest
from tests.rigs.cluster.measuring import measure
from tests.rigs.cluster.model import Cluster, Outcome, Pictures, Shape, Videos, percentile
from tests.rigs.cluster.times import FILE, Times

LOADS = (DayLoad(1_000), DayLoad(10_000), DayLoad(100_000), DayLoad(0, 1_000.0), DayLoad(100_000, 1_000.0))
SOON = 300.0  # s until 95 of 100 videos have begun


def main() -> int:
    """Simulate, or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=0, help="a day, or with --run at once")
    parser.add_argument("--hours", type=float, default=0.0, help="of video a day")
    parser.add_argument("--minutes", type=float, default=0.0, help="with --run: of video")
    parser.add_argument(
        "--videos", type=int, default=1, help="with --run: into how many videos the minutes are divided"
    )
    parser.add_argument("--clients", type=int, default=4, help="with --run: who send pictures, one after the other")
    parser.add_argument("--gateways", type=int, default=1)
    parser.add_argument("--picture-processes", type=int, default=1, help="of each gateway")
    parser.add_argument("--workers", type=int, default=0, help="0: find out how many are needed")
    parser.add_argument("--ranges", action="store_true", help="as if workers fetched only what a unit needs")
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--measure", type=Path, metavar="CLIP")
    parser.add_argument("--times", type=Path, default=FILE)
    options = parser.parse_args()
    if options.measure is not None:
        measure(options.measure, Times.from_file(options.times)).to_file(
            f"{options.measure.name}, CPU seconds", options.times
        )
        sys.stdout.write(options.times.read_text("utf-8"))
        return 0
    times = Times.from_file(options.times)
    if options.run:
        say_run(predict(times, options), options.minutes)
        return 0
    if options.pictures or options.hours:
        load = DayLoad(options.pictures, options.hours)
        if options.workers:
            shape = Shape(options.gateways, options.picture_processes, workers=options.workers, ranges=options.ranges)
            say(times, "as said", simulate_day(times, load, shape))
        else:
            say(times, "soon", smallest(times, load, SOON, options.ranges))
        return 0
    for load in LOADS:
        say(times, "soon", smallest(times, load, SOON, options.ranges))
        if load.hours:
            say(times, "by the next morning", smallest(times, load, None, options.ranges))
    return 0


def predict(times: Times, options: argparse.Namespace) -> Outcome:
    """All at once, as `bench_cluster` sends it: a core for each worker, and all the rest on the first one's."""
    shape = Shape(1, 1, workers=options.workers or 1, spill=False, shared=True)
    videos = Videos(np.zeros(options.videos), np.full(options.videos, options.minutes * 60 / options.videos))
    pictures = Pictures(np.zeros(0), clients=options.clients, count=options.pictures)
    return Cluster(times, shape).run(videos if options.minutes else None, pictures)


def say_run(outcome: Outcome, minutes: float) -> None:
    """What came of it, as `bench_cluster` says it, too."""
    lines = [f"all done after {outcome.end:.1f} s, {outcome.steps} steps, {outcome.units} units"]
    if outcome.picture_times:
        rate = len(outcome.picture_times) / outcome.end
        middle, late = (percentile(outcome.picture_times, share) for share in (50, 95))
        lines.append(f"pictures: {rate:.2f} a second, answered in {middle:.2f} s (95 %: {late:.2f} s)")
    if minutes:
        waited, late = (percentile(outcome.step_waits, share) for share in (50, 95))
        lines.append(
            f"video: {minutes * 60 / outcome.end:.2f} s a second, steps wait {waited:.1f} s (95 %: {late:.1f} s)"
        )
    sys.stdout.write("\n".join(lines) + "\n")


def say(times: Times, hurry: str, report: DayReport) -> None:
    """One day."""
    shape, outcome, carried = report.shape, report.outcome, report.carried
    lines = [f"== {report.load.pictures} pictures, {report.load.hours:g} h of video a day ({hurry})"]
    videos = f", workers {shape.workers * shape.concurrency} cores" if report.load.hours else ""
    lines.append(f"gateways {shape.gateways} with {shape.picture_processes} picture processes each{videos}")
    if outcome.picture_times:
        shares = [percentile(outcome.picture_times, share) for share in (50, 95, 99)]
        lines.append("pictures answered in {:.2f} s, 95 %: {:.2f} s, 99 %: {:.2f} s".format(*shares))
    if outcome.job_times:
        waits = [percentile(outcome.job_waits, share) / 60 for share in (50, 95)]
        whole = [percentile(outcome.job_times, share) / 60 for share in (50, 95)]
        lines.append("videos begin after {:.1f} min, 95 %: {:.1f} min".format(*waits))
        lines.append("and are done after {:.1f} min, 95 %: {:.1f} min".format(*whole))
        used = outcome.worker_seconds / (max(outcome.end, 86_400.0) * shape.workers * shape.concurrency)
        lines.append(f"{outcome.units} units; workers are busy {100 * used:.0f} % of the time")
    lines.append(f"busiest hour ({PEAK:.1f} times the average), a second:")
    lines.append(
        f"  PostgreSQL {carried.writes:.1f} writes and {carried.reads:.1f} reads, Redis {carried.commands:.1f} commands"
    )
    lines.append(f"  S3 {carried.mb_in:.1f} MB in and {carried.mb_out:.1f} MB out")
    lines.append(f"  gateways {carried.gateway_cores:.2f} cores besides masking")
    rooms = ", ".join(f"{name} {room:.3g}x" for name, room in report.rooms(times).items() if room < 1e6)
    lines.append(f"room: {rooms}")
    sys.stdout.write("\n".join(lines) + "\n\n")


if __name__ == "__main__":
    sys.exit(main())
