"""Every labelled clip of a corpus through a tool, judged by the leak meter; a line a clip and a total.

    python -m tests.bench.bench_corpus CORPUS METER [--only NAME ...] [--config NAME]
    python -m tests.bench.bench_corpus CORPUS METER --tool "deface {input} --output {output}"

CORPUS holds NAME.mp4 (mov, mkv) beside NAME.json; METER is the judge's script.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av

VIDEOS = (".mp4", ".mov", ".mkv")


def main() -> None:
    """Run the tool on each clip and print what the judge says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("meter", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--config", help="preset of veilcast")
    parser.add_argument("--tool", help="command line of another tool, with {input} and {output}")
    options = parser.parse_args()
    ours = f"{shlex.quote(sys.executable)} -m streamer.cli.main file {{input}} {{output}}"
    if options.config:
        ours += f" --config {shlex.quote(options.config)}"
    judged = leaks = longest = frames = 0
    busy = 0.0
    with tempfile.TemporaryDirectory() as directory:
        for clip in sorted(path for path in options.corpus.iterdir() if path.suffix in VIDEOS):
            if options.only and clip.stem not in options.only:
                continue
            out = Path(directory) / f"{clip.stem}.out{clip.suffix}"
            command = [part.format(input=clip, output=out) for part in shlex.split(options.tool or ours)]
            begun = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            elapsed = time.perf_counter() - begun
            if done.returncode or not out.exists():
                sys.stdout.write(f"{clip.name:22s} FAILED ({done.returncode}): {done.stderr.strip()[-200:]}\n")
                continue
            judge = [sys.executable, str(options.meter), str(clip), str(out), str(clip.with_suffix(".json")), "--json"]
            verdict = json.loads(subprocess.run(judge, capture_output=True, text=True, check=True).stdout)
            over = f"over-masked {100 * verdict['over_masked']:5.2f} %"
            judged, leaks = judged + verdict["face_frames"], leaks + verdict["leaks"]
            longest, frames, busy = (
                max(longest, verdict["longest_leak_frames"]),
                frames + verdict["frames"],
                busy + elapsed,
            )
            sys.stdout.write(
                f"{clip.name:22s} {verdict['leaks']:4d}/{verdict['face_frames']:4d} leak, "
                f"longest {verdict['longest_leak_frames']:2d}, {over}, frames "
                f"-{verdict['frames_missing_in_output']} +{verdict['frames_extra_in_output']}, sound "
                f"{_sounds(clip)} -> {_sounds(out)}, {verdict['frames'] / elapsed:5.1f} fps\n"
            )
            sys.stdout.flush()
    share = 100 * leaks / judged if judged else 0.0
    sys.stdout.write(f"total {leaks}/{judged} = {share:.2f} %, longest {longest}, {frames / max(busy, 1e-9):.1f} fps\n")


def _sounds(path: Path) -> int:
    with av.open(str(path)) as container:
        return len(container.streams.audio)


if __name__ == "__main__":
    main()
