"""A cluster in which everything goes wrong once: no job is lost, done twice, half done or left behind.

    python -m tests.bench.bench_cluster_faults [--rounds 2] [--jobs 10] [--only NAME ...] [--seed N]

Needs PostgreSQL, redis-server and, for clocks, libfaketime. Prints a line for each round and a table at the end.
Exits with 1 if anything was not as it must be.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.rigs.cluster.fault_cluster import FaultCluster
from tests.rigs.cluster.fault_rig import FaultRig, RoundReport
from tests.rigs.cluster.faults import FAULTS


def main() -> int:
    """Hurt and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="of each fault")
    parser.add_argument("--jobs", type=int, default=10, help="a round")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=tuple(FAULTS), default=tuple(FAULTS), metavar="NAME")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    reports = list[RoundReport]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with FaultCluster(folder, workers=options.workers) as cluster:
            rig = FaultRig(cluster, folder, options.jobs, options.seed)
            rig.round("nothing", 0)
            for number in range(options.rounds):
                for fault in options.only:
                    reports.append(rig.round(fault, number))
                    sys.stdout.write(f"{line(reports[-1:])}\n")
                    sys.stdout.flush()
                    if reports[-1].faults:
                        show(folder, reports[-1])
    sys.stdout.write(f"\nseed {options.seed}\n{HEAD}\n")
    for fault in options.only:
        sys.stdout.write(f"{line([report for report in reports if report.fault == fault])}\n")
    return 1 if any(report.faults for report in reports) else 0


HEAD = "| fault | rounds | jobs | open when it came | faults found | longest, s | files of nobody |"


def line(reports: list[RoundReport]) -> str:
    """Of one fault: sums, and the longest time from the fault to the end of the last job."""
    if not reports:
        return ""
    jobs, still = sum(each.jobs for each in reports), sum(each.open for each in reports)
    faults, orphans = sum(len(each.faults) for each in reports), sum(each.orphans for each in reports)
    longest = max(each.seconds for each in reports)
    return f"| {reports[0].fault} | {len(reports)} | {jobs} | {still} | {faults} | {longest:.1f} | {orphans} |"


def show(folder: Path, report: RoundReport) -> None:
    """What was wrong, and what the nodes said last."""
    sys.stdout.write("\n".join(("---", *report.faults, "")))
    for path in sorted(folder.glob("*.log")):
        sys.stdout.write(f"--- {path.name}\n{path.read_text('utf-8', 'replace')[-2500:]}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
