"""Attacks on a live service by somebody without credentials: what becomes of viewers, newcomers and recordings.

    python -m tests.bench.bench_attacks [--attacks NAME ...] [--seconds 20] [--descriptors 256] [--clip CLIP]

CLIP is what the camera shows, else two faces that move at 640x360. Exits with 1 where a newcomer was not served, no
segment was recorded, or the picture's rate fell below 90 %.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.live.attacks import ATTACKS, under_attack
from tests.live.face_scene import face_scene

BAR = 0.9


def main() -> int:
    """Attack, tell, judge."""
    parser = argparse.ArgumentParser(description="Attack a live service on this machine.")
    parser.add_argument("--attacks", nargs="+", choices=list(ATTACKS), default=list(ATTACKS))
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--descriptors", type=int, default=256)
    parser.add_argument("--clip", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="veilcast-attacks-") as name:
        folder = Path(name)
        clip = options.clip or face_scene(folder, (640, 360)).clip
        endured, log = under_attack(clip, folder / "service", options.attacks, options.seconds, options.descriptors)
    lines = ["| attack | picture's rate | newcomers served | segments |", "| --- | --- | --- | --- |"]
    for one in endured:
        served = f"{one.newcomers - len(one.failures)} of {one.newcomers}"
        lines.append(f"| {one.name} | {100 * one.rate:.0f} % | {served} | {one.segments} |")
    lines += [f"{one.name}: {failure}" for one in endured for failure in one.failures[:3]]
    lines += [line for line in log.splitlines() if "Traceback" in line or "level=error" in line]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if all(not one.failures and one.segments and one.rate >= BAR for one in endured) else 1


if __name__ == "__main__":
    sys.exit(main())
