"""Damaged files for `veilcast file`, made by seeded chance from twelve good ones, and what comes of each.

    python -m tests.bench.bench_fuzz [--runs 10000] [--first 0] [--lanes 2] [--results fuzz.jsonl]
    python -m tests.bench.bench_fuzz --write 4711 broken.mp4      # the file of a run, to look at it
    python -m tests.bench.bench_fuzz --only 17 4711               # these runs alone
    python -m tests.bench.bench_fuzz --summary                    # of the results there are

Can be done in several goes: runs whose results are there already are left out. A run of a number is the same file on
every machine. Exits with 1 where any run broke a rule (tests/bench/fuzz/verdict.py); the table says which.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.bench.fuzz.mutations import MUTATIONS
from tests.bench.fuzz.runs import damaged, run_all
from tests.bench.fuzz.seeds import SEEDS, cache
from tests.bench.fuzz.verdict import FINDINGS, Result


def say(text: str) -> None:
    """A line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def load(path: Path) -> list[Result]:
    """The results so far; a line that a killed run left half written is not one."""
    results = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            results.append(Result(**json.loads(line)))
        except ValueError:
            continue
    return results


def table(results: Sequence[Result]) -> list[str]:
    """Findings by seed and by mutation, then examples of each."""
    kinds = [kind for kind in FINDINGS if any(kind in result.findings for result in results)]
    lines = [f"| | runs | bad | {' | '.join(kinds)} |", f"| --- | --- | --- |{' --- |' * len(kinds)}"]
    rows = [("**all**", list(results))]
    rows += [(seed.name, [r for r in results if r.seed == seed.name]) for seed in SEEDS]
    rows += [(f"*{name}*", [r for r in results if r.mutation == name]) for name in MUTATIONS]
    for name, group in rows:
        counts = [sum(kind in result.findings for result in group) for kind in kinds]
        bad = sum(bool(result.findings) for result in group)
        lines.append(f"| {name} | {len(group)} | {bad} | {' | '.join(map(str, counts))} |")
    codes = Counter(str(result.code) for result in results)
    lines += ["", "exit codes: " + ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))]
    notes = Counter(note for result in results for note in result.notes if note not in ("said", "seen"))
    lines += ["notes: " + (", ".join(f"{note}: {count}" for note, count in notes.most_common()) or "none")]
    if results:
        lines += [
            f"peak of memory {max(r.peak_mb for r in results):.0f} MB, longest {max(r.seconds for r in results)} s"
        ]
    blamed = {re.sub(r"/\S+|\d+", "..", r.notes["output blamed"]): r for r in results if "output blamed" in r.notes}
    lines += [f"  output blamed, as in run {r.index}, {r.seed}, {r.mutation}: {said}" for said, r in blamed.items()]
    for kind in kinds:
        lines += ["", f"{kind}: {FINDINGS[kind]}"]
        examples = [result for result in results if kind in result.findings]
        seen: set[str] = set()
        for result in examples:
            about = result.findings[kind]
            if (key := about if kind == "traceback" else result.seed) in seen:
                continue
            seen.add(key)
            lines.append(f"  run {result.index}, {result.seed}, {result.mutation}, exit code {result.code}: {about}")
    return lines


def main() -> int:
    """Do the runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="+", metavar="RUN")
    parser.add_argument("--lanes", type=int, default=2, help="runs at a time")
    parser.add_argument("--results", type=Path, default=Path("fuzz.jsonl"))
    parser.add_argument("--write", nargs=2, metavar=("RUN", "FILE"))
    parser.add_argument("--summary", action="store_true")
    options = parser.parse_args()
    if options.write:
        Path(options.write[1]).write_bytes(damaged(int(options.write[0]), cache()))
        return 0
    wanted: Iterable[int] = options.only or range(options.first, options.first + options.runs)
    results = load(options.results)
    if not options.summary:
        done = set() if options.only else {result.index for result in results}
        results = [] if options.only else results
        todo = [index for index in wanted if index not in done]
        begun = time.monotonic()
        with (
            Path(os.devnull if options.only else options.results).open("a") as file,
            tempfile.TemporaryDirectory() as folder,
        ):

            def report(result: Result) -> None:
                results.append(result)
                file.write(json.dumps(result.as_json()) + "\n")
                file.flush()
                count = len(results)
                if count % 100 == 0:
                    bad = sum(bool(r.findings) for r in results)
                    say(f"{count} runs, {bad} bad, {time.monotonic() - begun:.0f} s")

            run_all(todo, Path(folder), cache(), options.lanes, report)
    for line in table(sorted(results, key=lambda result: result.index)):
        say(line)
    return 1 if any(result.findings for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
