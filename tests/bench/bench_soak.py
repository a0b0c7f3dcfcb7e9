"""A long run at 720p25 with random faults: does anything grow, and was a raw face ever published?

    python -m tests.bench.bench_soak [--minutes 20] [--seed 1] [--every 5] [--clip hd] [--keep FOLDER]

Prints a line a sample, then medians of the first and the last quarter and the maximum, as a table. RSS, threads and
descriptors are those of the `veilcast live` process; the delay is what its /metrics say.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from core.owned_thread import OwnedThread
from tests.bench.bench_faults import footage_of, say
from tests.rigs.faults.faults import FAULTS, Injection, inject, outcomes
from tests.rigs.faults.judge import Judge
from tests.rigs.faults.live_process import LiveProcess
from tests.rigs.faults.rig import Options, Rig

WARM_UP = 30.0  # seconds in which every part allocates what it needs


@dataclass(frozen=True)
class Sample:
    """How the process is at one moment: MB, counts, seconds."""

    at: float
    rss: float
    threads: int
    fds: int
    p50: float
    p95: float


class Sampler:
    """Looks every so many seconds, in a thread, until closed."""

    def __init__(self, live: LiveProcess, every: float) -> None:
        self.samples: list[Sample] = []
        self.blind = 0
        """Looks at /metrics that got no answer in time."""
        self._live, self._every, self._begun = live, every, time.monotonic()
        self._thread = OwnedThread("veilcast-test-sampler", self._run)
        self._thread.start()

    def close(self) -> None:
        self._thread.close(30)
        if self._thread.error is not None:
            raise self._thread.error

    def _run(self) -> None:
        while not self._thread.stopping.wait(self._every):
            load = self._live.load()
            try:
                metrics = self._live.metrics()
            except OSError:
                self.blind += 1
                continue
            delays = [metrics[f"delay_seconds{{{quantile}}}"] for quantile in ("0.5", "0.95")]
            sample = Sample(time.monotonic() - self._begun, load.rss, load.threads, load.fds, *delays)
            self.samples.append(sample)
            say(
                f"{sample.at:7.1f} s {sample.rss:7.1f} MB {sample.threads:3d} threads {sample.fds:3d} fds "
                f"{1000 * sample.p50:5.0f} / {1000 * sample.p95:5.0f} ms"
            )


def table(samples: Sequence[Sample]) -> list[str]:
    """Medians of the first and the last quarter, and the maximum."""
    quarter = max(1, len(samples) // 4)
    lines = ["| | first quarter | last quarter | maximum |", "| --- | --- | --- | --- |"]
    columns = {
        "RSS, MB": [s.rss for s in samples],
        "threads": [float(s.threads) for s in samples],
        "file descriptors": [float(s.fds) for s in samples],
        "delay p50, ms": [1000 * s.p50 for s in samples],
        "delay p95, ms": [1000 * s.p95 for s in samples],
    }
    for name, values in columns.items():
        first, last = median(values[:quarter]), median(values[-quarter:])
        lines.append(f"| {name} | {first:.0f} | {last:.0f} | {max(values):.0f} |")
    return lines


def main() -> None:
    """Run, then print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--calm", type=float, default=8.0, help="seconds between two faults, at most")
    parser.add_argument("--clip", default="hd", help="`hd`, or a video with labels")
    parser.add_argument("--keep", type=Path, help="where recording, log and leaking pictures are left")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    injections: list[Injection] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        footage = footage_of(options.clip, folder)
        with Rig(footage, folder, Options(injected=True, sinks=True, disk_mb=64)) as rig:
            time.sleep(WARM_UP)
            sampler = Sampler(rig.live, options.every)
            try:
                end = time.monotonic() + 60 * options.minutes
                while time.monotonic() < end:
                    fault = chance.choice(list(FAULTS.values()))
                    injections.append(inject(rig, fault, chance.uniform(*fault.lasts)))
                    time.sleep(chance.uniform(1, options.calm))
                connected = rig.recorder.running
            finally:
                sampler.close()
                (folder / "said.txt").write_text("\n".join(list(rig.live.said)))
        judged = Judge(footage.originals, folder / "leaks").judge(rig.recorder.frames())
        say("\n".join(["", *table(sampler.samples), ""]))
        counts = Counter(injection.fault.name for injection in injections)
        say(f"{len(injections)} faults in {options.minutes:g} min: {dict(sorted(counts.items()))}")
        found = outcomes(injections, judged, footage.count).values()
        recoveries = [seconds for outcome in found for seconds in outcome.recoveries]
        raw = len({leak.index for leak in judged.leaks})
        say(
            f"client: {len(judged.shown)} pictures, {'connected' if connected else 'NOT CONNECTED'} to the end; "
            f"{judged.compared} faces compared, {raw} raw; "
            f"recovery median {median(recoveries):.2f}, max {max(recoveries):.2f} s; {sampler.blind} looks unanswered"
        )
    sys.exit(1 if raw else 0)


if __name__ == "__main__":
    main()
