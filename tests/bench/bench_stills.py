"""Every labelled still picture through `veilcast file`, judged by the still meter; all, and in two halves.

    python -m tests.bench.bench_stills HUMAN METER [--config NAME] [--keep DIR]

HUMAN holds stills.json and stills/; METER is the judge's script. The halves are by a hash of the names: a change of the
detector's rule is worth keeping if it helps on both.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path


def main() -> None:
    """Mask all pictures and print what the judge says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("human", type=Path)
    parser.add_argument("meter", type=Path)
    parser.add_argument("--config", help="preset of veilcast")
    parser.add_argument("--keep", type=Path, help="write the copies here, and keep them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        masked = options.keep or Path(directory) / "masked"
        stills = options.human / "stills"
        command = [sys.executable, "-m", "streamer.cli.main", "file", str(stills), "--output-dir", str(masked)]
        command += ["--overwrite", *(["--config", options.config] if options.config else [])]
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        elapsed = time.perf_counter() - begun
        sys.stdout.write(f"exit code {done.returncode}, {done.stderr.splitlines()[-1]}, {elapsed:.0f} s\n")
        labels = json.loads((options.human / "stills.json").read_text("utf-8"))
        for part, chosen in parts(labels).items():
            print_verdict(part, options.meter, Path(directory), stills, masked, chosen)


def parts(labels: dict[str, object]) -> dict[str, dict[str, object]]:
    """All labels, and two halves of them."""
    even = {name: entry for name, entry in labels.items() if is_even(name)}
    return {"all": labels, "even": even, "odd": {name: entry for name, entry in labels.items() if name not in even}}


def is_even(name: str) -> bool:
    """Which half a picture belongs to."""
    return zlib.crc32(name.encode()) % 2 == 0


def print_verdict(
    part: str, meter: Path, directory: Path, stills: Path, masked: Path, labels: dict[str, object]
) -> None:
    """Run the judge on these pictures; a line, and for all of them a line a set."""
    human = directory / part
    human.mkdir()
    (human / "stills").symlink_to(stills.resolve())
    (human / "stills.json").write_text(json.dumps(labels), "utf-8")
    judge = [sys.executable, str(meter), str(human), str(masked), "--json"]
    verdict = json.loads(subprocess.run(judge, capture_output=True, text=True, check=True).stdout)
    sys.stdout.write(
        f"{part:5s} {verdict['leaks']}/{verdict['judged']} = {100 * verdict['leak_rate']:.2f} % leak, "
        f"face-free: {100 * (verdict['over_masked_none'] or 0):.2f} % masked, "
        f"{verdict['none_touched']}/{verdict['none_pictures']} touched, {verdict['outputs_missing']} missing\n"
    )
    if part == "all":
        for name, line in verdict["by"].items():
            sys.stdout.write(f"      {name:9s} {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
