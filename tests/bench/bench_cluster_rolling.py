"""A cluster behind nginx goes from this version to the next, node by node, while clients send videos and pictures.

    python -m tests.bench.bench_cluster_rolling [--rounds 3] [--jobs 10] [--clients 4]

Needs PostgreSQL, redis-server and nginx. The next version has a table, a column and an option that this one does not
know. Jobs are sent without a pause. Exits with 1 if a request was refused or not answered, or a job lost, done twice
or done in another way.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.bench.bench_cluster_faults import HEAD, line
from tests.rigs.cluster.fault_cluster import FaultCluster
from tests.rigs.cluster.fault_rig import FaultRig, RoundReport


def main() -> int:
    """Change and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=10, help="at least, a round")
    parser.add_argument("--clients", type=int, default=4, help="who send them")
    options = parser.parse_args()
    reports = list[RoundReport]()
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as name, FaultCluster(Path(name), front=True) as cluster:
            rig = FaultRig(cluster, Path(name), options.jobs, number, options.clients)
            rig.round("nothing", 0)
            reports.append(rig.round("rolling change", number))
        sys.stdout.write("".join(f"{fault}\n" for fault in reports[-1].faults))
    sys.stdout.write(f"{HEAD}\n{line(reports)}\n")
    return 1 if any(report.faults for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
