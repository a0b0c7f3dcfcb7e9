"""The service, killed again and again while it works: nothing is lost, done twice, half done or left behind.

    python -m tests.bench.bench_service_kill [--kills 50] [--videos 30] [--pictures 300] [--seed N]

Prints what was seen. Exits with 1 if anything was not as it must be.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.rigs.service.kill_rig import KillPlan, KillReport, KillRig


def main() -> int:
    """Kill and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--videos", type=int, default=30)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = KillRig(Path(folder), KillPlan(options.kills, options.videos, options.pictures, options.seed)).run()
        if report.faults:
            sys.stdout.write(f"--- the service's log\n{Path(folder, 'serve.log').read_text()[-8000:]}\n---\n")
    sys.stdout.write(f"seed {options.seed}\n{table(report)}\n")
    return 1 if report.faults else 0


def table(report: KillReport) -> str:
    """The report, line by line."""
    lines = [
        ("killed", f"{report.kills} times, {report.while_starting} of them while it started"),
        ("videos done", f"{report.jobs}; uploads resumed {report.resumed} times, {report.unclaimed} answers lost"),
        ("pictures answered", f"{report.pictures}; {report.audit_pictures} in the audit log"),
        ("answers by status", ", ".join(f"{status}: {count}" for status, count in report.statuses.items())),
        ("slowest start", f"{report.slowest_start:.1f} s"),
        ("time", f"{report.seconds:.0f} s"),
        ("faults", "\n".join(("", *report.faults)) if report.faults else "none"),
    ]
    return "\n".join(f"{name:<18} {value}" for name, value in lines)


if __name__ == "__main__":
    sys.exit(main())
