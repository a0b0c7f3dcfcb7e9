"""Every fault many times while a client records; a line a fault: raw faces, recovery, what the client missed.

    python -m tests.bench.bench_faults [--faults NAME ...] [--rounds 20] [--seed 1] [--clip CLIP] [--keep FOLDER]

CLIP is a video with its labels beside it (NAME.json), else `hd` or the talking man of the tests. With VEILCAST_CORPUS
the leak meter beside it judges, else the tests' own measure. Exits with 1 where a raw face was published.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.rigs.faults.clips import Footage, hd_footage, labelled_footage, small_footage
from tests.rigs.faults.faults import FAULTS, Fault, Injection, Outcome, outcomes, run
from tests.rigs.faults.judge import Judge
from tests.rigs.faults.rig import Options, Rig


def footage_of(clip: str | None, folder: Path) -> Footage:
    """What the camera is to show."""
    if clip is None:
        return small_footage(folder)
    return hd_footage(folder) if clip == "hd" else labelled_footage(Path(clip), folder)


def say(text: str) -> None:
    """A line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def row(name: str, outcome: Outcome, raw: int) -> str:
    """A line of the table."""
    seconds = outcome.recoveries
    lost = str(outcome.lost) if FAULTS[name].sink else ""
    times = "" if FAULTS[name].sink else f"{median(seconds):.2f} / {max(seconds):.2f}"
    rounds = f"{outcome.proven} / {outcome.rounds}"
    return f"| {name} | {rounds} | {outcome.pictures} | {outcome.whole} | {raw} | {times} | {lost} |"


def _endure(faults: Sequence[Fault], options: argparse.Namespace, folder: Path, footage: Footage) -> int:
    """Break one rig again and again; returns how many pictures show a raw face."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(options.seed)
    how = Options(injected=any(f.injected for f in faults), sinks=any(f.sink for f in faults))
    injections: list[Injection] = []
    begun = time.monotonic()
    with Rig(footage, folder, how) as rig:
        try:
            for injection in run(rig, faults, options.rounds, chance):
                injections.append(injection)
            if not rig.recorder.running:
                say(f"THE CLIENT WAS DISCONNECTED: {rig.recorder.log[-300:]}")
        finally:
            (folder / "said.txt").write_text("\n".join(list(rig.live.said)))
    took = time.monotonic() - begun
    judged = Judge(footage.originals, folder / "leaks").judge(rig.recorder.frames())
    found = outcomes(injections, judged, footage.count)
    raw = {leak.index for leak in judged.leaks}
    for name, outcome in found.items():
        times = [(i.begun, i.settled) for i in injections if i.fault.name == name]
        mine = sum(any(a <= judged.shown[index].arrived <= b for a, b in times) for index in raw)
        say(row(name, outcome, mine))
    for leak in judged.leaks[:20]:
        say(f"RAW FACE: {leak} at {judged.shown[leak.index].arrived:.2f}, {folder / 'leaks'}")
    say(f"({len(judged.shown)} pictures, {judged.compared} faces compared, {len(raw)} raw, {took / 60:.1f} min)")
    return len(raw)


def main() -> None:
    """Break everything and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", nargs="+", choices=list(FAULTS), default=list(FAULTS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clip", help="`hd`, or a video with labels")
    parser.add_argument("--keep", type=Path, help="where recordings, logs and leaking pictures are left")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        footage = footage_of(options.clip, folder)
        say("| fault | seen / injected | pictures | masked whole | raw faces | recovery, s, median / max | lost |")
        say("| --- | --- | --- | --- | --- | --- | --- |")
        raw = 0
        faults = [FAULTS[name] for name in options.faults]
        for kind in ("detector", "encoder", "camera", "sink"):
            group = [f for f in faults if ("sink" if f.sink else f.name.partition("-")[0]) == kind]
            if group:
                raw += _endure(group, options, folder / kind, footage)
    sys.exit(1 if raw else 0)


if __name__ == "__main__":
    main()
