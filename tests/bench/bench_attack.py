"""Attacks on `veilcast live` while good clients watch: what they notice, newcomers, SIGTERM, processor time.

    python -m tests.bench.bench_attack [--attacks NAME ...] [--seconds 8] [--shared] [--keep FOLDER]

A service of its own for each attack, with a camera, an RTSP and a WebRTC viewer, newcomers every second, recordings and
a push target. Attackers come from 127.0.0.2 to 127.0.0.5, with --shared from the good clients' own address. SIGTERM is
sent while the attack goes on. Exits with 1 where a rule was broken (tests/rigs/attack/verdict.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from pathlib import Path

from tests.rigs.attack.attacks import ATTACKS
from tests.rigs.attack.rig import CLIENTS, NEIGHBOURS, NEWCOMERS, STRANGERS, Outcome, Rig
from tests.rigs.attack.verdict import faults

HEAD = ("attack", *CLIENTS, "longest gap", *(f"new {kind}" for kind in NEWCOMERS), "CPU", "fds", "SIGTERM", "broken")


def say(text: str) -> None:
    """A line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def row(outcome: Outcome, broken: list[str]) -> str:
    """A line of the table: pictures/s before > during; served/came (longest wait); cores before > during > late."""
    cells = [outcome.attack]
    cells += [f"{outcome.rates[who][0]:.1f} > {outcome.rates[who][1]:.1f}" for who in CLIENTS]
    cells += [f"{max(outcome.gaps.values()):.1f} s"]
    cells += ["{}/{} ({:.1f} s)".format(*outcome.newcomers[kind]) for kind in NEWCOMERS]
    cells += [" > ".join(f"{share:.2f}" for share in outcome.cpu), str(outcome.descriptors)]
    cells += ["" if outcome.ended is None else f"{outcome.ended:.1f} s", "; ".join(broken) or "-"]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Every attack, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attacks", nargs="+", choices=list(ATTACKS), default=list(ATTACKS), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--shared", action="store_true", help="attackers come from the good clients' address")
    parser.add_argument("--keep", type=Path, help="where recordings and logs are left")
    options = parser.parse_args()
    sources = NEIGHBOURS if options.shared else STRANGERS
    say(f"| {' | '.join(HEAD)} |")
    say("| --- " * len(HEAD) + "|")
    bad, details = 0, list[str]()
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.attacks:
            kind, folder = ATTACKS[name], (options.keep or Path(temporary)) / name
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with Rig(folder, locked=kind.locked, descriptors=kind.descriptors) as rig:
                    outcome = rig.attack(name, options.seconds, sources, then_stop=True)
                    (folder / "said.txt").write_text("\n".join(list(rig.live.said)))
            except Exception:  # noqa: BLE001 - one attack that cannot be made is no reason to leave out the others
                bad += 1
                say(f"| {name} | could not be measured: {traceback.format_exc(limit=1)[-300:]!r} |")
                continue
            broken = faults(outcome, options.seconds, shared=options.shared)
            bad += bool(broken)
            say(row(outcome, broken))
            details += [f"{name}: {outcome.tally}", *(f"    {line}" for line in (*outcome.why[:6], *outcome.said[:6]))]
    say("")
    for line in details:
        say(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
