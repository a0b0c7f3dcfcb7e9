"""Every labelled clip without and with `--verify`, judged by the leak meter, and what `veilcast verify` finds in both.

    python -m tests.bench.bench_verify HUMAN METER [--only NAME ...] [--every N]

HUMAN holds NAME.mp4 beside NAME.json; METER is the judge's script. A finding is a false alarm if no label overlaps it;
bystanders are not labelled in every clip, so this is an upper bound.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core.geometry import Box, overlap
from streamer import Report, VerifyReport, anonymize_and_verify, anonymize_file, verify_file

ON_LABEL = 0.15  # share of a finding that a label must cover


def main() -> None:
    """Print a line for each clip and a total."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("human", type=Path)
    parser.add_argument("meter", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    totals = {"default": [0, 0], "verify": [0, 0]}
    with tempfile.TemporaryDirectory() as directory:
        for clip in sorted(options.human.glob("*.mp4")):
            if options.only and clip.stem not in options.only:
                continue
            labels = json.loads(clip.with_suffix(".json").read_text("utf-8"))
            out = Path(directory) / f"{clip.stem}.mp4"
            for name in totals:
                begun = time.perf_counter()
                report = (
                    anonymize_and_verify(clip, out, every=options.every, overwrite=True)
                    if name == "verify"
                    else anonymize_file(clip, out, overwrite=True)
                )
                elapsed = time.perf_counter() - begun
                verdict = _judged(options.meter, clip, out)
                totals[name][0] += verdict["leaks"]
                totals[name][1] += verdict["face_frames"]
                found = verify_file(clip, out)
                sys.stdout.write(f"{clip.stem:12s} {name:8s} {_line(verdict, report, found, labels, elapsed)}\n")
                sys.stdout.flush()
    for name, (leaks, judged) in totals.items():
        sys.stdout.write(f"total {name}: {leaks}/{judged} = {100 * leaks / max(1, judged):.2f} %\n")


def _judged(meter: Path, clip: Path, out: Path) -> dict[str, Any]:
    command = [sys.executable, str(meter), str(clip), str(out), str(clip.with_suffix(".json")), "--json"]
    verdict: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return verdict


def _line(verdict: dict[str, Any], report: Report, found: VerifyReport, labels: dict[str, Any], elapsed: float) -> str:
    faces: dict[int, list[Box]] = {}
    for face in labels["faces"]:
        faces.setdefault(face["frame"], []).append(Box(*face["box"]))
    off = 0
    for finding in found.findings:
        box = Box(*finding.box)
        off += not any(overlap(box, face) > ON_LABEL * box.area for face in faces.get(finding.frame, []))
    rounds = "" if report.verification is None else f", {len(report.verification.rounds) - 1} rounds"
    return (
        f"{verdict['leaks']:3d}/{verdict['face_frames']} leak, longest {verdict['longest_leak_frames']}, over-masked "
        f"{100 * verdict['over_masked']:.2f} %, {report.frames / elapsed:.1f} fps{rounds}; verify: "
        f"{found.findings_total} findings in {found.checked} frames, {off} off labels, "
        f"{found.checked / found.elapsed:.1f} frames/s"
    )


if __name__ == "__main__":
    main()
